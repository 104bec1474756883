"""The roofline of a design: what each layer does a clock against what its lanes and streams allow."""

import math

from .bars import color
from .markup import Markup, element, join, name, table
from .words import clean, figure

_NUMBER = "number"
_EXTRA = "number extra"
BOUNDS = {"compute": "its lanes", "memory": "its buffer", "stream": "its streams"}
# Room around the points, in decades.
_MARGIN = 0.25


def roofline_section(report: dict) -> Markup | None:
    """A chart of the layers and a table of their bounds; None where the cycle model has not run."""
    roofline = report.get("roofline")
    if not roofline or not roofline["layers"]:
        return None
    note = (
        "Operations are multiplications, additions and comparisons; bits are those that come into and out of "
        "a layer. Each layer has lanes of its own, so each has its own roof: a line leads from what it does "
        "a clock up to what it could do if nothing else held it up."
    )
    rate = roofline["operations_per_second"]
    whole = f" All layers together do {figure(rate / 1e9)} billion operations a second." if rate else ""
    return element(
        "section",
        element("h2", "Roofline"),
        element("p", note + whole, class_="note"),
        _chart(roofline),
        _table(roofline),
    )


def _roofs(layer: dict) -> dict[str, float]:
    """Operations a clock that each bound allows."""
    keys = {kind: layer[f"{kind}_clocks"] for kind in BOUNDS}
    return {kind: layer["operations"] / clocks for kind, clocks in keys.items() if clocks}


class _Plane:
    """Logarithmic axes: from operations per bit and per clock to percentages of the chart."""

    def __init__(self, layers: list[dict], interval: float):
        across = [_intensity(layer) for layer in layers]
        upward = [layer["operations"] / interval for layer in layers]
        upward += [min(_roofs(layer).values()) for layer in layers]
        self.left, self.right = _decades(across)
        self.bottom, self.top = _decades(upward)

    def x(self, intensity: float) -> float:
        """Percent from the left."""
        return 100 * (math.log10(intensity) - self.left) / (self.right - self.left)

    def y(self, rate: float) -> float:
        """Percent from above."""
        return 100 * (self.top - math.log10(rate)) / (self.top - self.bottom)

    def diagonal(self, bits_per_clock: float) -> tuple[float, float, float, float] | None:
        """Ends of the line of so many bits a clock within the chart; None where it passes outside."""
        offset = math.log10(bits_per_clock)
        left, right = max(self.left, self.bottom - offset), min(self.right, self.top - offset)
        if left >= right:
            return None
        ends = [(10**at, 10 ** (at + offset)) for at in (left, right)]
        return self.x(ends[0][0]), self.y(ends[0][1]), self.x(ends[1][0]), self.y(ends[1][1])


def _decades(values: list[float]) -> tuple[float, float]:
    low, high = math.log10(min(values)), math.log10(max(values))
    return low - _MARGIN, high + _MARGIN


def _intensity(layer: dict) -> float:
    """Operations per bit moved; a layer without streams of its own counts as one bit."""
    return layer["operations"] / max(layer["bits"], 1)


def _chart(roofline: dict) -> Markup:
    layers, interval = roofline["layers"], roofline["interval_clocks"]
    plane = _Plane(layers, interval)
    parts = [*_grid(plane), *_limits(plane, layers, interval)]
    taken: list[tuple[float, float]] = []
    for n, layer in sorted(enumerate(layers), key=lambda item: not item[1]["bottleneck"]):
        parts.append(_point(plane, n, layer, interval, taken))
    label = (
        f"Operations a clock of {len(layers)} layers against their operations per bit; "
        "the table below has the numbers"
    )
    svg = element("svg", *parts, class_="roofline", role="img", aria_label=label)
    across = element("p", "operations per bit moved →", class_="axis across")
    return element("div", element("p", "↑ operations a clock", class_="axis"), svg, across, class_="chart")


