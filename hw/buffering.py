"""How deep each FIFO must be for a chain of units to keep its interval, and how long a frame then takes.

In steady state every unit works as soon as its inputs are there, and the times of one frame repeat every
interval. Those times follow from the units alone if no FIFO is ever full; the most that then waits on an
edge is the depth that never stalls it. Where a real source is earlier than the evenly paced one assumed
here, no beat gets later, so the depths hold for it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .design import Instance
from .units.sliding_window import SLIDING_WINDOW, out_size, ring_beats

_LEAST = 2
_QUICK_DEPTH, _QUICK_CLOCKS, _CLOCKS = 3, 1, 3  # gw_fifo: up to this depth it takes one clock, else three
# From a beat's arrival in the line buffer through its registers and the FIFO behind it.
_WINDOW_CLOCKS = 4


@dataclass(frozen=True)
class _Work:
    """A unit's frame: ``clocks[k]`` is when it takes beat k if it never waits; output beat o leaves
    ``after[o]`` clocks behind beat ``cause[o]``."""

    clocks: np.ndarray
    cause: np.ndarray
    after: np.ndarray


def depths(units: Sequence[Instance], interval: int) -> list[int]:
    """Entries of the FIFO before each unit, for ``interval`` clocks a frame without a stall.

    Args:
        units: in order, without FIFOs; none is slower than ``interval``.
    """
    return _schedule(units, interval)[0]


def latency(units: Sequence[Instance], interval: int) -> int:
    """Clocks from the first beat of a frame accepted to its last beat behind the output FIFO, for ``units``
    as ``depths`` takes them."""
    return _schedule(units, interval)[1]


def _schedule(units: Sequence[Instance], interval: int) -> tuple[list[int], int]:
    arrivals = _just_in_time(units, interval)
    first = int(arrivals[0])
    result, at = [], 0
    while at < len(units):
        if units[at].unit is SLIDING_WINDOW:
            before, behind, arrivals = _through_window(units[at], units[at + 1], arrivals, interval)
            result += [before, behind]
            at += 2
        else:
            deep, arrivals = _through(units[at], arrivals, interval)
            result.append(deep)
            at += 1
    # Both ends count.
    return result, int(arrivals[-1]) + _QUICK_CLOCKS - first + 1


def _just_in_time(units: Sequence[Instance], interval: int) -> np.ndarray:
    """When the source's beats must come at the latest for the first unit not to wait, a beat a clock."""
    first = units[0]
    if first.unit is not SLIDING_WINDOW:
        return _work(first).clocks
    taken, needed = _work(units[1]).clocks, _needed(first.p)
    beats = np.arange(first.input.beats)
    due = np.full(len(beats), taken[0] + interval)
    np.minimum.at(due, needed[needed >= 0], taken[needed >= 0])
    both = np.concatenate([due, due + interval])
    spaced = np.concatenate([beats, beats + len(beats)])
    return (np.minimum.accumulate((both - spaced)[::-1])[::-1] + spaced)[: len(beats)]


def _work(unit: Instance) -> _Work:
    """The unit's steps, which its interval, latency and beats per piece of work tell."""
    pieces = unit.repeats
    taken, given = unit.input.beats // pieces, unit.output.beats // pieces
    interval = unit.interval // pieces
    starts = np.arange(pieces)
    clocks = (starts[:, None] * interval + np.arange(taken)).reshape(-1)
    if interval > taken:  # folded: all of it is read, then results come evenly
        cause = np.full(given, taken - 1)
        after = np.arange(given) * (interval // given)
    else:
        cause = taken - given + np.arange(given)
        after = np.zeros(given, dtype=np.int64)
    after = after + unit.latency - cause[0]
    return _Work(clocks, (starts[:, None] * taken + cause).reshape(-1), np.tile(after, pieces))


def _paced(ready: np.ndarray, clocks: np.ndarray, frame: int, interval: int) -> np.ndarray:
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


def _through(unit: Instance, arrivals: np.ndarray, interval: int) -> tuple[int, np.ndarray]:
    work = _work(unit)
    ones = np.ones(len(arrivals), dtype=np.int64)
    for clocks in (_QUICK_CLOCKS, _CLOCKS):
        taken = _paced(arrivals + clocks, work.clocks, unit.interval, interval)
        deep = max(_LEAST, _most(arrivals, _gone(taken, ones, arrivals, interval)))
        if deep <= _QUICK_DEPTH:
            break
    return deep, taken[work.cause] + work.after


def _through_window(
    window: Instance, unit: Instance, arrivals: np.ndarray, interval: int
) -> tuple[int, int, np.ndarray]:
    """A window generator and the unit that draws on it: depths before both, and when results leave.

    Beats wait in the line buffer, and the FIFO before it takes what that cannot hold. A window that reads
    less than it writes must not wait for the unit, or it could not catch up; the FIFO behind it sees to
    that. Any other is as good as one with the unit.
    """
    p, work = window.p, _work(unit)
    needed = _needed(p)
    last, sizes, lead = _releases(p)
    written = _paced(arrivals + _CLOCKS, np.arange(len(arrivals)), len(arrivals), interval)
    ready = np.where(needed >= 0, written[needed], written[0])
    if window.input.beats > window.output.beats:
        read = _paced(ready, np.arange(len(needed)), len(needed), interval)
        behind, results = _through(unit, read + window.latency, interval)
    else:
        read = _paced(ready + _WINDOW_CLOCKS, work.clocks, unit.interval, interval)
        # A folded unit rests; a third entry hides the window's restart.
        behind, results = _LEAST + (unit.interval > len(needed)), read[work.cause] + work.after
    gone = _gone(read[last], sizes, arrivals, interval)
    waiting = _most(arrivals, gone) + lead - ring_beats(p)
    return max(_LEAST, waiting + 1), behind, results


def _needed(p) -> np.ndarray:
    """For each beat of all windows, the beat of the frame that it shows, or -1 for padding."""
    rows, cols = out_size(p)
    chunks = p.C // p.SIMD
    y = (np.arange(rows) * p.SH - p.PT)[:, None] + np.arange(p.KH) * p.DH
    x = (np.arange(cols) * p.SW - p.PL)[:, None] + np.arange(p.KW) * p.DW
    y, x = y[:, None, :, None], x[None, :, None, :]
    inside = (y >= 0) & (y < p.H) & (x >= 0) & (x < p.W)
    pixel = np.where(inside, y * p.W + x, -1)[..., None]
    return np.where(pixel >= 0, pixel * chunks + np.arange(chunks), -1).reshape(-1)


def _releases(p) -> tuple[np.ndarray, np.ndarray, int]:
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
