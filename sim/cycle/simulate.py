"""A design's token times, frame by frame until they repeat."""

from fractions import Fraction

import numpy as np

from ...errors import InputError
from ...hw.design import Design, Edge
from . import columns as col
from .layout import Layout, waits
from .state import settle, work_out

# Frames that there is room for at first, where times are expected to repeat.
AT_ONCE = 4


class Timing:
    """When each beat of each stream of a design moves; clock 0 is the first after reset.

    Attributes:
        design: the design.
        frames: how many frames.
        cycle: what the times repeat, None if they do not yet.
        worked: frames that were worked out; later ones follow from ``cycle``.
    """

    def __init__(self, design: Design, frames: int, layout: Layout, arrays: col.Arrays, worked: int, cycle):
        self.design, self.frames, self.worked, self.cycle = design, frames, worked, cycle
        self._beats = [c.beats for c in layout.channels]
        self._place = {c.place: n for n, c in enumerate(layout.channels)}
        ends = [
            (side[row["base"] :][: beats * worked].reshape(worked, beats))
            for side in (arrays.pushed, arrays.popped)
            for row, beats in zip(arrays.channels, self._beats, strict=True)
        ]
        self._pushed, self._popped = ends[: len(self._beats)], ends[len(self._beats) :]

    def clocks(self, edge: Edge, frames: int | None = None) -> np.ndarray:
        """The clocks in which the beats of a stream move, int64 (frames, beats); of at most the first
        ``frames`` frames."""
        times, wanted = self.worked_out(edge), min(self.frames if frames is None else frames, self.frames)
        if wanted <= self.worked:
            return times[:wanted]
        cycle, late = self.cycle, np.arange(self.worked, wanted) - self.cycle.start
        rows = times[cycle.start + late % cycle.frames] + (late // cycle.frames * cycle.clocks)[:, None]
        return np.concatenate([times, rows])

    def worked_out(self, edge: Edge) -> np.ndarray:
        """The clocks of a stream in the frames that were worked out, int64 (worked, beats)."""
        if edge.sink is not None and edge.sink.place in self._place:
            return self._pushed[self._place[edge.sink.place]]
        return self._popped[self._place[edge.source.place]]

    @property
    def in_clocks(self) -> np.ndarray:
        """When the beats of each frame enter, int64 (frames, beats)."""
        return self.clocks(next(e for e in self.design.edges if e.source is None))

    @property
    def out_clocks(self) -> np.ndarray:
        """When the beats of each frame leave, int64 (frames, beats)."""
        return self.clocks(next(e for e in self.design.edges if e.sink is None))

    @property
    def latency(self) -> int:
        """Clocks from the first frame's first beat to its last one out, both counted."""
        return int(self.out_clocks[0, -1] - self.in_clocks[0, 0]) + 1

    @property
    def interval(self) -> Fraction | None:
        """Clocks a frame takes once times repeat, None if they do not yet."""
        return self.cycle and Fraction(self.cycle.clocks, self.cycle.frames)

    def occupancy(self, place: int) -> int:
        """The most beats that the FIFO at ``place`` holds, in all frames.

        Raises:
            InputError: the instance there is no FIFO.
        """
        if place not in self._place:
            name = self.design.instances[place].name if place < len(self.design.instances) else "no instance"
            raise InputError(f"occupancy: instance {place} must be a FIFO, not {name}")
        n = self._place[place]
        pushed, popped = self._pushed[n].reshape(-1), self._popped[n].reshape(-1)
        held = np.arange(1, len(pushed) + 1) - np.searchsorted(popped, pushed, side="right")
        return int(held.max())

    @property
    def occupancies(self) -> dict[str, int]:
        """The most beats in each FIFO, by its name."""
        return {self.design.instances[place].name: self.occupancy(place) for place in self._place}


def simulate(
    design: Design, frames: int, gaps: np.ndarray | None = None, stalls: np.ndarray | None = None
) -> Timing:
    """When each beat of ``frames`` frames moves, exactly as in RTL.

    Args:
        design: as ``assemble`` makes it, a FIFO on each edge.
        gaps: for each clock whether the source starts to offer nothing new; repeated. None: it never rests.
        stalls: for each clock whether the sink takes nothing; repeated. None: it always takes.

    Raises:
        InputError: no frames, or a pattern that always rests.
        LoweringError: a unit without a program, or units with nothing between them.
        DeadlockError: units wait for each other.
    """
    if frames < 1:
        raise InputError(f"cycle model: there must be at least 1 frame, not {frames}")
    layout = Layout(design)
    gap, stall = waits(gaps, "gaps"), waits(stalls, "stalls")
    free = gaps is None and stalls is None
    room = min(frames, AT_ONCE) if free else frames
    arrays = layout.arrays(room, gap, stall)
    if not free:
        work_out(design, layout, arrays, frames)
        return Timing(design, frames, layout, arrays, frames, None)
    arrays, worked, cycle = settle(design, layout, arrays, room, frames)
    return Timing(design, frames, layout, arrays, worked, cycle)
