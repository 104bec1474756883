"""The page's sections on hardware: resources, clocks, timing."""

from .bars import color, share_bar, stack
from .facts import KINDS, LayerUse, bottleneck, by_layer, excess, filling, slowest
from .markup import Markup, element, fill_in, join, name, table
from .words import count, figure, share

_NUMBER = "number"
_EXTRA = "number extra"  # left out on a phone


def resources_section(report: dict) -> Markup | None:
    """Bars against the board's capacity, a table by layer and one by unit; None before hardware."""
    resources, board = report["resources"], report["board"]
    if not resources or not board or not board["capacity"]:
        return None
    layers = by_layer(resources)
    cards = [_card(k, label, resources, board["capacity"], layers) for k, label in KINDS]
    parts = [element("h2", "Resources"), element("p", _introduction(resources), class_="note")]
    parts.append(element("div", *cards, class_="cards"))
    if layers:
        parts += [element("h3", "By layer"), _layer_table(layers), _excess_note(resources)]
        parts += [element("h3", "By unit"), _unit_table(resources)]
    return element("section", *parts)


def _introduction(resources: dict) -> str:
    texts = {
        "estimated": "Estimated from the units' formulas, before synthesis.",
        "synthesized": "Counted after synthesis, before place and route.",
        "routed": "Counted after place and route.",
    }
    tick = resources["estimated_total"] and resources["source"] != "estimated"
    bars = " Each upper bar is the share of the board"
    bars += ", with the estimate as a thin line." if tick else "."
    layers = (
        " The lower one splits it by layer, numbered as in the table below." if resources["units"] else ""
    )
    return texts[resources["source"]] + bars + layers


def _card(kind: str, label: str, resources: dict, capacity: dict, layers: list[LayerUse]) -> Markup:
    """One kind of resource: the total against the board, then what each layer takes of it."""
    need, have = resources["total"][kind], capacity[kind]
    estimate = resources["estimated_total"]
    shown = estimate and resources["source"] != "estimated"
    if have:
        text = join(element("b", count(need)), f" of {count(have)} · {share(need / have)}")
        tick = estimate[kind] / have if shown else None
        bars = [share_bar(need / have, f"{label}: {share(need / have)} of the board", tick)]
    else:
        text = join(element("b", count(need)), " · the board has none")
        bars = [share_bar(2 if need else 0, f"{label}: the board has none")]
    amounts = [layer.amounts[kind] for layer in layers]
    if any(amounts):
        labels = [
            f"{i}. {layer.label}: {count(layer.amounts[kind])} {label}" for i, layer in enumerate(layers, 1)
        ]
        colors = [color(i, layer.named) for i, layer in enumerate(layers)]
        bars.append(stack(amounts, labels, colors, f"{label} by layer; the table below has the numbers"))
    remarks = [f"estimate {count(estimate[kind])}"] if shown else []
    if kind == "bram" and (filled := filling(resources)):
        remarks.append(f"{filled} of the blocks' bits in use")
    foot = element("p", " · ".join(remarks), class_="more") if remarks else None
    return element("div", element("h3", label), element("p", text), *bars, foot, class_="card")


def _layer_table(layers: list[LayerUse]) -> Markup:
    rows = []
    for i, layer in enumerate(layers):
        chip = element("span", str(i + 1), class_=f"chip {color(i, layer.named)}")
        label = name(layer.label) if layer.named else element("i", layer.label)
        numbers = [count(layer.amounts[k]) for k, _ in KINDS]
        rows.append(
            [
                element("span", chip, label, class_="keyed"),
                count(layer.units) if layer.units else "",
                *numbers,
            ]
        )
    heads = ["Layer", ("Units", _EXTRA), *[(label, _NUMBER) for _, label in KINDS]]
    return table("Resources by layer", heads, rows)


def _excess_note(resources: dict) -> Markup | None:
    over = excess(resources)
    if not over:
        return None
    parts = ", ".join(f"{count(over[k])} {label}" for k, label in KINDS if k in over)
    text = f"The units were counted one by one and add up to {parts} more than the whole design."
    return element("p", text, class_="note")


def _unit_table(resources: dict) -> Markup:
    rows = []
    for unit in resources["units"]:
        odd = unit["source"] if unit["source"] != resources["source"] else None
        numbers = [count(unit[k]) for k, _ in KINDS]
        rows.append([_unit(unit, odd), *numbers, filling(unit) or ""])
    heads = ["Unit", *[(label, _NUMBER) for _, label in KINDS], ("BRAM in use", _EXTRA)]
    return table("Resources by unit", heads, rows)


def _unit(unit: dict, remark: str | None = None, slow: bool = False) -> Markup:
    """A unit's name, then the layer and the module it comes from."""
    origin = [name(unit["layer"], 28)] if unit["layer"] else []
    small = join(*origin, name(unit["module"]), remark, between=" · ")
    mark = join(" ", element("b", "slowest", class_="mark")) if slow else None
    first = element("span", name(unit["name"]), mark)
    return element("span", first, element("small", small), class_="unit")


def clocks_section(report: dict) -> Markup | None:
    """Each unit's interval against the bottleneck's; None without clocks."""
    if not report["clocks"]:
        return None
    limits, _ = slowest(report)
    top = limits[0]["interval_clocks"]
    finding = bottleneck(report)
    rows = []
    for entry in report["clocks"]:
        slow = entry["interval_clocks"] == top
        clocks = entry["interval_clocks"]
        bar = share_bar(clocks / top if top else 0, None, class_="fill slow" if slow else "fill calm")
        rows.append([_unit(entry, slow=slow), bar, count(clocks), share(entry["busy"])])
    heads = ["Unit", ("Against the slowest", "wide"), ("Clocks", _NUMBER), ("Busy", _EXTRA)]
    return element(
        "section",
        element("h2", "Where the clocks go"),
        element("p", fill_in(finding.finding, finding.names), class_="lead"),
        table("Clocks by unit", heads, rows, class_="clocks"),
    )


def timing_section(report: dict) -> Markup | None:
    """The slowest path of the routed design; None before place and route."""
    timing = report["timing"]
    if not timing or not timing["critical_path"]:
        return None
    ns = figure(1000 / timing["fmax_mhz"]) if timing["fmax_mhz"] else None
    text = f"This path takes {ns} ns and sets the {figure(timing['fmax_mhz'])} MHz." if ns else None
    steps = [element("li", name(step, 72)) for step in timing["critical_path"]]
    return element(
        "section",
        element("h2", "Slowest path"),
        element("p", text, class_="note") if text else None,
        element("ol", *steps, class_="path"),
    )
