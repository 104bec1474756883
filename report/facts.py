"""What a report says once it is read: verdicts, sums by layer, the bottleneck."""

from dataclasses import dataclass

from .words import count, figure, plural, share

KINDS = (("lut", "LUT"), ("ff", "FF"), ("bram", "BRAM"), ("dsp", "DSP"))
STAGES = {
    "graph": "integer graph",
    "estimate": "estimated",
    "rtl": "RTL written",
    "simulate": "simulated",
    "synthesize": "synthesized",
    "bitstream": "bitstream",
    "lower": "kernels planned",
    "objects": "kernels compiled",
    "library": "library built",
    "verify": "library verified",
    "hls": "HLS project written",
    "csim": "HLS project simulated in C",
    "dslx": "DSLX written",
    "pipeline": "RTL written by XLS",
    "cut": "cut between processor and FPGA",
    "parts": "parts built",
    "cosimulate": "parts simulated together",
}
NO_LAYER = "between layers"
REST = "outside the units"
# Verdicts, as the words that stand beside each sign.
PASSED, FAILED, OPEN = "Passed", "Failed", "Not checked"


@dataclass(frozen=True)
class Check:
    """One thing that a customer asks: its verdict, what was checked, and the finding in words.

    ``names`` are the names in ``finding`` that came from outside, put in where it has ``{}``.
    """

    verdict: str
    title: str
    finding: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerUse:
    """Resources of all units of one layer; ``named`` when the label is a name from the model."""

    label: str
    named: bool
    units: int
    amounts: dict[str, float]


def by_layer(resources: dict) -> list[LayerUse]:
    """Amounts summed by layer in stream order, then what the units leave of the total, if anything."""
    sums: dict[str, dict[str, float]] = {}
    units: dict[str, int] = {}
    for unit in resources["units"]:
        own = sums.setdefault(unit["layer"], dict.fromkeys((k for k, _ in KINDS), 0))
        units[unit["layer"]] = units.get(unit["layer"], 0) + 1
        for kind, _ in KINDS:
            own[kind] += unit[kind]
    rows = [LayerUse(layer or NO_LAYER, bool(layer), units[layer], own) for layer, own in sums.items()]
    rest = {k: max(resources["total"][k] - sum(r.amounts[k] for r in rows), 0) for k, _ in KINDS}
    if rows and any(rest.values()):
        rows.append(LayerUse(REST, False, 0, rest))
    return rows


def excess(resources: dict) -> dict[str, float]:
    """By how much the units add up to more than the total, for the kinds where they do."""
    sums = {k: sum(u[k] for u in resources["units"]) for k, _ in KINDS}
    return {k: s - resources["total"][k] for k, s in sums.items() if s > resources["total"][k]}


def filling(entry: dict) -> str | None:
    """How full a unit's or the design's block memories are, in words; None without any, or not told."""
    memory = entry.get("block_memory")
    return share(memory["filled"]) if memory else None


def fullest(report: dict) -> tuple[str, float] | None:
    """The kind of which the design takes the largest share of the board, and that share.

    A kind that the board lacks and the design needs counts as infinitely full.
    """
    if not report["resources"] or not report["board"] or not report["board"]["capacity"]:
        return None
    need, have = report["resources"]["total"], report["board"]["capacity"]
    filled = {label: need[k] / have[k] if have[k] else (float("inf") if need[k] else 0) for k, label in KINDS}
    return max(filled.items(), key=lambda item: item[1])


def slowest(report: dict) -> tuple[list[dict], dict | None]:
    """The units that need most clocks (several when they tie), and the next slowest, if any."""
    entries = report["clocks"]
    top = max((c["interval_clocks"] for c in entries), default=0)
    rest = [c for c in entries if c["interval_clocks"] < top]
    return [c for c in entries if c["interval_clocks"] == top], max(
        rest, key=lambda c: c["interval_clocks"], default=None
    )


