"""Figures of a check as people read them; the same words in Markdown, JUnit and annotations."""

from .words import clean, figure

LABELS = {
    "lut": "LUT",
    "ff": "FF",
    "bram": "BRAM",
    "dsp": "DSP",
    "fmax_mhz": "reachable clock",
    "fps": "rate",
    "latency_us": "latency",
    "mw": "power",
    "uj": "energy",
    "instructions": "instructions",
    "accuracy": "accuracy",
}
# Whose numbers are counted, so that each digit is meant.
_COUNTED = ("lut", "ff", "bram", "dsp", "instructions")
_BAD = ("over", "regressed", "unknown")


def label(metric: str) -> str:
    """What a figure is called."""
    return LABELS.get(metric, metric)


def amount(row: dict, value: float | None, signed: bool = False) -> str:
    """A value of a row's figure, without its unit; ``signed`` of a change.

    >>> amount({"metric": "lut"}, 24936), amount({"metric": "accuracy"}, 0.875)
    ('24,936', '87.5 %')
    """
    if value is None:
        return "–"
    sign = "+" if signed and value > 0 else "−" if value < 0 else ""
    size = abs(value)
    if row["metric"] == "accuracy":
        return f"{sign}{100 * size:.4g} %"
    if row["metric"] in _COUNTED:
        return sign + (f"{size:,.0f}" if float(size).is_integer() else f"{size:,.1f}")
    return sign + figure(size)


def change(row: dict) -> str:
    """By how much a figure differs from the baseline's."""
    by = row["change"]
    if by is None:
        return "–"
    if not by:
        return "none"
    of = row["baseline"]
    relative = (
        f" ({'+' if by > 0 else '−'}{100 * abs(by / of):.3g} %)" if of and row["metric"] != "accuracy" else ""
    )
    return amount(row, by, signed=True) + relative


def limit(row: dict) -> str:
    """What a figure must not pass, and which way."""
    if row["limit"] is None:
        return "–"
    way = "≥" if row["better"] == "higher" else "≤"
    bound = amount(row, row["limit"])
    written = row["limit_text"]
    share = f" ({clean(written)})" if written and "%" in written and row["metric"] != "accuracy" else ""
    return f"{way} {bound}{' (the board)' if row['limit_source'] == 'board' else share}"


def failed(row: dict) -> bool:
    """Whether a row keeps its case from passing."""
    return row["verdict"] in _BAD


def finding(row: dict) -> str:
    """What is wrong with a row that failed, in one sentence."""
    unit = f" {row['unit']}" if row["unit"] else ""
    name, value = label(row["metric"]), amount(row, row["value"])
    if row["verdict"] == "unknown":
        return f"{name} is limited, but not known"
    if row["verdict"] == "regressed":
        return (
            f"{name} is {value}{unit}, was {amount(row, row['baseline'])}: {change(row)}, "
            f"more than the tolerance of {clean(row['tolerance'])}"
        )
    was = "" if row["baseline"] is None else f" (was {amount(row, row['baseline'])})"
    return f"{name} is {value}{unit}{was}, but must be {limit(row)}"


def title(case: dict) -> str:
    """A case in a few words; names of any kind in it."""
    where = f"{clean(case['model'])} on {clean(case['board'])}"
    return f"{where} ({case['target']})" if case["target"] == "arm" else where


def one_line(text: str) -> str:
    """A message, also of several lines, in one without control characters."""
    return clean(" ".join(text.split()))
