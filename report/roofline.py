"""The roofline of a design: what each layer does a clock against what its lanes and streams allow."""

import math

from .bars import color
from .markup import Markup, element, join, name, table
from .timeline import legend
from .words import clean, figure

_NUMBER = "number"
_EXTRA = "number extra"
BOUNDS = {"compute": "lanes", "memory": "buffer", "stream": "streams"}
# Numbers of points that are nearer than so many percent, across and upward, stand together, a few of them.
_NEAR, _LISTED = (5, 6), 3
# Room around the points, for their numbers too: a part of the axis, and decades at least.
_MARGIN, _LEAST = 0.14, 0.25
_CLIPPED = 90  # percent from where on a number at the axis would be cut off
_HIGHER = 1.1  # roofs that are nearer are not told apart from what a layer does


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
        _key(_limiting(roofline["layers"])),
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
    room = max(_MARGIN * (high - low), _LEAST)
    return low - room, high + room


def _intensity(layer: dict) -> float:
    """Operations per bit moved; a layer without streams of its own counts as one bit."""
    return layer["operations"] / max(layer["bits"], 1)


def _chart(roofline: dict) -> Markup:
    layers, interval = roofline["layers"], roofline["interval_clocks"]
    plane = _Plane(layers, interval)
    parts = [*_grid(plane), *_limits(plane, layers, interval)]
    parts += [_point(plane, n, layer, interval) for n, layer in enumerate(layers)]
    parts += _numbers(plane, layers, interval)
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
        if x < _CLIPPED:
            text = {"x": _percent(x), "y": "100%", "dx": "4", "dy": "-5"}
            parts.append(element("text", figure(power), **text, class_="tick-text"))
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
    found = _limiting(layers)
    if found is None:
        return []
    layer, parts = layers[found], []
    roofs = _roofs(layer)
    for kind in ("compute", "memory"):
        if kind in roofs and plane.bottom < math.log10(roofs[kind]) < plane.top:
            y = plane.y(roofs[kind])
            parts.append(_line((0, y, 100, y), f"roof {kind}"))
    ends = plane.diagonal(layer["bits"] / layer["stream_clocks"]) if layer["bits"] else None
    return [*parts, _line(ends, "roof stream")] if ends else parts


def _limiting(layers: list[dict]) -> int | None:
    """Of the layers that limit the rate the one that does most; None without any."""
    limits = [n for n, layer in enumerate(layers) if layer["bottleneck"]]
    return max(limits, key=lambda n: layers[n]["operations"], default=None)


def _key(found: int | None) -> Markup | None:
    """What the lines across the chart are."""
    if found is None:
        return None
    whose = f"roof of layer {found + 1}, which limits the rate: "
    entries = zip(("compute", "memory", "stream"), (whose + "its lanes", "buffer", "streams"), strict=True)
    return legend([(f"stroke {kind}", text) for kind, text in entries])


def _point(plane: _Plane, n: int, layer: dict, interval: float) -> Markup:
    """A layer's dot and the line up to its roof."""
    rate, roof = layer["operations"] / interval, min(_roofs(layer).values())
    x, y, top = plane.x(_intensity(layer)), plane.y(rate), plane.y(max(roof, rate))
    more = ", limits the rate" if layer["bottleneck"] else ""
    title = (
        f"{n + 1}. {clean(layer['name'])}: {figure(rate)} operations a clock of {figure(roof)}, "
        f"bound by its {BOUNDS[layer['bound']]}{more}"
    )
    class_ = color(n, True)
    parts = [element("title", title)]
    if roof > _HIGHER * rate:
        parts += [_line((x, y, x, top), "reach"), _line((x, top, x, top), "cap")]
    radius = 7 if layer["bottleneck"] else 4.5
    parts.append(element("circle", cx=_percent(x), cy=_percent(y), r=str(radius), class_=class_))
    return element("g", *parts)


def _numbers(plane: _Plane, layers: list[dict], interval: float) -> list[Markup]:
    """The layers' numbers, those of points that are near each other together."""
    groups: list[tuple[float, float, list[int]]] = []
    for n, layer in enumerate(layers):
        x, y = plane.x(_intensity(layer)), plane.y(layer["operations"] / interval)
        near = [g for g in groups if abs(g[0] - x) < _NEAR[0] and abs(g[1] - y) < _NEAR[1]]
        if near:
            near[0][2].append(n + 1)
        else:
            groups.append((x, y, [n + 1]))
    return [
        element("text", _listed(numbers), x=_percent(x), y=_percent(y), dy="20", class_="point-text")
        for x, y, numbers in groups
    ]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:_LISTED])) + ("…" if len(numbers) > _LISTED else "")


def _table(roofline: dict) -> Markup:
    rows = []
    for n, layer in enumerate(roofline["layers"]):
        chip = element("span", str(n + 1), class_=f"chip {color(n, True)}")
        mark = join(" ", element("b", "slowest", class_="mark")) if layer["bottleneck"] else None
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