def bottleneck(report: dict) -> Check | None:
    """What limits the rate, in words; None without clocks of units."""
    limits, after = slowest(report)
    if not limits:
        return None
    top, interval = limits[0]["interval_clocks"], report["interval_clocks"] or limits[0]["interval_clocks"]
    if interval > top:
        finding = (
            f"No unit limits the rate: the slowest, {{}}, needs {count(top)} of the {count(interval)} clocks "
            "from frame to frame. The rest goes to streaming frames in or out, or to waiting."
        )
        return Check(OPEN, "Bottleneck", finding, (limits[0]["name"],))
    names = tuple(c["name"] for c in limits[:2])
    more = f" and {plural(len(limits) - 2, 'other')}" if len(limits) > 2 else ""
    verb = "limits" if len(limits) == 1 else "limit"
    finding = f"{' and '.join(['{}'] * len(names))}{more} {verb} the rate: {count(top)} clocks for a frame."
    if after and after["interval_clocks"]:
        gain = f"{top / after['interval_clocks']:,.2f}"
        finding += (
            f" The next slowest, {{}}, needs {count(after['interval_clocks'])}: relieving the first alone "
            f"gives at most {gain} times the rate."
        )
        names += (after["name"],)
    return Check(OPEN, "Bottleneck", finding, names)


def checks(report: dict) -> list[Check]:
    """Whether it fits, reaches its clock, and computes the same everywhere."""
    if report.get("arm"):
        return [_agreement(e) for e in report["executors"]]
    agreements = map(_agreement, report["executors"])
    return [_fit(report), _timing(report), *agreements, *_clocks(report)]


def _fit(report: dict) -> Check:
    full = fullest(report)
    if full is None:
        return Check(OPEN, "Fits the board", "No hardware was made yet.")
    source = report["resources"]["source"]
    need, have = report["resources"]["total"], report["board"]["capacity"]
    over = [f"{count(need[k])} {n} of {count(have[k])}" for k, n in KINDS if need[k] > have[k]]
    if over:
        return Check(FAILED, "Fits the board", f"The design needs {', '.join(over)} ({source}).")
    return Check(PASSED, "Fits the board", f"The fullest resource is {full[0]}, {share(full[1])} ({source}).")


def _timing(report: dict) -> Check:
    t = report["timing"]
    if not t:
        return Check(OPEN, "Reaches its clock", "Not placed and routed yet.")
    reached = f"{figure(t['fmax_mhz'])} MHz reached, {figure(t['asked_mhz'])} MHz asked"
    caveat = f" Beware: {t['caveat']}." if t.get("caveat") else ""
    if t["met"]:
        return Check(PASSED, "Reaches its clock", f"{reached}.{caveat}")
    return Check(FAILED, "Reaches its clock", f"{reached}. Do not run the board at the clock asked.{caveat}")


def _clocks(report: dict) -> list[Check]:
    """Whether frames leave when the cycle model says; nothing where that has not run."""
    model = report.get("cycle_model")
    if not model:
        return []
    frames, equal, title = model["frames"], model["frames_equal"], "Same clocks"
    if not frames:
        return [Check(OPEN, title, "Clocks are the cycle model's; RTL was not simulated.")]
    if equal == frames:
        finding = f"The cycle model tells the clock in which each of {plural(frames, 'frame')} is out."
        return [Check(PASSED, title, finding)]
    off = f"The cycle model is wrong about {plural(frames - equal, 'frame')} of {count(frames)}"
    return [Check(FAILED, title, f"{off}, and so may the pictures below be. Please report this.")]


def _agreement(e: dict) -> Check:
    if e["against"] is None or not e["inputs"]:
        return Check(OPEN, "Same results", "{} was not compared.", (e["name"],))
    names = (e["name"], e["against"])
    if e["equal"] == e["inputs"] and e["values_equal"] == e["values"]:
        return Check(PASSED, "Same results", f"{{}} equals {{}} on {agreed(e)}.", names)
    off = plural(e["inputs"] - e["equal"], "input")
    wrong = plural(e["values"] - e["values_equal"], "value")
    return Check(
        FAILED, "Same results", f"{{}} differs from {{}} on {off} of {count(e['inputs'])} ({wrong}).", names
    )


def agreed(e: dict) -> str:
    """How many inputs and values of an executor's comparison agree, in words."""
    if e["equal"] == e["inputs"]:
        return f"all {plural(e['inputs'], 'input')} ({plural(e['values'], 'value')})"
    return f"{count(e['equal'])} of {plural(e['inputs'], 'input')}"
