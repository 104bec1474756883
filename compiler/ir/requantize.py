"""Thresholds that equal a multiplication, an addition and a shift, exactly, for every x that can come."""

from dataclasses import dataclass, replace

import numpy as np

from .reach import Reach
from .types import Int

# Enough for 8-bit results of 20-bit sums in a thousand channels; int64 holds what comes with it.
_MAX_SHIFT = 44
_SAFE_BITS = 61
_MAX_CELLS = 2**21  # thresholds of a layer; beyond, the search takes minutes
_FAR = 2**62


@dataclass(frozen=True, eq=False)
class Requantization:
    """``#{i : x >= t[c, i]} = min(max((p + knee_sum - (drop[c] if p < 0 else 0)) >> shift, 0), count)``
    for ``p = factor[c]*x + offset[c]``.

    Without a knee that is one line. With one, steps up to count ``knee`` lie on a line of their own, lower by
    ``drop``: so do those of a rounding with halves away from zero that follows another (TFLite's).

    Attributes:
        factor, offset: int64, one per row of the thresholds; factors are not negative.
        shift: the smallest that serves all rows.
        count: thresholds in a row.
        knee: the count in whose middle p is 0, or None.
        drop: int64, one per row, not negative; all 0 without a knee.
    """

    factor: np.ndarray
    offset: np.ndarray
    shift: int
    count: int
    knee: int | None
    drop: np.ndarray

    @property
    def knee_sum(self) -> int:
        """What p lacks of its count's scale: the knee's middle."""
        return 0 if self.knee is None else (2 * self.knee + 1) << (self.shift - 1)

    @property
    def drop_bits(self) -> int:
        """Bits of the largest drop; 0 without a knee."""
        return 0 if self.knee is None else max(int(self.drop.max()).bit_length(), 1)

    @property
    def factor_bits(self) -> int:
        """Bits of the widest factor, two's complement."""
        return int(self.factor.max()).bit_length() + 1

    def acc_bits(self, x: Int) -> int:
        """Bits of ``p`` and of all sums with it for any x, two's complement; more than the shift."""
        rows = zip(self.factor.tolist(), self.offset.tolist(), self.drop.tolist(), strict=True)
        ends = [f * v + o - d for f, o, drop in rows for v in (x.lo, x.hi) for d in (0, drop)]
        ends += [v + self.knee_sum for v in ends]
        bits = max((-v - 1 if v < 0 else v).bit_length() for v in ends) + 1
        return max(bits, self.shift + 1)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Counts for integers ``x`` (..., C)."""
        p = x * self.factor + self.offset
        p = p + self.knee_sum - np.where(p < 0, self.drop, 0)
        return np.clip(p >> self.shift, 0, self.count)


def code_range(x: Int) -> Int:
    """The integers that hardware sees for ``x``: 0 and 1 where it is bipolar, else ``x`` itself."""
    return Int(0, 1) if x.bipolar else x


def requantization(
    t: np.ndarray, x: Int, knee: int | None = None, reach: Reach | None = None
) -> Requantization | None:
    """The multiplication with the smallest shift that counts thresholds ``t`` (C, N) exactly; or None.

    It holds for the values of ``x``, or for its codes 0 and 1 where ``x`` is bipolar. None where a row's
    steps do not lie on any line, or only on one that needs a shift beyond 44.

    Args:
        knee: the count at which the line may have a step of its own, 1 to N - 1.
        reach: what can come in each row, where that is less than ``x``; not for a bipolar ``x``.
    """
    t = np.asarray(t, dtype=np.int64)
    if not 0 < t.size <= _MAX_CELLS or x.magnitude > 2**40:
        return None
    steps = _Steps(t, x, knee, reach)
    low = int(knee is not None)  # the middle of a count needs a place behind the point
    high = min(_MAX_SHIFT, _SAFE_BITS - (t.shape[1] * (2 + 2 * x.step)).bit_length())
    if high < low or not steps.solvable(high):
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

    def __init__(self, t: np.ndarray, x: Int, knee: int | None, reach: Reach | None):
        codes = code_range(x)
        if x.bipolar:
            t = (t + 2) // 2
        self.count, self.knee = t.shape[1], knee
        low, high = (np.asarray(v).reshape(-1, 1) for v in reach or (codes.lo, codes.hi))
        low = low + (codes.lo - low) % codes.step
        levels = (high - low) // codes.step + 1
        index = np.clip(-((low - t) // codes.step), 0, levels)
        at = low + codes.step * index
        self.reached, self.stepped = index < levels, index > 0
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
        """Least and greatest offset (of centred x) for one factor a row: (rows, lines), steep part first."""
        k = np.arange(1, self.count + 1, dtype=np.int64) << shift
        least = np.where(self.reached, k - factor[:, None] * self.at, -_FAR)
        most = np.where(self.stepped, k - 1 - factor[:, None] * self.before, _FAR)
        parts = [slice(None)] if self.knee is None else [slice(self.knee, None), slice(0, self.knee)]
        return (
            np.stack([least[:, p].max(1) for p in parts], axis=1),
            np.stack([most[:, p].min(1) for p in parts], axis=1),
        )

    def _gap(self, factor: np.ndarray, shift: int) -> np.ndarray:
        """How much a least offset exceeds a greatest: convex in the factor, feasible up to 0.

        The lower part's line is no higher than the upper's.
        """
        least, most = self.bounds(factor, shift)
        gap = (least - most).max(1)
        if self.knee is not None:
            gap = np.maximum(gap, least[:, 1] - most[:, 0])
        return np.where(self.flat, 0, gap)

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
        least, most = self.bounds(factor, shift)
        line = np.where(self.flat, 0, least.max(1))
        drop = np.zeros_like(line)
        if self.knee is not None:
            drop = np.where(self.flat, 0, line - np.minimum(line, most[:, 1]))
        constant = np.where(self.full, np.int64(self.count) << shift, 0)
        products = factor.astype(object) * self.centre.astype(object)
        offset = np.where(self.flat, constant.astype(object), line.astype(object) - products)
        found = Requantization(factor, np.zeros_like(factor), shift, self.count, self.knee, drop)
        offset = offset - found.knee_sum
        if max(abs(o) for o in offset) >= _FAR:
            return None
        found = replace(found, offset=offset.astype(np.int64))
        return found if self._counts(found) else None

    def _counts(self, found: Requantization) -> bool:
        """Whether the counts are right on both sides of every threshold; without a knee they are.

        Counts never fall, as no drop is negative, so this is enough. The middle of the knee may lie outside
        its own count.
        """
        k = np.arange(1, self.count + 1)[:, None]
        at, before = (found.apply((x + self.centre[:, None]).T) for x in (self.at, self.before))
        good = (at >= k) | ~self.reached.T, (before < k) | ~self.stepped.T
        return bool(all(g[:, ~self.flat].all() for g in good))
