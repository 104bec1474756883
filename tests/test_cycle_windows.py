"""What units do and FIFOs hold in a window, against a walk through its clocks one by one."""

from itertools import pairwise

import numpy as np
import pytest

from dag_bench import designed
from gatewright.hw.design import Port
from gatewright.sim.cycle.activity import BUSY, IDLE, STALLED, WAITING, activities
from gatewright.sim.cycle.simulate import Timing, simulate
from gatewright.sim.cycle.windows import Window, first_window, queues, spans, steady_window

# Frames that repeat one by one and several at a time; short FIFOs and long ones.
_DESIGNS = [(0, 0), (13, 0), (20, 0), (26, 1), (54, 1)]
_FRAMES = 64


class Walk:
    """All clocks of a design until its frames are out, with the FIFOs' registers as gw_fifo has them."""

    def __init__(self, timing: Timing):
        self.timing, design = timing, timing.design
        self.end = int(timing.out_clocks[-1, -1]) + 1
        self.moves = {edge: self._flags(timing.clocks(edge)) for edge in design.edges}
        self.into = {e.sink: e for e in design.edges if e.sink is not None}
        self.out = {e.source: e for e in design.edges if e.source is not None}
        self.ready, self.valid, self.held = {}, {}, {}
        for place, instance in enumerate(design.instances):
            if instance.unit.module == "gw_fifo":
                self._fifo(place, instance.p.DEPTH)

    def _flags(self, clocks: np.ndarray) -> np.ndarray:
        flags = np.zeros(self.end + 1, bool)
        flags[clocks.reshape(-1)[clocks.reshape(-1) < self.end]] = True
        return flags

    def _fifo(self, place: int, depth: int) -> None:
        come, go = self.moves[self.into[Port(place)]], self.moves[self.out[Port(place)]]
        ready, valid, held = (np.zeros(self.end, int) for _ in range(3))
        ram = fetched = out = 0
        for clock in range(self.end):
            held[clock] = ram + fetched + out
            if depth < 4:
                ready[clock], valid[clock] = held[clock] < depth, held[clock] > 0
                out += int(come[clock]) - int(go[clock])
                continue
            # gw_fifo: a RAM of depth - 2 words, its read register and the output register.
            ready[clock], valid[clock] = ram < depth - 2, out
            free = go[clock] or not out
            fetch = (free or not fetched) and ram > 0
            out, fetched = int(bool(fetched) or not free), int(fetch or (fetched and not free))
            ram += int(come[clock]) - int(fetch)
        self.ready[place], self.valid[place], self.held[place] = ready, valid, held

    def states(self, place: int) -> np.ndarray:
        """What a unit does in each clock."""
        instance = self.timing.design.instances[place]
        reads = [self.into[Port(place, k)] for k in range(len(instance.inputs))]
        writes = [self.out[Port(place, k)] for k in range(len(instance.outputs))]
        active = np.any([self.moves[e][:-1] for e in (*reads, *writes)], axis=0)
        states = np.full(self.end, BUSY)
        for edge in reads:
            self._mark(states, self.moves[edge], self.valid[edge.source.place], active, WAITING)
        for edge in writes:
            self._mark(states, self.moves[edge], self.ready[edge.sink.place], None, STALLED)
        states[active] = BUSY
        moments = np.flatnonzero(active)
        states[: moments[0]] = states[moments[-1] + 1 :] = IDLE
        return states

    def _mark(self, states, moves, flag, active, state) -> None:
        """Backward from each beat that moves as soon as it can, as long as it could not."""
        for clock in np.flatnonzero(moves[:-1]):
            before = clock - 1
            while before >= 0 and not flag[before] and (active is None or not active[before]):
                states[before] = state
                before -= 1


@pytest.mark.parametrize(("seed", "folding"), _DESIGNS)
def test_units_and_fifos_clock_by_clock(seed, folding):
    """The first frame and a period, in parts of any size."""
    _, design = designed(seed, folding)
    timing = simulate(design, _FRAMES)
    walk = Walk(timing)
    steady = steady_window(timing)
    assert steady.end <= walk.end
    assert steady.start > timing.out_clocks[timing.cycle.start - 1, -1]
    kinds = set()
    for window in (first_window(timing), steady):
        found = queues(timing, window)
        for parts in (1, 7, 10**9):
            bounds = window.bounds(parts)
            assert (bounds[0], bounds[-1]) == (window.start, window.end)
            for place, activity in activities(timing, window, found).items():
                told, states = activity.clocks(bounds), walk.states(place)
                for (a, b), counts in zip(pairwise(bounds), told, strict=True):
                    seen = np.bincount(states[a:b], minlength=4)
                    assert counts.tolist() == seen.tolist(), (design.instances[place].name, a, b)
                kinds |= set(np.flatnonzero(told.sum(axis=0)))
            for place, queue in found.items():
                most = [walk.held[place][a:b].max() for a, b in pairwise(bounds)]
                assert queue.fullest(window, bounds).tolist() == most, design.instances[place].name
    assert {BUSY, WAITING} <= kinds


def test_all_states_occur():
    """Else the test above would miss one."""
    _, design = designed(20, 0)
    timing = simulate(design, _FRAMES)
    window = first_window(timing)
    told = sum(a.clocks(window.bounds(1)) for a in activities(timing, window).values())
    assert (told > 0).all()


def test_spans_of_frames_and_pieces():
    """From the first beat that comes to the last that goes."""
    _, design = designed(20, 0)
    timing = simulate(design, 3)
    place = next(n for n, i in enumerate(design.instances) if i.repeats == 3)
    reads = [timing.clocks(e) for e in design.edges if e.sink and e.sink.place == place]
    writes = [timing.clocks(e) for e in design.edges if e.source and e.source.place == place]
    frames = spans(timing, place, 1, 3)
    assert frames[:, 0].tolist() == np.min([t.min(axis=1) for t in reads], axis=0).tolist()
    assert frames[:, 1].tolist() == (np.max([t.max(axis=1) for t in writes], axis=0) + 1).tolist()
    pieces = spans(timing, place, 3, 3)
    assert pieces.shape == (9, 2)
    assert pieces[::3, 0].tolist() == frames[:, 0].tolist()
    assert pieces[2::3, 1].tolist() == frames[:, 1].tolist()


def test_windows_without_what_repeats():
    """Times of a single frame do not; a window of many frames is cut to four of them."""
    _, design = designed(20, 0)
    timing = simulate(design, 1)
    assert steady_window(timing) is None
    assert first_window(timing) == Window(0, timing.latency)
    _, design = designed(13, 0)
    timing = simulate(design, _FRAMES)
    assert timing.cycle.frames == 6
    window = steady_window(timing)
    assert (window.period, window.end - window.start) == (timing.cycle.clocks, timing.cycle.clocks * 4 // 6)
