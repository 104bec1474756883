"""The two stretches of a design's time that pictures show: its first frame, and what repeats."""

from dataclasses import dataclass

import numpy as np

from ...hw.design import Design, Port
from .handshake import Handshake, handshake
from .simulate import Timing

# Frames that a picture of what repeats shows at most: a few designs repeat after a hundred only.
_SHOWN = 4


@dataclass(frozen=True)
class Window:
    """The clocks ``start`` to ``end`` - 1; with a ``period`` in clocks, everything repeats from there on."""

    start: int
    end: int
    period: int | None = None

    def bounds(self, most: int) -> np.ndarray:
        """The ends of at most ``most`` equal parts, int64, ``start`` first."""
        clocks = self.end - self.start
        parts = min(most, clocks)
        return self.start + np.arange(parts + 1) * clocks // parts

    def place(self, clocks: np.ndarray) -> np.ndarray:
        """The same clocks; with a period, those of the first one from ``start`` on that look the same."""
        return clocks if self.period is None else self.start + (clocks - self.start) % self.period


@dataclass(frozen=True, eq=False)
class Queue:
    """A FIFO in a window; of ``beats`` those from ``first`` on are one period's, or without a period those of
    all frames that come in before the window ends."""

    beats: Handshake
    first: int

    @property
    def seen(self) -> Handshake:
        """The window's own beats."""
        return Handshake(*(times[self.first :] for times in self.beats))

    @property
    def full(self) -> np.ndarray:
        """For each of them how many clocks the FIFO was full since the beat before it."""
        return self.beats.full[self.first :]

    @property
    def empty(self) -> np.ndarray:
        """For each of them how many clocks the FIFO was empty since the beat before it went."""
        return self.beats.empty[self.first :]

    def steps(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Ascending clocks from which on the FIFO holds a number of beats, and that number; the first is the
        window's start, the others are those in which it changes until all is out, or in one period."""
        come, go = self.beats.pushed, self.beats.popped
        clocks, before = distinct(np.concatenate([come, go])) + 1, 0
        levels = np.searchsorted(come, clocks) - np.searchsorted(go, clocks)
        if window.period is not None:
            # What beats that are not known of have left is certain only where the last period begins.
            start = self.beats.pushed[self.first]
            last = slice(*np.searchsorted(clocks, [start, start + window.period]))
            clocks, levels = window.place(clocks[last]), levels[last]
            order = np.argsort(clocks)
            clocks, levels = clocks[order], levels[order]
            before = levels[-1]
        return np.concatenate([[window.start], clocks]), np.concatenate([[before], levels])

    def fullest(self, window: Window, bounds: np.ndarray) -> np.ndarray:
        """The most beats that the FIFO holds in each of the parts of a window between ``bounds``."""
        clocks, levels = self.steps(window)
        first = np.searchsorted(clocks, bounds[:-1], side="right") - 1
        last = np.searchsorted(clocks, bounds[1:])
        return np.array([levels[a:b].max() for a, b in zip(first, last, strict=True)], np.int64)


def first_window(timing: Timing) -> Window:
    """From reset until the first frame is out."""
    return Window(0, int(timing.out_clocks[0, -1]) + 1)


def steady_window(timing: Timing) -> Window | None:
    """What repeats, from where every unit works on frames that do; None where nothing repeats yet."""
    cycle = timing.cycle
    if cycle is None:
        return None
    entrance, exit_ = (timing.worked_out(edge) for edge in ends(timing.design))
    late = int(exit_[cycle.start - 1, -1]) + 1 - int(entrance[cycle.start, 0]) if cycle.start else 0
    start = int(entrance[cycle.start, 0]) + max(0, -(-late // cycle.clocks)) * cycle.clocks
    shown = cycle.clocks if cycle.frames <= _SHOWN else cycle.clocks * _SHOWN // cycle.frames
    return Window(start, start + shown, cycle.clocks)


def distinct(clocks: np.ndarray) -> np.ndarray:
    """The clocks in ascending order, each once; they are runs that ascend, for which sorting is fast."""
    clocks = np.sort(clocks, kind="stable")
    return clocks[np.concatenate([[True], clocks[1:] > clocks[:-1]])]


def ends(design: Design) -> tuple:
    """The edges into and out of a design."""
    entrance = next(e for e in design.edges if e.source is None)
    return entrance, next(e for e in design.edges if e.sink is None)


def spans(timing: Timing, place: int, pieces: int, frames: int) -> np.ndarray:
    """From when to when a unit works on each piece, that is from its first beat taken until its last given.

    Args:
        pieces: of a frame; each has as many beats.
    Returns:
        The first clock and the one after the last, int64 (frames * pieces, 2).
    """
    edges, port = timing.design.edges, lambda p: p is not None and p.place == place
    read = [timing.clocks(e, frames).reshape(frames * pieces, -1) for e in edges if port(e.sink)]
    written = [timing.clocks(e, frames).reshape(frames * pieces, -1) for e in edges if port(e.source)]
    starts = np.min([times[:, 0] for times in read], axis=0)
    return np.stack([starts, np.max([times[:, -1] for times in written], axis=0) + 1], axis=1)


def queues(timing: Timing, window: Window) -> dict[int, Queue]:
    """The FIFO at each place of a design."""
    into = {e.sink.place: e for e in timing.design.edges if e.sink is not None}
    out = {e.source: e for e in timing.design.edges if e.source is not None}
    found = {}
    for place, instance in enumerate(timing.design.instances):
        if instance.unit.module == "gw_fifo":
            edges = into[place], out[Port(place)]
            found[place] = _queue(timing, window, edges, instance.p.DEPTH)
    return found


def _queue(timing: Timing, window: Window, edges: tuple, depth: int) -> Queue:
    if window.period is None:
        frames = entered(timing, window.end)
        pushed, popped = (timing.clocks(edge, frames).reshape(-1) for edge in edges)
        return Queue(handshake(pushed, popped, depth), 0)
    cycle = timing.cycle
    repeated = [timing.worked_out(e)[cycle.start : cycle.start + cycle.frames].reshape(-1) for e in edges]
    # What a FIFO holds may have come many periods ago; what came before that never matters.
    before = 1 + -(-depth // len(repeated[0]))
    shifts = np.arange(-before, 1)[:, None] * cycle.clocks
    pushed, popped = ((times + shifts).reshape(-1) for times in repeated)
    return Queue(handshake(pushed, popped, depth), before * len(repeated[0]))


def entered(timing: Timing, end: int) -> int:
    """How many frames come in before clock ``end``, and one more where there is one."""
    entrance, _ = ends(timing.design)
    frames, cycle = timing.worked, timing.cycle
    last = int(timing.clocks(entrance, frames)[-1, 0])
    if last < end and cycle is not None:
        frames += -(-(end - last) // cycle.clocks) * cycle.frames
    starts = timing.clocks(entrance, min(frames, timing.frames))[:, 0]
    return min(int(np.searchsorted(starts, end)) + 1, timing.frames)
