"""Energy of an inference: what switching takes by layer, and the static share."""

from .bars import color, share_bar, stack
from .facts import NO_LAYER
from .markup import Markup, element, join, name, table
from .words import figure, share

_NUMBER = "number"


def energy_section(report: dict) -> Markup | None:
    """Totals, a bar of layers and static share, and a table by layer; None where nothing is known."""
    energy = report.get("energy")
    if not energy:
        return None
    dynamic, static = energy["dynamic_uj"], max(energy["uj"] - energy["dynamic_uj"], 0)
    layers = energy["layers"]
    amounts = [layer["dynamic_nj"] / 1000 for layer in layers] + [static]
    texts = [layer["name"] or NO_LAYER for layer in layers]
    labels = [
        f"{n}. {text}: {figure(uj)} µJ" for n, (text, uj) in enumerate(zip(texts, amounts, strict=False), 1)
    ]
    labels.append(f"static share: {figure(static)} µJ")
    colors = [color(n, bool(layer["name"])) for n, layer in enumerate(layers)] + ["static"]
    parts = [
        element("h2", "Energy"),
        element("p", _lead(energy, dynamic, static), class_="lead"),
        element("p", join(energy["source"]), class_="note"),
    ]
    if sum(amounts):
        parts.append(
            stack(amounts, labels, colors, "Energy of an inference by layer; the table below has the numbers")
        )
    if layers:
        parts.append(_table(energy, texts))
    return element("section", *parts)


def _lead(energy: dict, dynamic: float, static: float) -> str:
    return (
        f"An inference takes {figure(energy['uj'])} µJ, uncertain by {share(energy['uncertainty'])}: "
        f"{figure(dynamic)} µJ for switching and {figure(static)} µJ as its share of "
        f"{figure(energy['static_mw'])} mW that the part takes at rest; {figure(energy['mw'])} mW in all at "
        "the rate above."
    )


def _table(energy: dict, texts: list[str]) -> Markup:
    layers = energy["layers"]
    top = max(layer["dynamic_nj"] for layer in layers)
    whole = sum(layer["dynamic_nj"] for layer in layers)
    rows = []
    for n, (layer, text) in enumerate(zip(layers, texts, strict=True)):
        nj = layer["dynamic_nj"]
        chip = element("span", str(n + 1), class_=f"chip {color(n, bool(layer['name']))}")
        label = name(text) if layer["name"] else element("i", text)
        bar = share_bar(nj / top if top else 0, None, class_="fill calm")
        rows.append(
            [
                element("span", chip, label, class_="keyed"),
                bar,
                figure(nj),
                share(nj / whole) if whole else "",
            ]
        )
    heads = ["Layer", ("Against the largest", "wide"), ("nJ", _NUMBER), ("Share", _NUMBER)]
    return table("Switching energy by layer", heads, rows, class_="clocks")
