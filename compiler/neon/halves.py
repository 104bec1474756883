"""Thresholds by products that fit 16 bits: what follows a high product then takes half the instructions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..ir.reach import Reach
from ..ir.types import Int
from .requantize import LANE, exact_rows, line_through, row_on_line

# What a lane of 16 bits holds, and the longest shift that makes bytes of them.
_HALF, _SHIFT = 2**15 - 1, 8


@dataclass(frozen=True, eq=False)
class HalfScaling:
    """``y = (((x + offset) * factor) >> 31) + 2^(shift-1) >> shift``, clamped.

    That is SQDMULH, UZP1 and SQRSHRN, as one shift serves all rows.

    Attributes:
        left: shift of the operand, where that is a sum of few terms with factors to take it.
        offset, factor: int64, one per row of the thresholds.
        low, high: bounds of the result.
        exact: bool, one per row: whether this is right for every x that comes.
    """

    left: int
    offset: np.ndarray
    factor: np.ndarray
    shift: int
    low: int
    high: int
    exact: np.ndarray

    def products(self, x: np.ndarray) -> np.ndarray:
        """What lanes of 16 bits are to hold for integers ``x`` (..., C)."""
        return ((x << self.left) + self.offset) * self.factor >> 31

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Results for integers ``x`` (..., C)."""
        y = (self.products(x) + (1 << (self.shift - 1))) >> self.shift
        return np.clip(y, self.low, self.high)


def half_scaling(t: np.ndarray, lows: Iterable[int], x: Int, reach: Reach | None) -> HalfScaling | None:
    """The scaling that is equal to ``low + #{i : x >= t[c, i]}`` for the most rows, or None.

    Args:
        t: (C, N) or (1, N) thresholds.
        lows: lowest results to try.
        reach: least and greatest x of each row, where that is less than ``x``.
    """
    t = np.asarray(t, dtype=np.int64)
    if t.shape[1] < 2 or x.step != 1 or x.magnitude > LANE // 2:
        return None
    ends = reach or (np.full(len(t), x.lo), np.full(len(t), x.hi))
    best = None
    # A shift costs nothing in front of the one row of a sum of tensors, as it goes into their factors.
    most = max(30 - (x.magnitude + 1).bit_length(), 1) if len(t) == 1 else 1
    for left, low in product(range(most), lows):
        found = _found(t, low, ends, left)
        if found is not None and (best is None or found.exact.sum() > best.exact.sum()):
            best = found
        if best is not None and best.exact.all():
            break
    return best


def _found(t: np.ndarray, low: int, ends: Reach, left: int) -> HalfScaling | None:
    """The scaling with this lowest result; None where no row has one."""
    shift = _shift(t, low, ends, left)
    if shift < 1:
        return None
    rows = [
        row_on_line(row, low, Int(int(lo), int(hi)), left, (False, False), shift=shift)
        for row, lo, hi in zip(t, *ends, strict=True)
    ]
    offset, factor = (np.array([0 if row is None else row[i] for row in rows], np.int64) for i in (0, 1))
    known = np.array([row is not None for row in rows])
    made = HalfScaling(left, offset, factor, shift, low, low + t.shape[1], known)
    inside = [np.abs(made.products(np.asarray(end))) <= _HALF for end in ends]
    known &= inside[0] & inside[1] & exact_rows(made, t, low, ends)
    return made if known.any() else None


def _shift(t: np.ndarray, low: int, ends: Reach, left: int) -> int:
    """The longest shift with which all products fit 16 bits, and all factors 31."""
    steepest, farthest = 2.0**-30, 1.0
    for row, lo, hi in zip(t, *ends, strict=True):
        inside = (row > lo) & (row <= hi)
        if inside.sum() < 2:
            continue
        slope, centre = line_through(row[inside], low + 1 + np.flatnonzero(inside))
        steepest = max(steepest, slope)
        farthest = max(farthest, slope * max(abs(lo + centre), abs(hi + centre)) + 1)
    return int(min(np.floor(left - np.log2(steepest)), np.floor(np.log2(_HALF / farthest)), _SHIFT))
