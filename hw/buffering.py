"""How deep each FIFO must be for a design to keep its interval.

In steady state every unit works as soon as its inputs are there, and the times of one frame repeat every
interval. Those times follow from the units alone if no FIFO is ever full; the most that then waits on an
edge is the depth that never stalls it. So the FIFO of a short branch holds what comes while the long one
fills its windows and pipelines, and no FIFO that is full ever keeps another branch from filling. Where a
real source is earlier than the evenly paced one assumed here, no beat gets later, so the depths hold for it
too.
"""

import numpy as np

from .design import Design, Edge, Instance, Port
from .holding import held_back
from .repeating import copies_held, meeting_held, repeats, wanted_before
from .timing import (
    LEAST,
    beats_waiting,
    due,
    needed_beats,
    spared,
    through,
    through_window,
    work_of,
)
from .units.binary import BINARY
from .units.fork import FORK
from .units.sliding_window import SLIDING_WINDOW
from .units.whole_window import WHOLE_WINDOW
from .units.width_converter import WIDTH_CONVERTER

# Units that pass on what repeating ones give, as it comes.
_FOLLOWING = (FORK, WIDTH_CONVERTER)


def depths(design: Design) -> list[int]:
    """Entries of the FIFO on each edge of a design without FIFOs, for its interval without a stall."""
    entries = _Schedule(design).entries
    return [entries[edge] for edge in design.edges]


