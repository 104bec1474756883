"""Thresholds as ARM computes them best: a high product and a rounding shift, exact for every x that comes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir.reach import Reach
from ..ir.types import Int

# What a signed 32-bit lane holds, and what the factor of SQRDMULH may be.
LANE = 2**31 - 1
# How far the offset may lie from where the slope puts it, in units of the operand.
_NEAR = 6
# Values of x for which a float's own rounding may put the result one lower than the line.
_LATE = 2

# No operand is this large.
NEVER = -(2**31)
# Offset, factor, shift, and operands for which the result is one more.
_Line = tuple[int, int, int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Scaling:
    """``y = ((((x << left) + offset) * factor [+ 2^30]) >> 31 [- 1 if negative] + half) >> shift``, clamped.

    That is SHL, ADD, SQDMULH and SRSHL; ``half`` is the rounding shift's own. With ``twice`` the product is
    rounded before the shift (SQRDMULH, as TFLite does); with ``away`` halves of negative numbers then round
    away from zero. Without, the result is rounded once, as floats are.

    Attributes:
        left: shift of the operand, the same for every row.
        offset, factor, shift: int64, one per row of the thresholds.
        early: int64 (rows, n): where ``(x << left) + offset`` is one of these, the result is one more. Floats
            round halves to even and their own products besides, so that no line equals them everywhere.
        low, high: bounds of the result.
    """

    left: int
    offset: np.ndarray
    factor: np.ndarray
    shift: np.ndarray
    twice: bool
    away: bool
    low: int
    high: int
    early: np.ndarray

    @property
    def cost(self) -> float:
        """Instructions an element, about."""
        return (2 + 2 * (self.left > 0) + self.away + 2 * self.early.shape[1]) / 4

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Results for integers ``x`` (..., C)."""
        v = (x << self.left) + self.offset
        q = (v * self.factor + (2**30 if self.twice else 0)) >> 31
        if self.away:
            q = q - ((q < 0) & (self.shift > 0))
        half = np.where(self.shift > 0, 1 << np.maximum(self.shift - 1, 0), 0)
        more = sum(v == e for e in self.early.T)
        return np.clip(((q + half) >> self.shift) + more, self.low, self.high)


def scaling(
    t: np.ndarray,
    bias: int,
    x: Int,
    reach: Reach | None = None,
    *,
    shifts: bool = True,
    exceptions: bool = False,
) -> Scaling | None:
    """The scaling equal to ``bias + #{i : x >= t[c, i]}`` for every x that can come, or None.

    It looks where a quantized network's rounding is: at a line through result 0 for one integer offset, as
    TFLite and ONNX Runtime have it, then with fractional offsets, as batch norms leave them.

    Args:
        t: (C, N) or (1, N) thresholds.
        reach: least and greatest x of each row, where that is less than ``x``.
        shifts: whether the operand may be shifted first, for offsets with a fraction.
        exceptions: whether to look for lines that a few operands do not lie on, instead of exact ones.
    """
    t = np.asarray(t, dtype=np.int64)
    if t.shape[1] < 2 or x.step != 1 or x.magnitude > LANE // 2:
        return None
    ends = reach or (np.full(len(t), x.lo), np.full(len(t), x.hi))
    ranges = [Int(int(lo), int(hi)) for lo, hi in zip(*ends, strict=True)]
    headroom = max(30 - (x.magnitude + 1).bit_length(), 1)
    order = list(range(len(t)))
    for rounding, left, early in _forms(headroom if shifts else 1, exceptions):
        rows = _rows(t, bias, ranges, order, left, rounding, early)
        if rows:
            offset, factor, shift = (np.array(v, dtype=np.int64) for v in list(zip(*rows, strict=True))[:3])
            more = np.full((len(t), early), NEVER, dtype=np.int64)
            for row, (*_, values) in zip(more, rows, strict=True):
                row[: len(values)] = values
            found = Scaling(left, offset, factor, shift, *rounding, bias, bias + t.shape[1], more)
            if equals(found, t, bias, ends):
                return found
    return None


def _forms(lefts: int, exceptions: bool) -> Iterator[tuple[tuple[bool, bool], int, int]]:
    """(rounding, left shift, exceptions a row), cheapest first."""
    if exceptions:
        for early in range(1, _LATE + 1):
            for left in range(0, lefts, 2):
                yield (False, False), left, early
        return
    for left in range(lefts):
        for rounding in ((True, False), (False, False), (True, True)):
            yield rounding, left, 0


def _rows(
    t, bias: int, ranges: list[Int], order: list[int], left: int, rounding: tuple[bool, bool], early: int
) -> list[_Line] | None:
    """The line of every row, or None as soon as a row has none; it comes first in ``order`` from then on."""
    found = {}
    for place, n in enumerate(order):
        one = row_on_line(t[n], bias, ranges[n], left, rounding, early)
        if one is None:
            order.insert(0, order.pop(place))
            return None
        found[n] = one
    return [found[n] for n in range(len(t))]


