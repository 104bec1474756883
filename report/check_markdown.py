"""A check as Markdown: what is over, what changed, and every figure."""

import re
from collections.abc import Iterable, Sequence

from .check_words import LABELS, amount, change, failed, label, limit, one_line
from .words import clean, plural

# In a code span nothing but a backtick, and in a table a bar, is more than itself.
_PLAIN = re.compile(r"[^`| ](?:[^`|]*[^`| ])?")
_VERDICTS = {"over": "over", "regressed": "worse than before", "unknown": "not known"}


def markdown(content: dict) -> str:
    """The Markdown of a check; names show as they are, whatever they hold."""
    parts = [f"## gatewright check: {_headline(content)}\n", _summary(content)]
    parts += [_errors(content), _failures(content), _changes(content), _figures(content)]
    return "\n".join(part for part in parts if part)


def _headline(content: dict) -> str:
    verdicts = [case["verdict"] for case in content["cases"]]
    if "error" in verdicts:
        return "failed"
    return "over budget" if "over" in verdicts else "within budget"


def _summary(content: dict) -> str:
    rows = [row for case in content["cases"] for row in case["rows"]]
    limits = sum(row["limit_source"] == "budget" for row in rows)
    broken = sum(failed(row) for row in rows)
    since = f", against {code(content['baseline'])}" if content["baseline"] else ""
    kept = "all kept" if not broken else f"{broken} not kept"
    return (
        f"{code(content['budget'])}: {plural(len(content['cases']), 'case')}, {plural(limits, 'limit')}, "
        f"{kept}{since}.\n"
    )


def _errors(content: dict) -> str:
    failures = [(case, case["error"]) for case in content["cases"] if case["error"]]
    if not failures:
        return ""
    rows = [[code(c["model"]), code(c["board"]), code(one_line(error))] for c, error in failures]
    return "### Not estimated\n\n" + table(["model", "board", "why"], rows)


def _failures(content: dict) -> str:
    rows = [
        [
            code(case["model"]), code(case["board"]), label(row["metric"]), amount(row, row["value"]),
            limit(row), amount(row, row["baseline"]), change(row), _VERDICTS[row["verdict"]],
        ]
        for case, row in _rows(content)
        if failed(row)
    ]  # fmt: skip
    if not rows:
        return ""
    head = ["model", "board", "figure", "now", "limit", "before", "change", "verdict"]
    return "### Over\n\n" + table(head, rows)


def _changes(content: dict) -> str:
    if content["baseline"] is None:
        return ""
    rows = [
        [
            code(case["model"]), code(case["board"]), label(row["metric"]), amount(row, row["baseline"]),
            amount(row, row["value"]), change(row), limit(row), _turn(row),
        ]
        for case, row in _rows(content)
        if row["change"]
    ]  # fmt: skip
    news = [
        f"- {code(case['model'])} on {code(case['board'])} is not in the baseline."
        for case in content["cases"]
        if case["rows"] and all(row["baseline"] is None for row in case["rows"])
    ]
    gone = [f"- {code(c['model'])} on {code(c['board'])} is only in the baseline." for c in content["gone"]]
    head = ["model", "board", "figure", "before", "now", "change", "limit", ""]
    changed = table(head, rows) if rows else "Nothing.\n"
    listed = "\n" + "\n".join([*news, *gone]) + "\n" if news or gone else ""
    return f"### Changed since {code(content['baseline'])}\n\n{changed}{listed}"


def _turn(row: dict) -> str:
    better = (row["change"] > 0) == (row["better"] == "higher")
    return "better" if better else "worse"


def _figures(content: dict) -> str:
    used = [m for m in LABELS if any(row["metric"] == m for _, row in _rows(content))]
    rows = []
    for case in content["cases"]:
        own = {row["metric"]: row for row in case["rows"]}
        cells = [_cell(own.get(metric)) for metric in used]
        rows.append([code(case["model"]), code(case["board"]), *cells])
    units = {row["metric"]: row["unit"] for _, row in _rows(content)}
    names = [f"{label(m)}, {units[m]}" if units[m] and units[m] not in _OWN else label(m) for m in used]
    return "### Figures\n\n" + table(["model", "board", *names], rows) if used else ""


# Units that the name says already.
_OWN = ("LUTs", "flip-flops", "blocks", "per inference")


def _cell(row: dict | None) -> str:
    """A figure, and how much of its limit that is, where more may not be."""
    if row is None or row["value"] is None:
        return "–"
    value = amount(row, row["value"])
    if row["limit_source"] is None or row["better"] == "higher" or not row["limit"]:
        return f"**{value}**" if failed(row) else value
    part = f"{value} ({100 * row['value'] / row['limit']:.0f} %)"
    return f"**{part}**" if failed(row) else part


def _rows(content: dict) -> Iterable[tuple[dict, dict]]:
    return [(case, row) for case in content["cases"] for row in case["rows"]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand below each other in plain text as well."""
    widths = [max(3, *(len(row[n]) for row in (head, *rows))) for n in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |\n"
        for line in lines
    )


def code(name: str) -> str:
    """Words from outside: as code, and nothing in them is Markdown or HTML.

    >>> code("<b>digits"), code("a|b`")
    ('`<b>digits`', '<code>a&#124;b&#96;</code>')
    """
    name = clean(name)
    if _PLAIN.fullmatch(name):
        return f"`{name}`"
    return "<code>" + re.sub(r"[^A-Za-z0-9 ]", lambda m: f"&#{ord(m[0])};", name) + "</code>"
