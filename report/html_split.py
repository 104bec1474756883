"""The page's part on a network that is split between a processor and an FPGA."""

from .bars import share_bar
from .markup import Markup, element, join, name, table
from .words import clean, count, figure, plural, share

_NUMBER = "number"
_EXTRA = "number extra"  # left out on a phone
_TITLES = {"before": "before the FPGA", "fpga": "FPGA", "after": "behind the FPGA"}
_SIDES = {"in": "to the FPGA", "out": "from the FPGA"}
_SOURCES = {
    "estimated": "estimated",
    "counted": "instructions counted",
    "llvm-mca": "by llvm-mca",
    "modelled": "by the cycle model",
    "measured": "measured in simulation",
}


def split_figures(report: dict) -> list[tuple[str, str | None, str, str | None]]:
    """The page's large figures: label, value, unit and the small print below."""
    split = report["split"]
    _, fpga, _ = split["parts"]
    part = share(fpga["macs"] / (sum(p["macs"] for p in split["parts"]) or 1))
    layers = f"layers {split['first']} to {split['last']} on the FPGA, {part} of MACs"
    moved = sum(t["us"] for t in split["transfers"])
    crossing = f"{count(sum(t['bytes'] for t in split['transfers']))} bytes"
    return [
        ("A frame takes", figure(split["latency_us"]), "µs", layers),
        ("Of it on the FPGA", figure(fpga["us"]), "µs", _SOURCES[fpga["source"]]),
        ("In transfers", figure(moved), "µs", crossing),
    ]


def split_line(split: dict) -> str:
    """The same in a line."""
    before, fpga, after = (figure(p["us"]) for p in split["parts"])
    moved = figure(sum(t["us"] for t in split["transfers"]))
    core, layers = clean(split["core"]), f"layers {split['first']} to {split['last']}"
    return (
        f"{figure(split['latency_us'])} µs: {before} on {core}, {fpga} on the FPGA ({layers}), "
        f"{after} on {core}, {moved} in transfers"
    )


def split_section(report: dict) -> Markup | None:
    """Where a frame's time goes, and what else might have been cut; None for one target."""
    split = report.get("split")
    if not split:
        return None
    parts = [
        element("h2", "Between processor and FPGA"),
        element("p", _lead(report, split), class_="note"),
        _time_table(report, split),
    ]
    if split["candidates"]:
        parts += [element("h3", "Cuts that this one was chosen among"), _cut_table(split)]
    return element("section", *parts)


def _lead(report: dict, split: dict) -> Markup:
    names = [report["model"]["layers"][i]["name"] or f"layer {i}" for i in (split["first"], split["last"])]
    return join(
        "The FPGA computes ", name(names[0]), " to ", name(names[1]), ", ", name(split["core"]),
        " the rest, one after the other. Rates, clocks and resources on this page are the FPGA's part.",
    )  # fmt: skip


def _time_table(report: dict, split: dict) -> Markup:
    before, fpga, after = split["parts"]
    there, back = split["transfers"]
    rows = [_part(split, before), _transfer(split, there), _part(split, fpga)]
    rows += [_transfer(split, back), _part(split, after)]
    heads = ["Part", ("Share of the time", "wide"), ("µs", _NUMBER), "How known", ("Instructions", _EXTRA)]
    return table("Time of a frame", [*heads, ("What", "extra")], rows, class_="clocks")


def _bar(split: dict, us: float) -> Markup:
    return share_bar(us / split["latency_us"] if split["latency_us"] else 0, None, class_="fill calm")


def _part(split: dict, part: dict) -> list[str]:
    counted = "" if part["instructions"] is None else count(part["instructions"])
    layers = "packing alone"
    if part["nodes"]:
        layers = f"{plural(part['nodes'], 'layer')}, {count(part['macs'])} MACs"
    us, source = part["us"], _SOURCES[part["source"]]
    return [_TITLES[part["name"]], _bar(split, us), figure(us), source, counted, layers]


def _transfer(split: dict, transfer: dict) -> list[str]:
    what = join(f"{count(transfer['bytes'])} bytes: ", name(transfer["type"]))
    us = transfer["us"]
    return [_SIDES[transfer["side"]], _bar(split, us), figure(us), "by the port's width", "", what]


def _cut_table(split: dict) -> Markup:
    rows = [
        [
            f"{c['first']} to {c['last']}",
            *(figure(c[k]) for k in ("latency_us", "before_us", "fpga_us", "after_us")),
            *(count(c[k]) for k in ("bytes_in", "bytes_out")),
            "folded" if c["folded"] else "by layers",
        ]
        for c in split["candidates"]
    ]
    heads = ["Layers", ("µs", _NUMBER), ("Before", _NUMBER), ("FPGA", _NUMBER), ("Behind", _NUMBER)]
    heads += [("Bytes in", _EXTRA), ("Bytes out", _EXTRA), "Estimate"]
    return table("Cuts and their estimated times", heads, rows)