def row_on_line(
    row: np.ndarray,
    bias: int,
    x: Int,
    left: int,
    rounding: tuple[bool, bool],
    early: int = 0,
    shift: int | None = None,
) -> _Line | None:
    """Offset, factor, shift (where it is not given) and exceptions for one row, or None.

    Args:
        row: ascending thresholds, (N,); bias: the result below all of them.
        rounding: (twice, away) of ``Scaling``.
        early: how many exceptions there may be.
    """
    inside = (row > x.lo) & (row <= x.hi)
    results = bias + 1 + np.flatnonzero(inside)
    at = row[inside]
    if not len(at):
        return _constant(bias + int((row <= x.lo).sum()), shift or 0)
    slope, centre = line_through(at, results)
    if slope <= 0:
        return None
    if shift is None:
        shift = int(np.clip(-np.ceil(np.log2(slope / 2**left)), 0, 30))
    around = round(centre * 2**left)
    spread = _NEAR if left == 0 else 3 * _NEAR
    for step in range(2 * spread + 1):
        offset = around + (step + 1) // 2 * (1 if step % 2 else -1)
        found = _factor(at, results, offset, shift, left, rounding, early)
        reach = max(abs((x.lo << left) + offset), abs((x.hi << left) + offset))
        if found is not None and reach <= LANE:
            return offset, found[0], shift, found[1]
    return None


def _constant(result: int, shift: int) -> _Line:
    """A line so flat that it gives ``result`` wherever x is."""
    return (2**30 if result >= 0 else -(2**30)), max(2 * abs(result) << shift, 1), shift, ()


def line_through(at: np.ndarray, results: np.ndarray) -> tuple[float, float]:
    """Slope, and the x to add so that result 0 is at 0, from where the results change."""
    if len(at) == 1:
        return 1.0, float(results[0] - 0.5 - at[0])
    if at[-1] == at[0]:
        return 0.0, 0.0
    # A change may come up to one x late, never early: the middle of that.
    from_mean = results - results.mean()
    per_result = float(from_mean @ at / (from_mean @ from_mean))
    start = float(at.mean() - 0.5 - per_result * (results.mean() - 0.5))
    return (1.0 / per_result if per_result > 0 else 0.0), -start


def _factor(
    at, results, offset: int, shift: int, left: int, rounding: tuple[bool, bool], early: int
) -> tuple[int, tuple[int, ...]] | None:
    """A factor with which no result begins before its x and all but ``early`` begin there, and where not."""
    half = 1 << (shift - 1) if shift else 0
    needed = (results << shift) - half
    twice, away = rounding
    if away and shift:
        needed = needed + (needed < 0)
    bound = (needed << 31) - (2**30 if twice else 0)
    first, last = (at << left) + offset, ((at - 1) << left) + offset
    # last * factor < bound for all.
    if np.any((last == 0) & (bound <= 0)):
        return None
    plus, minus = last > 0, last < 0
    high = int((-(-bound[plus] // last[plus]) - 1).min(initial=LANE))
    low = int((bound[minus] // last[minus] + 1).max(initial=1))
    if low > high:
        return None
    # first * factor >= bound for nearly all.
    plus, minus = first > 0, first < 0
    least = np.sort(-(-bound[plus] // first[plus]))[::-1]
    most = np.sort(bound[minus] // first[minus])
    if not early:
        low, high = max(low, int(least[:1].max(initial=low))), min(high, int(most[:1].min(initial=high)))
        if low > high or np.any((first == 0) & (bound > 0)):
            return None
        return (low + high) // 2, ()
    return _best(
        first, bound, np.clip([low, high, *least[: early + 1], *most[: early + 1]], low, high), early
    )


def _best(first, bound, candidates, early: int) -> tuple[int, tuple[int, ...]] | None:
    """The candidate with the fewest exceptions, if they are few enough, and those."""
    late = first[:, None] * candidates < bound[:, None]
    best = int(late.sum(0).argmin())
    if late[:, best].sum() > early:
        return None
    return int(candidates[best]), tuple(int(v) for v in first[late[:, best]])


def equals(found, t: np.ndarray, bias: int, ends: Reach) -> bool:
    """Whether ``found`` is right for every row."""
    return bool(exact_rows(found, t, bias, ends).all())


def exact_rows(found, t: np.ndarray, bias: int, ends: Reach) -> np.ndarray:
    """Whether ``found.apply`` is right around every threshold and at both ends; between, it never falls."""
    low, high = (np.asarray(v)[:, None] for v in ends)
    points = np.clip(np.concatenate([t - 2, t - 1, t, t + 1, low, high], axis=1), low, high)
    want = bias + np.stack([np.searchsorted(row, p, side="right") for row, p in zip(t, points, strict=True)])
    return (found.apply(points.T) == want.T).all(0)
