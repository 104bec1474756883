"""What each unit does in the first frame and when frames repeat, as strips of coloured parts."""

from .markup import Markup, element, join, name, table
from .words import clean, count, duration, share

# Units of a strip's own coordinates, which are stretched to its place on the page.
_WIDTH, _HEIGHT, _LANE = 960, 20, 3
_NUMBER = "number"
STATES = (("busy", "busy"), ("stalled", "no room"), ("waiting", "no beats"))


def timeline_section(report: dict) -> Markup | None:
    """A strip of each unit's clocks; None where the cycle model has not run."""
    timeline = report.get("timeline")
    if not timeline or not timeline["units"]:
        return None
    windows = [(key, timeline[key]) for key in ("first", "steady") if timeline[key]]
    titles = {"first": "First frame", "steady": "Frames that repeat"}
    rows = []
    for unit in timeline["units"]:
        strips = [_strip(unit, unit[key], window, titles[key]) for key, window in windows]
        rows.append([_unit(unit), *strips, share(unit["busy"])])
    heads = [(join(titles[key], _extent(window, report["clock_mhz"])), "when") for key, window in windows]
    note = (
        "What each unit does, by the cycle model, in about a hundred parts of each stretch of time: from the "
        "bottom, its clocks at work, those in which the FIFO behind it has no room, and those in which one "
        "before it has no beats. Lines below tell when it has a frame in it."
    )
    return element(
        "section",
        element("h2", "Timeline"),
        element("p", note, class_="note"),
        legend([(key, text) for key, text in STATES]),
        table("What units do over time", ["Unit", *heads, ("Busy", _NUMBER)], rows, class_="timeline"),
    )


def legend(entries: list[tuple[str, str]]) -> Markup:
    """Colours and what they stand for."""
    items = [
        element("li", element("span", class_=f"swatch {class_}", aria_hidden="true"), text)
        for class_, text in entries
    ]
    return element("ul", *items, class_="legend")


def _extent(window: dict, clock_mhz: float | None) -> Markup:
    time = f", {' '.join(duration(window['clocks'], clock_mhz))}" if clock_mhz else ""
    return element("small", f"{count(window['clocks'])} clocks{time}")


def _unit(unit: dict) -> Markup:
    return element("span", name(unit["name"], 30), element("small", name(unit["module"], 30)))


def _strip(unit: dict, row: dict | None, window: dict, title: str) -> Markup:
    """One unit's parts in a window, and the frames that it has in it."""
    if row is None:
        return join("")
    label = f"{title}: {clean(unit['name'])}, " + ", ".join(
        f"{share(_part(row, n, window))} {text}" for n, (_, text) in enumerate(STATES)
    )
    paths = [
        element("path", d=_columns(row["segments"], n, window), class_=key)
        for n, (key, _) in enumerate(STATES)
    ]
    bars = [_frame(span, n, window) for n, span in enumerate(row["frames"])]
    parts = [element("title", label), element("rect", width=_WIDTH, height=_HEIGHT, class_="track")]
    box = f"0 0 {_WIDTH} {_HEIGHT + 2 * _LANE + 2}"
    return element(
        "svg", *parts, *paths, *bars, class_="strip", viewBox=box, preserveAspectRatio="none", role="img",
        aria_label=label,
    )  # fmt: skip


def _part(row: dict, n: int, window: dict) -> float:
    """A state's share of a window's clocks."""
    clocks = sum((end - start) * states[n] for start, end, *states in row["segments"])
    return min(clocks / window["clocks"], 1)


def position(clock: float, window: dict) -> float:
    """Where a clock is in a strip's own coordinates."""
    return round(min(max(clock - window["start"], 0), window["clocks"]) * _WIDTH / window["clocks"], 1)


def _columns(segments: list, n: int, window: dict) -> str:
    """A path around the n-th share of each segment, on top of those before it."""
    shapes = []
    for start, end, *shares in segments:
        if shares[n]:
            left, width = position(start, window), position(end, window) - position(start, window)
            top = _HEIGHT * (1 - min(sum(shares[: n + 1]), 1))
            shapes.append(f"M{left:g} {top:g}h{width:.4g}v{_HEIGHT * shares[n]:g}h-{width:.4g}z")
    return "".join(shapes)


def _frame(span: list[int], n: int, window: dict) -> Markup:
    left, right = (position(clock, window) for clock in span)
    return element(
        "rect",
        element("title", f"a frame in it from clock {count(span[0])} to {count(span[1])}"),
        x=f"{left:g}", width=f"{max(right - left, 1):.4g}",
        y=str(_HEIGHT + 1 + n % 2 * (_LANE + 1)), height=str(_LANE), class_="frame",
    )  # fmt: skip
