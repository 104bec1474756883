"""Thresholds as ARM computes them best: a high product and a rounding shift, exact for every x that comes."""

from dataclasses import dataclass

import numpy as np

from ..ir.reach import Reach
from ..ir.types import Int

# What a signed 32-bit lane holds, and what the factor of SQRDMULH may be.
_LANE = 2**31 - 1
# How far the offset may lie from where the slope puts it, in units of the operand.
_NEAR = 6


@dataclass(frozen=True, eq=False)
class Scaling:
    """``y = ((((x << left) + offset) * factor [+ 2^30]) >> 31 [- 1 if negative] + half) >> shift``, clamped.

    That is SHL, ADD, SQDMULH and SRSHL; ``half`` is the rounding shift's own. With ``twice`` the product is
    rounded before the shift (SQRDMULH, as TFLite does); with ``away`` halves of negative numbers then round
    away from zero. Without, the result is rounded once, as floats are.

    Attributes:
        left: shift of the operand, the same for every row.
        offset, factor, shift: int64, one per row of the thresholds.
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

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Results for integers ``x`` (..., C)."""
        v = (x << self.left) + self.offset
        q = (v * self.factor + (2**30 if self.twice else 0)) >> 31
        if self.away:
            q = q - ((q < 0) & (self.shift > 0))
        half = np.where(self.shift > 0, 1 << np.maximum(self.shift - 1, 0), 0)
        return np.clip((q + half) >> self.shift, self.low, self.high)


def scaling(t: np.ndarray, bias: int, x: Int, reach: Reach | None = None) -> Scaling | None:
    """The scaling equal to ``bias + #{i : x >= t[c, i]}`` for every x that can come, or None.

    It looks where a quantized network's rounding is: at a line through result 0 for one integer offset, as
    TFLite and ONNX Runtime have it, then with fractional offsets, as batch norms leave them.

    Args:
        t: (C, N) or (1, N) thresholds.
        reach: least and greatest x of each row, where that is less than ``x``.
    """
    t = np.asarray(t, dtype=np.int64)
    if t.shape[1] < 2 or x.step != 1 or x.magnitude > _LANE // 2:
        return None
    ends = reach or (np.full(len(t), x.lo), np.full(len(t), x.hi))
    ranges = [Int(int(lo), int(hi)) for lo, hi in zip(*ends, strict=True)]
    headroom = 30 - (x.magnitude + 1).bit_length()
    for left in range(max(headroom, 1)):
        for rounding in ((True, False), (False, False), (True, True)):
            rows = _rows(t, bias, ranges, left, rounding)
            if rows:
                offset, factor, shift = (np.array(v, dtype=np.int64) for v in zip(*rows, strict=True))
                found = Scaling(left, offset, factor, shift, *rounding, bias, bias + t.shape[1])
                return found if _equal(found, t, bias, ends) else None
    return None


def _rows(
    t, bias: int, ranges: list[Int], left: int, rounding: tuple[bool, bool]
) -> list[tuple[int, int, int]] | None:
    """Offset, factor and shift of every row, or None as soon as a row has none."""
    found = []
    for row, values in zip(t, ranges, strict=True):
        one = _row(row, bias, values, left, rounding)
        if one is None:
            return None
        found.append(one)
    return found


def _row(
    row: np.ndarray, bias: int, x: Int, left: int, rounding: tuple[bool, bool]
) -> tuple[int, int, int] | None:
    """Offset, factor and shift for one row, or None."""
    inside = (row > x.lo) & (row <= x.hi)
    results = bias + 1 + np.flatnonzero(inside)
    at = row[inside]
    if not len(at):
        return _constant(bias + int((row <= x.lo).sum()))
    slope, centre = _line(at, results)
    if slope <= 0:
        return None
    shift = int(np.clip(-np.ceil(np.log2(slope / 2**left)), 0, 30))
    around = round(centre * 2**left)
    spread = _NEAR if left == 0 else 3 * _NEAR
    for step in range(2 * spread + 1):
        offset = around + (step + 1) // 2 * (1 if step % 2 else -1)
        factor = _factor(at, results, offset, shift, left, rounding)
        reach = max(abs((x.lo << left) + offset), abs((x.hi << left) + offset))
        if factor is not None and reach <= _LANE:
            return offset, factor, shift
    return None


def _constant(result: int) -> tuple[int, int, int]:
    """A line so flat that it gives ``result`` wherever x is."""
    return (2**30 if result >= 0 else -(2**30)), max(2 * abs(result), 1), 0


def _line(at: np.ndarray, results: np.ndarray) -> tuple[float, float]:
    """Slope, and the x to add so that result 0 is at 0, from where the results change."""
    if len(at) == 1:
        return 1.0, float(results[0] - 0.5 - at[0])
    if at[-1] == at[0]:
        return 0.0, 0.0
    # A change may come up to one x late, never early: the middle of that.
    design = np.stack([results - 0.5, np.ones(len(results))], axis=1)
    (per_result, start), *_ = np.linalg.lstsq(design, at - 0.5, rcond=None)
    return (1.0 / per_result if per_result > 0 else 0.0), -float(start)


def _factor(at, results, offset: int, shift: int, left: int, rounding: tuple[bool, bool]) -> int | None:
    """A factor with which each result begins at its x and not one x before, or None."""
    half = 1 << (shift - 1) if shift else 0
    needed = (results << shift) - half
    twice, away = rounding
    if away and shift:
        needed = needed + (needed < 0)
    bound = (needed << 31) - (2**30 if twice else 0)
    low, high = 1, _LANE
    first = (at << left) + offset
    last = ((at - 1) << left) + offset
    # first * factor >= bound, last * factor < bound.
    for value, reach in ((first, True), (last, False)):
        zero = value == 0
        if np.any(zero & ((bound > 0) if reach else (bound <= 0))):
            return None
        plus, minus = value > 0, value < 0
        up = -((-bound[plus]) // value[plus])
        down = bound[minus] // value[minus]
        if reach:
            low = max(low, int(up.max(initial=low)))
            high = min(high, int(down.min(initial=high)))
        else:
            high = min(high, int((up - 1).min(initial=high)))
            low = max(low, int((down + 1).max(initial=low)))
        if low > high:
            return None
    return (low + high) // 2


def _equal(found: Scaling, t: np.ndarray, bias: int, ends: Reach) -> bool:
    """Whether results are right on both sides of every threshold and at both ends; they never fall."""
    low, high = (np.asarray(v)[:, None] for v in ends)
    points = np.clip(np.concatenate([t, t - 1, low, high], axis=1), low, high)
    want = bias + np.stack([np.searchsorted(row, p, side="right") for row, p in zip(t, points, strict=True)])
    return bool((found.apply(points.T) == want.T).all())