class _Schedule:
    """The times of one frame in steady state, edge by edge, and the entries that each edge needs.

    Attributes:
        entries: of the FIFO on each edge.
    """

    def __init__(self, design: Design):
        self._design, self._interval = design, design.interval
        self._into = {edge.sink: edge for edge in design.edges}
        self._from = {edge.source: edge for edge in design.edges}
        self.entries: dict[Edge, int] = {}
        source = self._just_in_time(self._from[None])
        source = np.maximum(source, np.arange(len(source)) * self._interval // len(source) + source[0])
        self._arrivals = {self._from[None]: source}
        self._copies, self._made = self._find_repeats()
        self._taken: dict[Edge, tuple[np.ndarray, int]] = {}
        done: set[int] = set()
        for place, unit in enumerate(design.instances):
            if place in done:
                continue
            if unit.unit is SLIDING_WINDOW:
                partner = self._from[Port(place)].sink.place
                self._pair(place, partner)
                done.add(partner)
            elif unit.unit is WHOLE_WINDOW:
                self._whole_windows(place)
            else:
                self._unit(place)
        self._hold_repeats()
        # What the first unit cannot take yet waits outside, and what the last gives nobody waits for.
        self.entries |= {self._from[None]: LEAST, self._into[None]: LEAST}

    def _just_in_time(self, edge: Edge) -> np.ndarray:
        """When the source's beats must come at the latest for no first unit to wait, a beat a clock; where
        several read them, for the slowest."""
        unit = self._design.instances[edge.sink.place]
        if unit.unit is FORK:
            readers = [self._from[Port(edge.sink.place, k)] for k in range(len(unit.outputs))]
            times = [self._just_in_time(e) if e.sink else np.arange(unit.input.beats) for e in readers]
            return np.maximum.reduce([t - t[0] for t in times])
        if unit.unit is not SLIDING_WINDOW:
            work = work_of(unit)
            return work.clocks[work.steps[edge.sink.index]]
        partner = self._design.instances[self._from[Port(edge.sink.place)].sink.place]
        return due(work_of(partner).clocks, needed_beats(unit.p), unit.input.beats, self._interval)

    def _give(self, place: int, times: np.ndarray) -> None:
        """Note when the streams of the unit at ``place`` get their beats: all alike."""
        for k in range(len(self._design.instances[place].outputs)):
            self._arrivals[self._from[Port(place, k)]] = times

    def _unit(self, place: int) -> None:
        unit = self._design.instances[place]
        edges = self._inputs(place)
        passed = through(unit, [self._arrivals[e] for e in edges], self._interval)
        self.entries |= zip(edges, passed.entries, strict=True)
        for edge, taken, wait in zip(edges, passed.taken, passed.waits, strict=True):
            if edge in self._copies | self._made and unit.unit not in _FOLLOWING:
                self._taken[edge] = taken, wait
        self._give(place, passed.leaving)

    def _pair(self, place: int, partner: int) -> None:
        """A window generator and the unit that draws on it, as rules put them together."""
        edge, middle = self._into[Port(place)], self._into[Port(partner)]
        window, unit = self._design.instances[place], self._design.instances[partner]
        before, behind, times = through_window(window, unit, self._arrivals[edge], self._interval)
        self.entries |= {edge: before, middle: behind}
        self._give(partner, times)

    def _whole_windows(self, place: int) -> None:
        edge = self._into[Port(place)]
        window, readers = self._design.instances[place], self._readers(place)
        self.entries[edge], times = held_back(window, readers, self._arrivals[edge], self._interval)
        self._give(place, times)

    def _readers(self, place: int) -> list[Instance]:
        """The unit that computes with the windows of the one at ``place``, and a converter before it."""
        found = [self._from[Port(place)].sink.place]
        if self._design.instances[found[0]].unit is WIDTH_CONVERTER:
            found.append(self._from[Port(found[0])].sink.place)
        return [self._design.instances[n] for n in found]

    # Units that repeat their beats are held back until what they meet is there.

    def _find_repeats(self) -> tuple[set[Edge], set[Edge]]:
        """The edges that carry copies, and those with what units make that meet copies."""
        copies: set[Edge] = set()
        made: set[Edge] = set()
        for place, unit in enumerate(self._design.instances):
            inputs, outputs = set(self._inputs(place)), self._outputs(place)
            follows = unit.unit in _FOLLOWING
            if repeats(unit) or (follows and inputs & copies):
                copies |= set(outputs)
            elif self._meets(place, copies) or (follows and inputs & made):
                made |= set(outputs)
        return copies, made

    def _meets(self, place: int, copies: set[Edge]) -> bool:
        """Whether a unit combines copies with a stream that has no more bits than its result."""
        unit, edges = self._design.instances[place], self._inputs(place)
        if unit.unit is not BINARY or len(copies & set(edges)) != 1:
            return False
        (streamed,) = (s for s, e in zip(unit.inputs, edges, strict=True) if e not in copies)
        return streamed.bits <= unit.output.bits

    def _inputs(self, place: int) -> list[Edge]:
        return [self._into[Port(place, k)] for k in range(len(self._design.instances[place].inputs))]

    def _outputs(self, place: int) -> list[Edge]:
        return [self._from[Port(place, k)] for k in range(len(self._design.instances[place].outputs))]

    def _hold_repeats(self) -> None:
        """Give copies, and what is made of them, when they are wanted, the last units first."""
        for place in reversed(range(len(self._design.instances))):
            unit, edges = self._design.instances[place], self._inputs(place)
            if not repeats(unit) and not self._meets(place, self._copies):
                continue
            (behind,) = self._outputs(place)
            wanted, arrivals = self._wanted(behind), [self._arrivals[e] for e in edges]
            hold = copies_held if repeats(unit) else meeting_held
            held = hold(unit, arrivals, wanted, self._interval)
            if held is not None:
                self.entries |= zip(edges, held.entries, strict=True)
                self._taken |= zip(edges, zip(held.taken, held.waits, strict=True), strict=True)
                self._delay(behind, held.leaving)

    def _wanted(self, edge: Edge) -> np.ndarray:
        """When an edge's beats must come at the latest for nothing to be later than it is."""
        if edge in self._taken:
            taken, wait = self._taken[edge]
            return taken - wait
        if edge.sink is None or self._design.instances[edge.sink.place].unit not in _FOLLOWING:
            return self._arrivals[edge]
        wanted = np.minimum.reduce([self._wanted(e) for e in self._outputs(edge.sink.place)])
        return wanted_before(self._design.instances[edge.sink.place], wanted, self._interval)

    def _delay(self, edge: Edge, times: np.ndarray) -> None:
        """Let an edge's beats come at ``times``, which are not later than wanted."""
        self._arrivals[edge] = times
        if edge.sink is None:
            return
        unit = self._design.instances[edge.sink.place]
        if edge in self._taken:
            deep = max(LEAST, beats_waiting(times, self._taken[edge][0], self._interval))
            self.entries[edge] = spared(deep, len(unit.inputs))
        elif unit.unit in _FOLLOWING:
            passed = through(unit, [times], self._interval)
            (self.entries[edge],) = passed.entries
            for behind in self._outputs(edge.sink.place):
                self._delay(behind, passed.leaving)
