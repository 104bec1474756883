"""Working token times out to the end of a frame, and what later frames depend on there."""

from dataclasses import dataclass

import numpy as np

from ...hw.design import Design
from . import columns as col
from .deadlock import deadlock
from .layout import Layout
from .library import recurrences


@dataclass(frozen=True)
class Cycle:
    """From frame ``start`` on, each comes ``clocks`` after the one ``frames`` before it."""

    start: int
    frames: int
    clocks: int


def settle(
    design: Design, layout: Layout, arrays: col.Arrays, room: int, frames: int
) -> tuple[col.Arrays, int, Cycle | None]:
    """Frame after frame until times repeat, or ``frames`` of them.

    Args:
        arrays: in which nothing is known yet, with room for ``room`` frames.
    Returns:
        The arrays, perhaps with more room, the frames worked out, and what repeats, if it does.
    Raises:
        DeadlockError: units wait for each other.
    """
    seen: dict[bytes, tuple[int, int]] = {}
    for done in range(1, frames + 1):
        if done > room:
            room = min(frames, 2 * room)
            arrays = layout.grown(arrays, room)
        work_out(design, layout, arrays, done)
        clock, now = _state(layout, arrays)
        if now in seen:
            start, before = seen[now]
            return arrays, done, Cycle(start, done - start, clock - before)
        seen[now] = (done, clock)
    return arrays, frames, None


def work_out(design: Design, layout: Layout, arrays: col.Arrays, frames: int) -> None:
    """All times of the first ``frames`` frames, for which the arrays must have room.

    Raises:
        DeadlockError: units wait for each other.
    """
    beats = np.array([c.beats * frames for c in layout.channels])
    arrays.units["limit"][layout.source] = beats[layout.first]
    recurrences(arrays)
    if (arrays.channels["popped_count"] < beats).any():
        raise deadlock(design, layout, arrays, int(beats[layout.last]))


def _state(layout: Layout, arrays: col.Arrays) -> tuple[int, bytes]:
    """Where whole frames have been worked out: the clock in which the last beat came in, and all that later
    times depend on, counted from there."""
    first = arrays.channels[layout.first]
    now = arrays.popped[first["base"] + first["popped_count"] - 1]
    parts = []
    for row in arrays.channels:
        count, back = row["popped_count"], max(row["depth"], 2)
        parts.append(_last(arrays.popped, row["base"], count, back) - now)
        if row["depth"] >= col.QUICK:
            parts.append(_last(arrays.fetched, row["queue"], count, back) - now)
    parts.append((arrays.channels["filled"] - now) * (arrays.channels["free"] != col.NONE))
    for row, back in zip(arrays.units, layout.backs, strict=True):
        if row["kind"] != col.PIPELINE:
            parts.append(np.array([row["freed"] - now]))
            continue
        results = row["ring"] + (np.arange(row["head"], row["tail"]) & row["mask"])
        parts.append(np.array([row["clock"] + row["off"] - now, row["out_off"] - row["off"]]))
        parts.append(arrays.ring_off[results] - row["off"])
        parts.append(arrays.ring_clock[results] - row["clock"])
        parts.append(_last(arrays.events, row["event_base"], row["event_count"], back) - now)
    sizes = np.array([len(part) for part in parts])
    return int(now), sizes.tobytes() + np.concatenate(parts).tobytes()


def _last(times: np.ndarray, base: int, count: int, back: int) -> np.ndarray:
    """The last ``back`` of ``count`` times from ``base`` on, or all."""
    return times[base + count - min(count, back) : base + count]
