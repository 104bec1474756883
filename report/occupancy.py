"""How full FIFOs get: the most beats in each, and over time in the deepest."""

from .bars import share_bar
from .markup import Markup, element, join, name, table
from .timeline import position
from .words import clean, count, plural

_HEIGHT = 40
_NUMBER = "number"
_EXTRA = "number extra"
# FIFOs of fewer entries pass beats on; what they hold tells little.
_SHOWN = 4


def occupancy_section(report: dict) -> Markup | None:
    """A bar for each FIFO of some depth, then how full the deepest are over time; None without any."""
    fifos, timeline = report.get("fifos"), report.get("timeline")
    if not fifos:
        return None
    shown = [fifo for fifo in fifos if fifo["depth"] >= _SHOWN]
    parts = [element("h2", "FIFOs"), element("p", _note(fifos, shown), class_="note")]
    if shown:
        parts.append(_table(shown))
    windows = [(key, timeline[key]) for key in ("first", "steady") if timeline and timeline[key]]
    timed = [fifo for fifo in shown if any(fifo[key] for key, _ in windows)]
    if timed:
        parts += [element("h3", "The deepest over time"), _over_time(timed, windows)]
    return element("section", *parts)


def _note(fifos: list[dict], shown: list[dict]) -> str:
    bits = sum(fifo["depth"] * fifo["bits"] for fifo in fifos)
    text = f"{plural(len(fifos), 'FIFO')} of {count(bits)} bits in all"
    rest = len(fifos) - len(shown)
    if rest:
        text += (
            f"; {count(rest)} of 2 or 3 entries, which are registers, {'is' if rest == 1 else 'are'} left out"
        )
    return f"{text}. The most beats that each ever holds are the cycle model's."


def _table(shown: list[dict]) -> Markup:
    rows = []
    for fifo in shown:
        most, depth = fifo["most"], fifo["depth"]
        bar = share_bar(most / depth, None, class_="fill calm")
        rows.append([join(name(fifo["name"])), bar, f"{count(most)} of {count(depth)}", count(fifo["bits"])])
    heads = ["FIFO", ("Most held", "wide"), ("Beats", _NUMBER), ("Bits a beat", _EXTRA)]
    return table("FIFOs and the most beats they hold", heads, rows, class_="clocks")


def _over_time(fifos: list[dict], windows: list[tuple[str, dict]]) -> Markup:
    titles = {"first": "First frame", "steady": "Frames that repeat"}
    rows = []
    for fifo in fifos:
        first = join(name(fifo["name"], 30), element("small", f"{count(fifo['depth'])} entries"))
        rows.append([first, *(_strip(fifo, fifo[key], window, titles[key]) for key, window in windows)])
    heads = [(titles[key], "when") for key, _ in windows]
    return table("Beats in the deepest FIFOs over time", ["FIFO", *heads], rows, class_="timeline")


def _strip(fifo: dict, levels: list | None, window: dict, title: str) -> Markup:
    """An area as high as the part of a FIFO's entries that are taken."""
    if not levels:
        return join("")
    most = max(level for _, level in levels)
    label = f"{title}: {clean(fifo['name'])} holds at most {count(most)} of {count(fifo['depth'])} beats"
    width = position(window["start"] + window["clocks"], window)
    path = f"M0 {_HEIGHT}"
    for clock, level in levels:
        path += f"H{position(clock, window):g}V{_HEIGHT * (1 - level / fifo['depth']):.4g}"
    area = element("path", d=f"{path}H{width:g}V{_HEIGHT}z", class_="busy")
    return element(
        "svg",
        element("title", label),
        element("rect", width=f"{width:g}", height=_HEIGHT, class_="track"),
        area,
        class_="strip",
        viewBox=f"0 0 {width:g} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
