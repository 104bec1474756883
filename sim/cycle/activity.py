"""What units do in each clock: work, wait for beats, or wait for room."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...hw.design import Instance, Port
from .simulate import Timing
from .windows import Queue, Window, distinct, queues

BUSY, STALLED, WAITING, IDLE = range(4)


@dataclass(frozen=True, eq=False)
class Activity:
    """A unit in a window, clock by clock.

    It is stalled in clocks between a beat that it gave and its next one, which came in the first clock in
    which there was room; it waits for beats in clocks since it last took or gave one and until it took one in
    the first clock in which that was offered. It is idle before its first beat and behind its last, and busy
    in all other clocks, be it that it moves beats or that it works on some.

    Attributes:
        moments: clocks in which it takes or gives beats, ascending, int64.
        states: what it does in the clocks just before each of them, and in those behind the last one.
    """

    window: Window
    moments: np.ndarray
    states: np.ndarray

    def clocks(self, bounds: np.ndarray) -> np.ndarray:
        """Clocks in each state between ``bounds``, which lie in the window, or a period from its start on;
        int64 (parts, states)."""
        n = np.searchsorted(self.moments, bounds)
        behind = np.where(n > 0, self.moments[n - 1] + 1, self.window.start)
        counts = self._sums[n]
        counts[np.arange(len(n)), self.states[n]] += bounds - behind
        return np.diff(counts, axis=0)

    @cached_property
    def _sums(self) -> np.ndarray:
        """Clocks in each state before the clock behind each moment; none before the window."""
        sums = np.zeros((len(self.states), IDLE + 1), np.int64)
        gaps = np.diff(self.moments, prepend=self.window.start - 1) - 1
        for state in range(IDLE + 1):
            np.cumsum(np.where(self.states[:-1] == state, gaps, 0), out=sums[1:, state])
        sums[1:, BUSY] += np.arange(1, len(sums))
        return sums


def activities(timing: Timing, window: Window, found: dict[int, Queue] | None = None) -> dict[int, Activity]:
    """What the unit at each place of a design does, FIFOs left out.

    Args:
        found: ``queues(timing, window)``, where that is known already.
    """
    found = queues(timing, window) if found is None else found
    design = timing.design
    read = {e.sink: found.get(e.source.place) for e in design.edges if e.source is not None}
    written = {e.source: found.get(e.sink.place) for e in design.edges if e.sink is not None}
    return {
        place: _activity(window, *_ports(place, instance, read, written))
        for place, instance in enumerate(design.instances)
        if place not in found
    }


def _ports(place: int, instance: Instance, read: dict, written: dict) -> tuple[list[Queue], list[Queue]]:
    reads = [read[Port(place, k)] for k in range(len(instance.inputs))]
    return reads, [written[Port(place, k)] for k in range(len(instance.outputs))]


def _activity(window: Window, reads: Sequence[Queue], writes: Sequence[Queue]) -> Activity:
    moves = [queue.seen.popped for queue in reads] + [queue.seen.pushed for queue in writes]
    moments = distinct(np.concatenate([window.place(_within(window, times)) for times in moves]))
    states = np.full(len(moments) + 1, BUSY, np.int8)
    for queue in reads:
        times, empty = queue.seen, queue.empty
        at_once = _within(window, times.popped[(times.popped == times.offered) & (empty > 0)])
        states[np.searchsorted(moments, window.place(at_once))] = WAITING
    for queue in writes:
        times, full = queue.seen, queue.full
        chosen = (times.pushed == times.room) & (full > 0)
        ends = _within(window, times.pushed[chosen])
        _stall(window, moments, states, ends, full[chosen][: len(ends)])
    if window.period is None:
        states[0] = states[-1] = IDLE
    else:
        states[-1] = states[0]
    return Activity(window, moments, states)


def _within(window: Window, times: np.ndarray) -> np.ndarray:
    """Ascending clocks up to the window's end, and the next one; all of a period."""
    return times if window.period else times[: np.searchsorted(times, window.end) + 1]


def _stall(
    window: Window, moments: np.ndarray, states: np.ndarray, ends: np.ndarray, clocks: np.ndarray
) -> None:
    """Mark what lies before ``ends`` and behind the moments ``clocks`` + 1 earlier as stalled."""
    ends = window.place(ends)
    starts = ends - clocks - 1
    marks = np.zeros(len(moments) + 2, np.int64)
    for shift in (0, window.period) if window.period else (0,):
        # A stall that begins in the period before is at this one's end too.
        np.add.at(marks, np.searchsorted(moments, starts + shift, side="right"), 1)
        np.add.at(marks, np.searchsorted(moments, ends + shift, side="right"), -1)
    states[marks.cumsum()[: len(states)] > 0] = STALLED
