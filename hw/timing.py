"""When a unit takes and gives the beats of a frame, given when its inputs come, and what waits before it.

All times are clocks of one frame in steady state; those of the next are an interval later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .design import Instance
from .units.sliding_window import out_size, ring_beats

LEAST = 2
_QUICK_DEPTH, QUICK_CLOCKS, CLOCKS = 3, 1, 3  # gw_fifo: up to this depth it takes one clock, else three
# Entries of a deep FIFO before a join beyond the most that waits: with one, 2 of 397 random networks lose a
# clock or two in a few frames (docs/cycle-model.md), with two none.
_SPARE = 2
# From a beat's arrival in the line buffer through its registers and the FIFO behind it.
_WINDOW_CLOCKS = 4


@dataclass(frozen=True)
class Work:
    """A unit's frame: ``clocks[k]`` is when it takes step k if it never waits, ``steps[p][i]`` the step that
    takes beat i of input p; output beat o leaves ``after[o]`` clocks behind step ``cause[o]``, and those of
    ``paced`` units no closer than a clock. ``kept`` is as in the unit's course, if it has one."""

    clocks: np.ndarray
    steps: tuple[np.ndarray, ...]
    cause: np.ndarray
    after: np.ndarray
    paced: bool = False
    kept: int | None = None

    def leaving(self, taken: np.ndarray, interval: int) -> np.ndarray:
        """When output beats leave whose steps happen at ``taken``."""
        times = taken[self.cause] + self.after
        return paced(times, np.arange(len(times)), len(times), interval) if self.paced else times


def due(taken: np.ndarray, needed: np.ndarray, beats: int, interval: int) -> np.ndarray:
    """When a window's beats must come that are ``needed`` at ``taken``, a beat a clock."""
    spaced = np.arange(2 * beats)
    latest = np.full(beats, taken[0] + interval)
    np.minimum.at(latest, needed[needed >= 0], taken[needed >= 0])
    both = np.concatenate([latest, latest + interval])
    return (np.minimum.accumulate((both - spaced)[::-1])[::-1] + spaced)[:beats]


