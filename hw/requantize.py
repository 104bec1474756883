"""Thresholds that equal a multiplication, an addition and a shift, exactly, for every x that can come."""

from dataclasses import dataclass

import numpy as np

from ..compiler.ir.types import Int

# Enough for 8-bit results of 20-bit sums in a thousand channels; int64 holds what comes with it.
_MAX_SHIFT = 44
_SAFE_BITS = 61
_MAX_CELLS = 2**21  # thresholds of a layer; beyond, the search takes minutes
_FAR = 2**62


@dataclass(frozen=True, eq=False)
class Requantization:
    """``#{i : x >= t[c, i]} = min(max((factor[c]*x + offset[c]) >> shift, 0), count)``.

    Attributes:
        factor, offset: int64, one per row of the thresholds; factors are not negative.
        shift: the smallest that serves all rows.
        count: thresholds in a row.
    """

    factor: np.ndarray
    offset: np.ndarray
    shift: int
    count: int

    @property
    def factor_bits(self) -> int:
        """Bits of the widest factor, two's complement."""
        return int(self.factor.max()).bit_length() + 1

    def acc_bits(self, x: Int) -> int:
        """Bits of ``factor*x + offset`` for any x, two's complement; more than the shift."""
        ends = [
            int(f) * v + int(o) for f, o in zip(self.factor, self.offset, strict=True) for v in (x.lo, x.hi)
        ]
        bits = max((-v - 1 if v < 0 else v).bit_length() for v in ends) + 1
        return max(bits, self.shift + 1)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Counts for integers ``x`` (..., C)."""
        return np.clip((x * self.factor + self.offset) >> self.shift, 0, self.count)


def code_range(x: Int) -> Int:
    """The integers that hardware sees for ``x``: 0 and 1 where it is bipolar, else ``x`` itself."""
    return Int(0, 1) if x.bipolar else x


def requantization(t: np.ndarray, x: Int) -> Requantization | None:
    """The multiplication with the smallest shift that counts thresholds ``t`` (C, N) exactly; or None.

    It holds for the values of ``x``, or for its codes 0 and 1 where ``x`` is bipolar. None where a row's
    steps do not lie on any line, or only on one that needs a shift beyond 44.
    """
    t = np.asarray(t, dtype=np.int64)
    if not 0 < t.size <= _MAX_CELLS or x.magnitude > 2**40:
        return None
    steps = _Steps(t, x)
    low, high = 0, min(_MAX_SHIFT, _SAFE_BITS - (t.shape[1] * (2 + 2 * x.step)).bit_length())
    if high < 0 or not steps.solvable(high):
        return None
    while low < high:  # what a shift can do, doubled factors and offsets do with the next
        middle = (low + high) // 2
        if steps.solvable(middle):
            high = middle
        else:
            low = middle + 1
    return steps.solve(low)


class _Steps:
    """What a line must do at each threshold: reach k at the first x that counts k, and not one x before.

    ``at`` is that x and ``before`` the one below it, both less the row's ``centre``; ``reached`` and
    ``stepped`` say whether they can come at all.
    """

    def __init__(self, t: np.ndarray, x: Int):
        codes = code_range(x)
        if x.bipolar:
            t = (t + 2) // 2
        self.count = t.shape[1]
        index = np.clip(-((codes.lo - t) // codes.step), 0, codes.levels)
        at = codes.lo + codes.step * index
        self.reached, self.stepped = index < codes.levels, index > 0
        # A row whose count never changes needs no line, only an offset.
        self.flat = ~self.reached.any(1) | ~self.stepped.any(1)
        self.full = self.reached.all(1) & ~self.stepped.any(1)
        first = np.where(self.reached, at, _FAR).min(1, initial=_FAR)
        last = np.where(self.stepped, at - codes.step, -_FAR).max(1, initial=-_FAR)
        first, last = (np.where(self.flat, 0, v) for v in (first, last))
        self.centre = (first + last) // 2
        self.at = np.where(self.reached, at - self.centre[:, None], 0)
        self.before = np.where(self.stepped, at - codes.step - self.centre[:, None], 0)
        # No line rises faster: from the first x of one count to the last below another.
        self.steepest = [self.count / max(int(b - a), 1) for a, b in zip(first, last, strict=True)]

    def bounds(self, factor: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest offset (of centred x) for one factor a row."""
        k = np.arange(1, self.count + 1, dtype=np.int64) << shift
        least = np.where(self.reached, k - factor[:, None] * self.at, -_FAR).max(1)
        most = np.where(self.stepped, k - 1 - factor[:, None] * self.before, _FAR).min(1)
        return least, most

    def _gap(self, factor: np.ndarray, shift: int) -> np.ndarray:
        """How much the least offset exceeds the greatest: convex in the factor, feasible up to 0."""
        least, most = self.bounds(factor, shift)
        return np.where(self.flat, 0, least - most)

    def factors(self, shift: int) -> np.ndarray:
        """The factor with the smallest gap in each row, by bisection of the gap's slope."""
        low = np.zeros(len(self.at), dtype=np.int64)
        high = np.array([int(a * 2**shift) + 1 for a in self.steepest], dtype=np.int64)
        high[self.flat] = 0
        while (low < high).any():
            middle = (low + high) // 2
            falling = self._gap(middle + 1, shift) < self._gap(middle, shift)
            low, high = np.where(falling, middle + 1, low), np.where(falling, high, middle)
            high = np.maximum(low, high)
        return low

    def solvable(self, shift: int) -> bool:
        """Whether every row has a factor and an offset with this shift."""
        return bool((self._gap(self.factors(shift), shift) <= 0).all())

    def solve(self, shift: int) -> Requantization | None:
        """Factors and offsets for a ``shift`` that is solvable; None where an offset leaves int64."""
        factor = self.factors(shift)
        least, _ = self.bounds(factor, shift)
        constant = np.where(self.full, np.int64(self.count) << shift, 0)
        products = factor.astype(object) * self.centre.astype(object)
        offset = np.where(self.flat, constant.astype(object), least.astype(object) - products)
        if max(abs(o) for o in offset) >= _FAR:
            return None
        return Requantization(factor, offset.astype(np.int64), shift, self.count)