def _percent(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def _line(ends: tuple[float, float, float, float], class_: str) -> Markup:
    x1, y1, x2, y2 = map(_percent, ends)
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _grid(plane: _Plane) -> list[Markup]:
    """A line with its number at each power of ten, or of two where these are few."""
    parts = []
    for power in _powers(plane.left, plane.right):
        x = plane.x(power)
        parts.append(_line((x, 0, x, 100), "grid"))
        parts.append(
            element("text", figure(power), x=_percent(x), y="100%", dx="4", dy="-5", class_="tick-text")
        )
    for power in _powers(plane.bottom, plane.top):
        y = plane.y(power)
        parts.append(_line((0, y, 100, y), "grid"))
        parts.append(
            element("text", figure(power), x="0", y=_percent(y), dx="4", dy="-4", class_="tick-text")
        )
    return parts


def _powers(low: float, high: float) -> list[float]:
    base = 10.0 if high - low >= 2 else 2.0
    first, last = (side / math.log10(base) for side in (low, high))
    # The lowest numbers of both axes would stand in one corner.
    return [base**n for n in range(math.ceil(first + 0.05 * (last - first)), math.floor(last) + 1)]


def _limits(plane: _Plane, layers: list[dict], interval: float) -> list[Markup]:
    """The roofs of a layer that limits the rate: its lanes' level, and the slope of its streams."""
    layer = next((layer for layer in layers if layer["bottleneck"]), None)
    if layer is None:
        return []
    roofs, parts = _roofs(layer), []
    for kind in ("compute", "memory"):
        if kind in roofs and plane.bottom < math.log10(roofs[kind]) < plane.top:
            y = plane.y(roofs[kind])
            text = element(
                "title", f"{clean(layer['name'])}: roof of {BOUNDS[kind]}, {figure(roofs[kind])} a clock"
            )
            parts.append(element("g", text, _line((0, y, 100, y), f"roof {kind}")))
    ends = plane.diagonal(layer["bits"] / layer["stream_clocks"]) if layer["bits"] else None
    if ends:
        text = element("title", f"{clean(layer['name'])}: roof of its streams")
        parts.append(element("g", text, _line(ends, "roof stream")))
    return parts


def _point(plane: _Plane, n: int, layer: dict, interval: float, taken: list) -> Markup:
    """A layer's dot, the line up to its roof, and its number where there is room for it."""
    rate, roof = layer["operations"] / interval, min(_roofs(layer).values())
    x, y, top = plane.x(_intensity(layer)), plane.y(rate), plane.y(max(roof, rate))
    more = ", limits the rate" if layer["bottleneck"] else ""
    title = (
        f"{n + 1}. {clean(layer['name'])}: {figure(rate)} operations a clock of {figure(roof)}, "
        f"bound by {BOUNDS[layer['bound']]}{more}"
    )
    class_ = color(n, True)
    parts = [
        element("title", title),
        _line((x, y, x, top), f"reach {class_}"),
        _line((x, top, x, top), "cap"),
    ]
    radius = 7 if layer["bottleneck"] else 4.5
    parts.append(element("circle", cx=_percent(x), cy=_percent(y), r=str(radius), class_=class_))
    if all(abs(x - a) > 6 or abs(y - b) > 6 for a, b in taken):
        parts.append(element("text", str(n + 1), x=_percent(x), y=_percent(y), dy="20", class_="point-text"))
        taken.append((x, y))
    return element("g", *parts)


def _table(roofline: dict) -> Markup:
    rows = []
    for n, layer in enumerate(roofline["layers"]):
        chip = element("span", str(n + 1), class_=f"chip {color(n, True)}")
        mark = join(" ", element("b", "limits the rate", class_="mark")) if layer["bottleneck"] else None
        label = element("span", name(layer["name"]), mark, element("small", name(layer["op"])))
        roofs = _roofs(layer)
        rows.append(
            [
                element("span", chip, label, class_="keyed"),
                figure(layer["operations"] / roofline["interval_clocks"]),
                *(figure(roofs[kind]) if kind in roofs else "" for kind in BOUNDS),
                figure(_intensity(layer)),
                BOUNDS[layer["bound"]],
            ]
        )
    heads = [
        "Layer", ("Operations a clock", _NUMBER), ("Roof of lanes", _NUMBER), ("of buffer", _EXTRA),
        ("of streams", _NUMBER), ("Operations per bit", _EXTRA), ("Bound by", "extra"),
    ]  # fmt: skip
    return table("Bounds of each layer", heads, rows)
