"""Requantization as thresholds: a monotone integer function, bisected and then checked at every step."""

from collections.abc import Callable

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Threshold
from .tflite_fixed import INT32_MAX, multiply, quantize_multiplier

# Ranges of at most this many integers are checked completely, larger ones at as many points.
EXHAUSTIVE = 4096
# Values evaluated at once for that check; layers with many channels get fewer points each.
_MAX_SAMPLES = 2**22
# Above this many in one layer, tables and hardware are out of reach anyway.
MAX_THRESHOLDS = 2**22

# Integers (rows, n) to codes (rows, n).
CodeOf = Callable[[np.ndarray], np.ndarray]


def stepped(value: Value, code_of: CodeOf, codes: tuple[int, int], rows: int = 1) -> Value:
    """``code_of(value)`` as a threshold node.

    Args:
        code_of: never falling along a row; gives codes from ``codes[0]`` to ``codes[1]``.
        rows: 1, or one per channel.
    Raises:
        GraphError: ``code_of`` falls somewhere.
    """
    d = value.type.dtype
    table = staircase(code_of, codes, rows, d.lo, d.hi)
    return Threshold(codes[0])(value, Const(table))


def staircase(code_of: CodeOf, codes: tuple[int, int], rows: int, lo: int, hi: int) -> np.ndarray:
    """Least integers of ``lo..hi`` at which each code above the lowest is reached, int64 (rows, codes).

    ``hi + 1`` stands for codes out of reach. A single code has one such threshold, for a table cannot be
    empty.
    """
    steps = np.arange(codes[0] + 1, max(codes[1], codes[0] + 1) + 1)
    if rows * len(steps) > MAX_THRESHOLDS:
        raise GraphError(
            f"it must need at most {MAX_THRESHOLDS} thresholds, not {rows * len(steps)}. Use fewer channels, "
            "and VALID padding for averages."
        )
    low = np.full((rows, len(steps)), lo, dtype=np.int64)
    high = np.full((rows, len(steps)), hi + 1, dtype=np.int64)
    for _ in range((hi + 1 - lo).bit_length() + 1):
        # ``low == high`` once found; keep the probe inside the range all the same.
        middle = np.minimum((low + high) // 2, hi)
        reached = code_of(middle) >= steps
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    _check(code_of, steps, low, lo, hi)
    return low


def _check(code_of: CodeOf, steps: np.ndarray, table: np.ndarray, lo: int, hi: int) -> None:
    """Both sides of every threshold, both ends, and all of a small range or points over a large one."""
    at, below = np.clip(table, lo, hi), np.clip(table - 1, lo, hi)
    good = ((code_of(at) >= steps) | (table > hi)).all()
    good &= ((code_of(below) < steps) | (table <= lo)).all()
    points = min(hi - lo + 1, EXHAUSTIVE, max(_MAX_SAMPLES // len(table), 2))
    x = np.array([lo + (hi - lo) * i // max(points - 1, 1) for i in range(points)], dtype=np.int64)
    counts = np.stack([np.searchsorted(row, x, side="right") for row in table])
    good &= (code_of(np.broadcast_to(x, counts.shape)) == steps[0] - 1 + counts).all()
    if not good or (np.diff(table, axis=1) < 0).any():
        raise GraphError("its requantization must never fall as the sum rises, but does")


def rescaled(value: Value, reals: np.ndarray, codes: tuple[int, int]) -> Value:
    """``clip(value * real)`` in LiteRT's fixed point, with one real factor or one per channel.

    Raises:
        GraphError: a factor so large that the integers leave 32 bits on the way.
    """
    pairs = np.array([quantize_multiplier(float(r)) for r in np.unique(reals)], dtype=np.int64)
    multipliers, shifts = pairs[np.searchsorted(np.unique(reals), reals)].T
    if len(pairs) == 1:
        multipliers, shifts = multipliers[:1], shifts[:1]
    return fixed(value, multipliers, shifts, codes)


def multiplied(value: Value, reals: np.ndarray, codes: tuple[int, int]) -> Value:
    """``clip(round(value * real))`` in float64, halves away from zero; one real factor or one per channel.

    Raises:
        GraphError: a factor so large that the result leaves 32 bits.
    """
    d = value.type.dtype
    if max(-d.lo, d.hi) * reals.max() > INT32_MAX:
        raise GraphError(
            f"results must stay within 32 bits, not reach {max(-d.lo, d.hi)} * {reals.max()}. "
            "The result's scale is too small for them."
        )
    wide = reals[:, None]

    def code_of(x: np.ndarray) -> np.ndarray:
        y = x * wide
        whole = np.trunc(y)
        return np.clip(whole + np.copysign(np.abs(y - whole) >= 0.5, y), *codes).astype(np.int64)

    return stepped(value, code_of, codes, len(reals))


def fixed(value: Value, multipliers: np.ndarray, shifts: np.ndarray, codes: tuple[int, int]) -> Value:
    """``rescaled`` for factors that are in fixed point already, int64 (rows,)."""
    d, left = value.type.dtype, max(int(shifts.max()), 0)
    if left > 31 or max(-d.lo, d.hi) << left > INT32_MAX:
        raise GraphError(
            f"sums must stay within 32 bits, not reach {max(-d.lo, d.hi)} * 2^{left}. "
            "The result's scale is too small for them."
        )
    m, s = multipliers[:, None], shifts[:, None]
    return stepped(value, lambda x: np.clip(multiply(x, m, s), *codes), codes, len(m))
