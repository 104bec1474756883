"""When a FIFO has room and offers a beat, from when its beats come and go: gw_fifo's two registers."""

from typing import NamedTuple

import numpy as np

from . import columns as col

_NEVER = np.iinfo(np.int64).min // 2


class Handshake(NamedTuple):
    """Clocks of a FIFO's consecutive beats, int64, one a beat.

    Attributes:
        pushed: in which it comes.
        popped: in which it goes.
        room: from which on the FIFO is ready for it.
        offered: from which on the FIFO's valid is its.
    """

    pushed: np.ndarray
    popped: np.ndarray
    room: np.ndarray
    offered: np.ndarray

    @property
    def full(self) -> np.ndarray:
        """Clocks in which the FIFO is not ready between the beat before and ``room``."""
        return np.maximum(self.room - self._after(self.pushed), 0)

    @property
    def empty(self) -> np.ndarray:
        """Clocks in which it offers nothing between the beat before and ``offered``."""
        return np.maximum(self.offered - self._after(self.popped), 0)

    @staticmethod
    def _after(times: np.ndarray) -> np.ndarray:
        """The clock after the beat before; 0 before the first one, when reset is over."""
        return np.concatenate([[0], times[:-1] + 1])


def handshake(pushed: np.ndarray, popped: np.ndarray, depth: int) -> Handshake:
    """A FIFO of ``depth`` entries from its first beat after reset on.

    Args:
        pushed, popped: clocks in which beats come and go, in their order.
    """
    pushed, popped = pushed[: len(popped)], popped[: len(pushed)]
    before = _shifted(popped, 1)
    if depth < col.QUICK:
        offered, left, places = np.maximum(pushed, before) + 1, popped, depth
    else:
        moved = _moved(pushed, before)
        offered, places = moved + 1, depth - 2
        left = np.maximum(pushed + 1, _shifted(moved, 1))  # when they are fetched
    room = np.maximum(_shifted(pushed, 1), _shifted(left, places)) + 1
    return Handshake(pushed, popped, np.maximum(room, 0), np.maximum(offered, 0))


def _moved(pushed: np.ndarray, before: np.ndarray) -> np.ndarray:
    """``moved[k] = max(pushed[k] + 2, moved[k-1] + 1, before[k])``, as a running maximum."""
    place = np.arange(len(pushed))
    return np.maximum.accumulate(np.maximum(pushed + 2, before) - place) + place


def _shifted(times: np.ndarray, by: int) -> np.ndarray:
    """The times of the beats ``by`` places before; what was before the first one never matters."""
    return np.concatenate([np.full(min(by, len(times)), _NEVER), times[: max(len(times) - by, 0)]])
