"""What the cycle model tells for the report's pictures: units and FIFOs over time, bounds, energy."""

import numpy as np

from ..compiler.ir.graph import Graph
from ..hw.design import Design
from ..sim.cycle.activity import BUSY, STALLED, WAITING, Activity, activities
from ..sim.cycle.simulate import Timing
from ..sim.cycle.windows import Queue, Window, first_window, queues, spans, steady_window
from ..sim.energy.estimate import Energy
from .roofline import roofline

# Parts that a window is summed up in, and FIFOs that are shown over time.
PARTS, DEEPEST = 96, 8
# Shares of a part are told in so many steps, so that parts that look alike become one.
_STEPS = 20


def cycle_keys(
    design: Design, timing: Timing, clock_mhz: float | None, graph: Graph, energy: Energy | None = None
) -> dict:
    """The report's keys ``timeline``, ``fifos``, ``roofline`` and ``energy``.

    Args:
        timing: of ``design`` without gaps and stalls, of so many frames that times repeat; fewer show no
            steady state.
        energy: ``sim.energy``'s of the same design, None where there is none.
    """
    interval = design.interval if timing.interval is None else timing.interval
    windows = {"first": first_window(timing), "steady": steady_window(timing)}
    found = {name: queues(timing, window) if window else None for name, window in windows.items()}
    return {
        "timeline": _timeline(timing, windows, found),
        "fifos": _fifos(timing, windows, found),
        "roofline": roofline(design, graph, interval, clock_mhz),
        "energy": None if energy is None else _energy(energy),
    }


def _timeline(timing: Timing, windows: dict[str, Window | None], found: dict) -> dict:
    busy = {n: activities(timing, w, found[n]) for n, w in windows.items() if w}
    told = busy.get("steady", busy["first"])
    units = []
    for place, instance in enumerate(timing.design.instances):
        if place not in told:
            continue
        units.append(
            {
                "name": instance.name, "layer": instance.layer, "module": instance.unit.module,
                **_shares(told[place]),
                **{n: _row(timing, place, w, busy[n][place]) if w else None for n, w in windows.items()},
            }
        )  # fmt: skip
    spans_ = {n: {"start": w.start, "clocks": w.end - w.start} if w else None for n, w in windows.items()}
    return {**spans_, "units": units}


def _shares(activity: Activity) -> dict[str, float]:
    """Parts of the clocks of a period or of the whole window."""
    window = activity.window
    end = window.end if window.period is None else window.start + window.period
    (counts,) = activity.clocks(np.array([window.start, end]))
    names = {"busy": BUSY, "stalled": STALLED, "waiting": WAITING}
    return {name: round(int(counts[state]) / (end - window.start), 4) for name, state in names.items()}


def _row(timing: Timing, place: int, window: Window, activity: Activity) -> dict:
    """A unit in a window: when it works on which frame, and what it does in each part."""
    bounds = window.bounds(PARTS)
    counts = activity.clocks(bounds)[:, [BUSY, STALLED, WAITING]]
    steps = np.rint(counts * _STEPS / np.diff(bounds)[:, None]).astype(int)
    segments = []
    for start, end, shares in zip(bounds[:-1], bounds[1:], steps.tolist(), strict=True):
        told = [share / _STEPS for share in shares]
        if segments and segments[-1][2:] == told:
            segments[-1][1] = int(end)
        elif any(told):
            segments.append([int(start), int(end), *told])
    return {"frames": _frames(timing, place, window), "segments": segments}


def _frames(timing: Timing, place: int, window: Window) -> list[list[int]]:
    """From when to when a unit works on the frames that it works on in a window."""
    if window.period is None:
        found = spans(timing, place, 1, timing.worked)
    else:
        cycle = timing.cycle
        last = cycle.start + cycle.frames
        found = spans(timing, place, 1, last)[cycle.start :]
        first = -(-(window.start + 1 - found[:, 1]) // cycle.clocks)
        most = int(((window.end - found[:, 0]) // cycle.clocks - first).max()) + 1
        shifts = (first[:, None] + np.arange(most + 1)) * cycle.clocks
        found = (found[:, None, :] + shifts[:, :, None]).reshape(-1, 2)
    inside = found[(found[:, 0] < window.end) & (found[:, 1] > window.start)]
    return [[int(a), int(b)] for a, b in inside[np.argsort(inside[:, 0], kind="stable")]]


def _fifos(timing: Timing, windows: dict[str, Window | None], found: dict) -> list[dict]:
    places = list(found["first"])
    instances = timing.design.instances
    deepest = sorted(places, key=lambda n: -instances[n].p.DEPTH)[:DEEPEST]
    return [
        {
            "name": instances[n].name, "layer": instances[n].layer, "depth": instances[n].p.DEPTH,
            "bits": instances[n].p.BITS, "most": timing.occupancy(n),
            **{k: _levels(w, found[k][n]) if w and n in deepest else None for k, w in windows.items()},
        }
        for n in places
    ]  # fmt: skip


def _levels(window: Window, queue: Queue) -> list[list[int]]:
    """The most beats held in each part, from the clock on in which it differs from the part before."""
    bounds = window.bounds(PARTS)
    most = queue.fullest(window, bounds)
    changed = np.flatnonzero(np.diff(most, prepend=-1))
    return [[int(bounds[n]), int(most[n])] for n in changed]


def _energy(energy: Energy) -> dict:
    """The key ``energy``."""
    told = ("dynamic_uj", "static_mw", "mw", "uj", "uncertainty", "source")
    return {
        **{name: getattr(energy, name) for name in told},
        "layers": [{"name": name, "dynamic_nj": dynamic} for name, dynamic in energy.layers.items()],
    }
