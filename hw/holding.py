"""When a unit that gives whole windows gives them, if it is held back until its reader wants each.

Windows are wide, and come in bursts of a row; what waits for the reader should wait as pixels, before the
unit. A FIFO behind it that is full holds the unit back, so it only needs room for what must be ready early:
windows that the reader wants sooner, one after the other, than the pixels of the last of them can come.
"""

from collections.abc import Sequence

import numpy as np

from .design import Instance
from .timing import LEAST, QUICK_CLOCKS, beats_waiting, paced, work_of


def held_back(
    window: Instance, readers: Sequence[Instance], arrivals: np.ndarray, interval: int
) -> tuple[int, np.ndarray]:
    """Entries before a unit of whole windows whose pixels come at ``arrivals``, and when windows leave it.

    Args:
        readers: the units that its windows go through next, up to the one that computes.
    """
    work = work_of(window)
    earliest = paced(arrivals + QUICK_CLOCKS, work.clocks, window.interval, interval)
    count = len(work.cause)
    spacing = max(unit.interval for unit in readers) // count * np.arange(count)
    ready = earliest[work.cause] + work.after
    wanted = spacing + (ready - spacing).max()
    taken = np.maximum(latest(work.cause, wanted - work.after, len(arrivals), interval), earliest)
    return max(LEAST, beats_waiting(arrivals, taken, interval)), work.leaving(taken, interval)


def latest(cause: np.ndarray, due: np.ndarray, steps: int, interval: int) -> np.ndarray:
    """The latest clocks of ``steps`` steps, one a clock at most, where step ``cause[o]`` must come by
    ``due[o]`` and the next frame's steps, an interval later, wait for this frame's last."""
    clocks = np.full(2 * steps, due[-1] + interval)
    np.minimum.at(clocks, cause, due)
    np.minimum.at(clocks, steps + cause, due + interval)
    # What is behind the second frame's last window is free to wait for the third.
    spaced = np.arange(2 * steps)
    return (np.minimum.accumulate((clocks - spaced)[::-1])[::-1] + spaced)[:steps]
