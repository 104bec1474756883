"""Energy of an inference: what switching takes by layer, and the static share."""

from .bars import color, share_bar, stack
from .facts import NO_LAYER
from .markup import Markup, element, join, name, table
from .words import figure, share

_NUMBER = "number"
_STATIC = "static share"


def energy_section(report: dict) -> Markup | None:
    """Totals, a bar of layers and static share, and a table of both; None where nothing is known."""
    energy = report.get("energy")
    if not energy:
        return None
    static = max(energy["uj"] - energy["dynamic_uj"], 0)
    parts = [
        (layer["name"] or NO_LAYER, bool(layer["name"]), color(n, bool(layer["name"])), layer["dynamic_nj"])
        for n, layer in enumerate(energy["layers"])
    ]
    parts.append((_STATIC, False, "static", 1000 * static))
    section = [
        element("h2", "Energy"),
        element("p", _lead(energy, static), class_="lead"),
    ]
    if any(nj for *_, nj in parts):
        labels = [f"{n}. {text}: {figure(nj)} nJ" for n, (text, _, _, nj) in enumerate(parts, 1)]
        amounts, colors = [nj for *_, nj in parts], [class_ for _, _, class_, _ in parts]
        label = "Energy of an inference by layer; the table below has the numbers"
        section += [stack(amounts, labels, colors, label), _table(parts)]
    section.append(element("p", join(energy["source"]), class_="more"))
    return element("section", *section)


def _lead(energy: dict, static: float) -> str:
    return (
        f"An inference takes {figure(energy['uj'])} µJ, uncertain by {share(energy['uncertainty'])}: "
        f"{figure(energy['dynamic_uj'])} µJ for switching and {figure(static)} µJ as its share of "
        f"{figure(energy['static_mw'])} mW that the part takes at rest; {figure(energy['mw'])} mW in all at "
        "the rate above."
    )


def _table(parts: list[tuple[str, bool, str, float]]) -> Markup:
    whole, top = sum(nj for *_, nj in parts), max(nj for *_, nj in parts)
    rows = []
    for n, (text, named, class_, nj) in enumerate(parts, 1):
        chip = element("span", str(n), class_=f"chip {class_}")
        label = name(text) if named else element("i", text)
        bar = share_bar(nj / top, None, class_="fill calm")
        rows.append([element("span", chip, label, class_="keyed"), bar, figure(nj), share(nj / whole)])
    heads = ["Layer", ("Against the largest", "wide"), ("nJ", _NUMBER), ("Share", _NUMBER)]
    return table("Energy of an inference by layer", heads, rows, class_="layers")