def work_of(unit: Instance) -> Work:
    """The unit's steps, which its interval, latency and beats per piece of work tell, or its course."""
    if unit.unit.course is not None:
        return _work_on(unit)
    pieces = unit.repeats
    sizes, given = [s.beats // pieces for s in unit.inputs], unit.outputs[0].beats // pieces
    taken = sum(sizes) if unit.unit.in_turn else sizes[0]
    first = np.cumsum([0, *sizes[:-1]]) if unit.unit.in_turn else [0] * len(sizes)
    interval = unit.interval // pieces
    starts = np.arange(pieces)[:, None]
    clocks = np.arange(taken)
    steps = tuple((starts * taken + f + np.arange(n)).reshape(-1) for f, n in zip(first, sizes, strict=True))
    after, paced = np.zeros(given, dtype=np.int64), False
    if unit.unit.needs is not None:
        cause, paced = np.maximum(unit.unit.needs(unit.p), 0), True
        # What depends on earlier steps alone leaves before a step, a beat a clock.
        clocks = np.maximum(clocks, np.searchsorted(cause, clocks))
    elif interval > taken:  # folded: all of it is read, then results come evenly
        cause = np.full(given, taken - 1)
        after = np.arange(given) * (interval // given)
    else:
        cause = taken - given + np.arange(given)
    after = after + unit.latency - cause[0]
    clocks = (starts * interval + clocks).reshape(-1)
    return Work(clocks, steps, (starts * taken + cause).reshape(-1), np.tile(after, pieces), paced)


def _work_on(unit: Instance) -> Work:
    """The steps of a unit that tells its course: a piece's beats of input 1, then those of input 0."""
    course, pieces = unit.unit.course(unit.p), unit.repeats
    starts = np.arange(pieces)[:, None]
    streamed, kept = (len(t) for t in course.taken)
    times = np.concatenate(course.taken[::-1])

    def of_all(steps: np.ndarray) -> np.ndarray:
        return (starts * len(times) + steps).reshape(-1)

    return Work(
        (starts * (unit.interval // pieces) + times).reshape(-1),
        (of_all(kept + np.arange(streamed)), of_all(np.arange(kept))),
        of_all(kept + course.cause), np.tile(course.after, pieces), kept=course.kept,
    )  # fmt: skip


def _taken(unit: Instance, work: Work, ready: np.ndarray, interval: int) -> np.ndarray:
    """When a unit's steps happen that may not come before ``ready``."""
    if work.kept is None:
        return paced(ready, work.clocks, unit.interval, interval)
    taken, ready = ready, ready.copy()
    streamed, kept = (step.reshape(unit.repeats, -1) for step in work.steps)
    before = np.arange(unit.repeats) - 2
    frames, before = before // unit.repeats, before % unit.repeats
    while True:
        free = taken[streamed[:, -1]][before] + work.kept + frames * interval
        ready[kept[:, 0]] = np.maximum(ready[kept[:, 0]], free)
        ready[streamed[:, 0]] = np.maximum(ready[streamed[:, 0]], taken[kept[:, -1]] + 1)
        found = ready.copy()
        rows, loads = work.steps
        found[rows] = paced(ready[rows], work.clocks[rows], unit.interval, interval)
        found[loads] = paced(ready[loads], np.arange(len(loads)), len(loads), interval)
        if (found == taken).all():
            return taken
        taken = found


def paced(ready: np.ndarray, clocks: np.ndarray, frame: int, interval: int) -> np.ndarray:
    """When steps happen that may not come before ``ready``, nor closer together than ``clocks`` allows,
    in the second of two frames; later ones repeat it."""
    both = np.concatenate([ready, ready + interval])
    least = np.concatenate([clocks, clocks + frame])
    return (np.maximum.accumulate(both - least) + least)[len(ready) :] - interval


def _gone(times: np.ndarray, sizes: np.ndarray, at: np.ndarray, interval: int) -> np.ndarray:
    """How many beats left before the clocks ``at``, where each frame ``sizes`` leave at ``times``."""
    frames = (at - times[0]) // interval
    before = np.concatenate([[0], np.cumsum(sizes)])
    return frames * before[-1] + before[np.searchsorted(times, at - frames * interval, side="left")]


def _most(arrivals: np.ndarray, gone: np.ndarray) -> int:
    """The most beats present: each one's own place, less those gone before it came."""
    return int((np.arange(1, len(arrivals) + 1) - gone).max())


def beats_waiting(arrivals: np.ndarray, taken: np.ndarray, interval: int) -> int:
    """The most beats that wait of those that come at ``arrivals`` and are taken at ``taken``."""
    return _most(arrivals, _gone(taken, np.ones(len(arrivals), np.int64), arrivals, interval))


@dataclass(frozen=True)
class Passage:
    """How a frame goes through a unit: for each input the ``entries`` of the FIFO before it, the clocks that
    one takes (``waits``) and when beats are ``taken`` from it; and when results are ``leaving``."""

    entries: list[int]
    waits: list[int]
    taken: list[np.ndarray]
    leaving: np.ndarray


def spared(deep: int, inputs: int) -> int:
    """The entries of a FIFO in which at most ``deep`` beats wait before a unit of so many inputs: where
    branches meet, pipelines that stalled have kept their bubbles and hold fewer beats."""
    return deep + _SPARE * (inputs > 1 and deep > _QUICK_DEPTH)


def clocks_of(deep: int) -> int:
    """The clocks that a beat takes through a FIFO of ``deep`` entries."""
    return QUICK_CLOCKS if deep <= _QUICK_DEPTH else CLOCKS


def through(unit: Instance, arrivals: Sequence[np.ndarray], interval: int) -> Passage:
    """How a frame goes through a unit whose inputs' beats come at ``arrivals``. FIFOs are quick unless they
    must be deep."""
    work = work_of(unit)
    waits = [QUICK_CLOCKS] * len(arrivals)
    while True:
        ready = np.full(len(work.clocks), min(came[0] for came in arrivals))
        for came, step, wait in zip(arrivals, work.steps, waits, strict=True):
            ready[step] = np.maximum(ready[step], came + wait)
        taken = _taken(unit, work, ready, interval)
        deep = [
            max(LEAST, beats_waiting(came, taken[step], interval))
            for came, step in zip(arrivals, work.steps, strict=True)
        ]
        slow = [max(clocks_of(d), w) for d, w in zip(deep, waits, strict=True)]
        if slow == waits:
            entries, own = [spared(d, len(deep)) for d in deep], [taken[step] for step in work.steps]
            return Passage(entries, waits, own, work.leaving(taken, interval))
        waits = slow


def _shown(window: Instance, arrivals: np.ndarray, interval: int) -> np.ndarray:
    """When each beat of all windows is in the line buffer, which beats reach at ``arrivals``."""
    needed = needed_beats(window.p)
    written = paced(arrivals + CLOCKS, np.arange(len(arrivals)), len(arrivals), interval)
    return np.where(needed >= 0, written[needed], written[0])


def _before_window(window: Instance, read: np.ndarray, arrivals: np.ndarray, interval: int) -> int:
    """Entries before a line buffer that is read at ``read``, for what it cannot hold."""
    last, sizes, lead = releases(window.p)
    gone = _gone(read[last], sizes, arrivals, interval)
    return max(LEAST, _most(arrivals, gone) + lead - ring_beats(window.p) + 1)


def through_window(
    window: Instance, unit: Instance, arrivals: np.ndarray, interval: int
) -> tuple[int, int, np.ndarray]:
    """A window generator and the unit that draws on it: depths before both, and when results leave.

    Beats wait in the line buffer, and the FIFO before it takes what that cannot hold. A window that reads
    less than it writes must not wait for the unit, or it could not catch up; the FIFO behind it sees to
    that. Any other is as good as one with the unit.
    """
    work = work_of(unit)
    ready = _shown(window, arrivals, interval)
    if window.input.beats > window.output.beats:
        read = paced(ready, np.arange(len(ready)), len(ready), interval)
        passed = through(unit, [read + window.latency], interval)
        behind, results = passed.entries[0], passed.leaving
    else:
        read = paced(ready + _WINDOW_CLOCKS, work.clocks, unit.interval, interval)
        # A folded unit rests; a third entry hides the window's restart.
        behind, results = LEAST + (unit.interval > len(ready)), work.leaving(read, interval)
    return _before_window(window, read, arrivals, interval), behind, results


def needed_beats(p) -> np.ndarray:
    """For each beat of all windows, the beat of the frame that it shows, or -1 for padding."""
    rows, cols = out_size(p)
    chunks = p.C // p.SIMD
    y = (np.arange(rows) * p.SH - p.PT)[:, None] + np.arange(p.KH) * p.DH
    x = (np.arange(cols) * p.SW - p.PL)[:, None] + np.arange(p.KW) * p.DW
    y, x = y[:, None, :, None], x[None, :, None, :]
    inside = (y >= 0) & (y < p.H) & (x >= 0) & (x < p.W)
    pixel = np.where(inside, y * p.W + x, -1)[..., None]
    return np.where(pixel >= 0, pixel * chunks + np.arange(chunks), -1).reshape(-1)


def releases(p) -> tuple[np.ndarray, np.ndarray, int]:
    """Beats of the windows' stream after which the line buffer frees beats, how many, and how many it
    keeps free for the padding before a frame; gw_sliding_window.v says why late windows free nothing."""
    rows, cols = out_size(p)
    free_cols = min(cols, min(p.SH, p.H) * p.W // p.SW + 1)
    free_rows = min(rows, (p.H * p.W - (free_cols - 1) * p.SW) // (p.SH * p.W) + 1)
    sizes = np.zeros((rows, cols), dtype=np.int64)
    sizes[:free_rows, : free_cols - 1] = p.SW
    sizes[: free_rows - 1, -1] = p.SH * p.W - (free_cols - 1) * p.SW
    sizes[-1, -1] = p.H * p.W - sizes.sum() + sizes[-1, -1]
    chunks = p.C // p.SIMD
    last = (np.arange(rows * cols) + 1) * p.KH * p.KW * chunks - 1
    return last, sizes.reshape(-1) * chunks, (p.PT * p.W + p.PL) * chunks
