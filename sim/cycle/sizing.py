"""The smallest FIFOs with which a design keeps its interval, found and proven by the model."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...errors import DeadlockError, InputError
from ...hw.design import Design
from ...hw.units.fifo import FIFO
from . import columns as col
from .layout import Layout, waits
from .simulate import AT_ONCE, simulate
from .state import Cycle, settle

_LEAST = 2
# Frames in which times must have begun to repeat.
_FRAMES = 256
# Frames in which they mostly have.
_QUICKLY = 4
# Clocks of as many frames are more than FIFOs hold.
_REST = 1000


def resized(design: Design, depths: Mapping[int, int]) -> Design:
    """The design with other numbers of entries in the FIFOs at some places.

    Raises:
        InputError: an instance that is no FIFO, or fewer than 2 entries.
    """
    instances = list(design.instances)
    for place, depth in depths.items():
        if instances[place].unit is not FIFO:
            raise InputError(f"fifo sizes: instance {place} must be a FIFO, not {instances[place].name}")
        if depth < _LEAST:
            raise InputError(
                f"fifo sizes: {instances[place].name} must hold at least {_LEAST} entries, not {depth}"
            )
        instances[place] = replace(instances[place], params={**instances[place].params, "DEPTH": depth})
    return replace(design, instances=tuple(instances))


def keeps(design: Design, interval: Fraction | int) -> bool:
    """Whether frames take at most ``interval`` clocks each once times repeat."""
    try:
        found = simulate(design, _FRAMES).interval
    except DeadlockError:
        return False
    return found is not None and found <= interval


class _Trials:
    """A design with its FIFOs made smaller, time and again."""

    def __init__(self, design: Design, wanted: Fraction | int):
        self._design, self._wanted = design, wanted
        self._layout, self._room = Layout(design), AT_ONCE
        free = waits(None, "")
        self._arrays = self._layout.arrays(self._room, free, free)
        self._channel = {c.place: n for n, c in enumerate(self._layout.channels)}
        self._rest = _REST * design.interval

    def used(self, depths: Mapping[int, int], place: int) -> int | None:
        """How many entries the FIFO at ``place`` uses, None where frames take more clocks than wanted.

        With barely too few entries, clocks may be lost only once other FIFOs have filled up, a beat a frame.
        A sink that rests at first fills them all at once, and what never gets back to the pace then is
        refused; what does must keep it without that rest.
        """
        for other, depth in depths.items():
            self._layout.rows["depth"][self._channel[other]] = depth
        try:
            cycle = self._settled(_QUICKLY)
            if cycle is None and self._kept(self._settled(_FRAMES, self._rest)):
                cycle = self._settled(_FRAMES)
        except DeadlockError:
            return None
        return entries_used(self._arrays, self._channel[place]) if self._kept(cycle) else None

    def _settled(self, frames: int, rest: int = 0) -> Cycle | None:
        """What repeats after up to as many frames where the sink takes nothing before the clock ``rest``."""
        self._layout.units["freed"][self._layout.sink] = rest
        self._layout.cleared(self._arrays)
        self._arrays, _, cycle = settle(self._design, self._layout, self._arrays, self._room, frames)
        self._room = self._layout.frames_in(self._arrays)
        return cycle

    def _kept(self, cycle: Cycle | None) -> bool:
        return cycle is not None and cycle.clocks <= self._wanted * cycle.frames


def entries_used(arrays: col.Arrays, n: int) -> int:
    """The fewest entries of FIFO ``n``, of the same kind, with which all beats move in the same clocks.

    With them, room is there in each clock in which a beat came, so the same times solve the recurrences.
    """
    row = arrays.channels[n]
    count = row["popped_count"]
    pushed = arrays.pushed[row["base"] :][:count]
    if row["depth"] < col.QUICK:
        left, least, extra = arrays.popped[row["base"] :][:count], _LEAST, 0
    else:  # entries are those of the RAM and two registers
        left, least, extra = arrays.fetched[row["queue"] :][:count], col.QUICK, 2
    held = np.arange(1, count + 1) - np.searchsorted(left, pushed)
    return max(least, int(held.max()) + extra)


def smallest_depths(design: Design, interval: Fraction | int | None = None) -> dict[int, int]:
    """The entries of the FIFO at each place with which frames take at most ``interval`` clocks; one entry
    less in any of them, and they take more or units wait for each other.

    FIFOs of the most bits are made smaller first.

    Args:
        design: with FIFOs that are deep enough.
        interval: clocks a frame; None: what the design takes.
    Raises:
        InputError: the design takes longer, or its times do not repeat.
        DeadlockError: units wait for each other in the design as it is.
    """
    timing = simulate(design, _FRAMES)
    wanted = timing.interval if interval is None else interval
    if timing.interval is None or timing.interval > wanted:
        raise InputError(
            f"fifo sizes of {design.name!r}: frames must take at most {wanted} clocks with the FIFOs given, "
            f"not {timing.interval or 'times that do not repeat'}. Give deeper ones, or a longer interval."
        )
    depths = {n: i.p.DEPTH for n, i in enumerate(design.instances) if i.unit is FIFO}
    order = sorted(depths, key=lambda n: -depths[n] * design.instances[n].p.BITS)
    trials, settled = _Trials(design, wanted), False
    while not settled:
        before = dict(depths)
        for place in order:
            depths[place] = _smallest(trials, depths, place)
        settled = depths == before
    return depths


def _smallest(trials: _Trials, depths: Mapping[int, int], place: int) -> int:
    """The least entries at one place, the others as they are, of which one less would be too few."""

    def used(depth: int) -> int | None:
        return trials.used({**depths, place: depth}, place)

    high, step, low = depths[place], 1, _LEAST - 1
    # Given depths are seldom far too large, so steps downward begin small.
    while low == _LEAST - 1 and high > _LEAST:
        tried = max(high - step, _LEAST)
        found = used(tried)
        if found is None:
            low = tried
        else:
            high, step = found, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        found = used(middle)
        low, high = (middle, high) if found is None else (low, found)
    return high
