"""Bars as inline SVG, as wide as their place on the page."""

from .markup import Markup, element

# Colours of page.css: --c0 and so on for layers, --none for what belongs to no layer.
_COLORS = 9
# A segment narrower than this share has no room for its number.
_ROOM = 0.045


def _percent(x: float) -> str:
    return f"{100 * x:.3f}".rstrip("0").rstrip(".") + "%"


def _rect(start: float, width: float, class_: str) -> Markup:
    return element("rect", x=_percent(start), width=_percent(width), height="100%", class_=class_)


def share_bar(share: float, label: str | None, tick: float | None = None, class_: str = "fill") -> Markup:
    """A track filled to ``share``; over 1 the whole is scaled down and a line marks where 1 lies.

    Args:
        label: what a screen reader says; None where the number stands beside the bar anyway.
        tick: a second share, marked by a thin line.
    """
    scale = max(share, tick or 0, 1)
    # What is not zero stays visible.
    width = max(share / scale, 0.006) if share else 0
    marks = [] if tick is None else [tick / scale]
    parts = [_rect(0, 1, "track"), _rect(0, width, f"{class_} over" if share > 1 else class_)]
    if share > 1:
        parts.append(_line(1 / scale, "limit"))
    parts += [_line(m, "tick") for m in marks]
    return _svg(parts, label, "bar")


def color(i: int, named: bool) -> str:
    """The CSS class of the i-th layer; parts that are no layer of the model are grey."""
    return f"c{i % _COLORS}" if named else "none"


def stack(amounts: list[float], labels: list[str], colors: list[str], label: str) -> Markup:
    """Amounts side by side, together the whole width; segment i carries the number i + 1.

    ``labels`` are the tooltips of the segments, ``colors`` their CSS classes.
    """
    whole = sum(amounts)
    parts, start = [], 0.0
    for i, (amount, text, class_) in enumerate(zip(amounts, labels, colors, strict=True)):
        if not amount:
            continue
        width = amount / whole
        inner = [element("title", text), _rect(start, width, class_)]
        if width >= _ROOM:
            inner.append(element("text", str(i + 1), x=_percent(start + width / 2), y="50%"))
        parts.append(element("g", *inner))
        start += width
        if start < 0.9999:
            parts.append(_line(start, "gap"))
    return _svg(parts, label, "stack")


def _line(at: float, class_: str) -> Markup:
    return element("line", x1=_percent(at), x2=_percent(at), y1="0", y2="100%", class_=class_)


def _svg(parts: list[Markup], label: str | None, class_: str) -> Markup:
    if label is None:
        return element("svg", *parts, class_=class_, aria_hidden="true")
    return element("svg", *parts, class_=class_, role="img", aria_label=label)
