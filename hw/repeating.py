"""When a unit that repeats its beats is wanted to give them, and what that spares.

A number for a whole map, as a gate gives it, is repeated for every pixel. The repeating unit may be ready
long before the map is, and a FIFO behind it would hold as many copies as the map has beats. But such a unit
keeps the beats of two pieces of work until their last copy is taken, and may as well be held back: then what
waits for the map waits before the unit, once.
"""

from collections.abc import Sequence

import numpy as np

from .design import Instance
from .holding import latest
from .timing import (
    CLOCKS,
    LEAST,
    QUICK_CLOCKS,
    Passage,
    beats_waiting,
    clocks_of,
    paced,
    spared,
    work_of,
)
from .units.gather import GATHER

# Halves of gw_gather's double buffer.
_PIECES = 2


def repeats(unit: Instance) -> bool:
    """Whether a unit gives each of its beats twice or more on average, and may be held back."""
    return unit.unit is GATHER and unit.output.beats >= 2 * unit.input.beats


def copies_held(
    unit: Instance, arrivals: Sequence[np.ndarray], wanted: np.ndarray, interval: int
) -> Passage | None:
    """How a frame goes through a unit that ``repeats``, whose beats come at ``arrivals`` and whose results
    leave when ``wanted``, never before they could; None where its double buffer would take beats too late."""
    pieces, came = unit.repeats, arrivals[0]
    starts, ends = (wanted.reshape(pieces, -1)[:, k] for k in (0, -1))
    before = np.arange(pieces) - _PIECES
    free = np.repeat(ends[before % pieces] + before // pieces * interval, len(came) // pieces)
    for wait in (QUICK_CLOCKS, CLOCKS):
        taken = paced(np.maximum(came + wait, free), np.arange(len(came)), len(came), interval)
        entries = max(LEAST, beats_waiting(came, taken, interval))
        if clocks_of(entries) <= wait:
            break
    behind = unit.latency - len(came) // pieces + 1
    if (taken.reshape(pieces, -1)[:, -1] + behind > starts).any():
        return None
    return Passage([entries], [wait], [taken], wanted)


def meeting_held(
    unit: Instance, arrivals: Sequence[np.ndarray], wanted: np.ndarray, interval: int
) -> Passage | None:
    """How a frame goes through a unit of two inputs that makes a beat of each a clock, if it takes them as
    late as results are ``wanted``; None where one would not be through a deep FIFO by then."""
    work = work_of(unit)
    taken = latest(work.cause, wanted - work.after, len(wanted), interval)
    deep = [max(LEAST, beats_waiting(came, taken, interval)) for came in arrivals]
    waits = [clocks_of(d) for d in deep]
    if any((came + wait > taken).any() for came, wait in zip(arrivals, waits, strict=True)):
        return None
    entries = [spared(d, len(deep)) for d in deep]
    return Passage(entries, waits, [taken] * len(deep), work.leaving(taken, interval))


def wanted_before(unit: Instance, wanted: np.ndarray, interval: int) -> np.ndarray:
    """When a width converter's or fork's beats must come for results to leave when ``wanted``."""
    work = work_of(unit)
    return latest(work.cause, wanted - work.after, unit.input.beats, interval) - QUICK_CLOCKS
