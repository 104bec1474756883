"""Staircases: a float chain with a quantizer on top, turned into exact thresholds.

Chain and quantizer are monotone, so the inputs that reach a code are an interval, and bisection finds
where it starts. Each threshold is then checked against the chain itself; docs/exactness.md has the proof.
"""

from collections.abc import Callable

import numpy as np

from ...errors import GraphError
from .chain import Chain
from .quantizers import Quantizer

# Ranges of at most this many integers are checked completely.
EXHAUSTIVE = 4096
# Values evaluated at once for that check; layers with many channels get fewer points each.
_MAX_SAMPLES = 2**24
# Above this many thresholds in one layer, tables and hardware are out of reach anyway.
MAX_THRESHOLDS = 2**22
# Products of an accumulator and a float64 scale keep every integer below this apart.
_MAX_INTEGER = 2**53
# The largest finite float32 in the order of ``float_of_key``; infinity is one more.
_LARGEST_KEY = 0x7F7FFFFF

CodeOf = Callable[[np.ndarray], np.ndarray]


def staircase(chain: Chain, quantizer: Quantizer, lo: int, hi: int, rank: int) -> np.ndarray:
    """Smallest integers at which each code above the lowest is reached, for x in ``lo..hi``.

    Args:
        chain: meaning of x, never falling (``direction`` has no -1).
        rank: axes of the tensor, without the batch.
    Returns:
        int64 of the parameters' broadcast shape plus one axis, the codes; ``hi + 1`` for codes
        out of reach, ``lo`` for those always reached.
    Raises:
        GraphError: the chain is not monotone, or the range or the number of levels too large.
    """
    if lo <= -_MAX_INTEGER or hi >= _MAX_INTEGER:
        raise GraphError(f"sums must stay within 53 bits, not {lo}..{hi}. Use fewer bits or a smaller layer.")
    shape = np.broadcast_shapes(chain.shape(rank), quantizer.shape(rank))
    codes = _levels(quantizer.lo, quantizer.hi, quantizer.step, shape)
    code_of = _composed(chain, quantizer, 1)
    thresholds = _bisect(code_of, codes, shape, lo, hi + 1)
    _check(code_of, codes, thresholds, lo, hi)
    _check_samples(code_of, thresholds, quantizer, lo, hi)
    return thresholds


def input_staircase(
    chain: Chain, quantizer: Quantizer, sign: np.ndarray, rank: int
) -> tuple[int, int, np.ndarray]:
    """Lowest and highest code, and the float32 values at which each code above the lowest is reached.

    The codes are ``sign`` times the quantizer's, so that they never fall as the input rises; codes
    that no finite input reaches are left out. An infinite input counts as the largest finite one,
    but for channels that never reach the highest code of the others: these have infinity there.

    Raises:
        GraphError: the chain is not monotone or gives NaN, or there are too many levels.
    """
    shape = np.broadcast_shapes(chain.shape(rank), quantizer.shape(rank), sign.shape)
    wide = sign[..., None]

    def code_of(keys: np.ndarray) -> np.ndarray:
        return wide * _composed(chain, quantizer, 1)(float_of_key(keys))

    ends = np.broadcast_to(np.array([-_LARGEST_KEY, _LARGEST_KEY]), (*shape, 2))
    reached = code_of(ends)
    lo, hi = int(reached.min()), int(reached.max())
    codes = _levels(lo, hi, quantizer.step, shape)
    keys = _bisect(code_of, codes, shape, -_LARGEST_KEY, _LARGEST_KEY + 1)
    _check(code_of, codes, keys, -_LARGEST_KEY, _LARGEST_KEY)
    return lo, hi, float_of_key(np.where(keys == -_LARGEST_KEY, -_LARGEST_KEY - 1, keys))


def float_of_key(keys: np.ndarray) -> np.ndarray:
    """float32 values by rank: 0 is zero, 1 the smallest positive number, -1 the largest negative one."""
    bits = np.where(keys >= 0, keys, 0x80000000 - keys).astype(np.uint32)
    return bits.view(np.float32)


def _composed(chain: Chain, quantizer: Quantizer, extra: int) -> CodeOf:
    """Input to code, for arrays with ``extra`` axes behind the tensor's own."""

    def widen(p: np.ndarray) -> np.ndarray:
        return p.reshape(p.shape + (1,) * extra)

    wide_chain, wide_quantizer = chain.moved(widen), quantizer.moved(widen)
    return lambda x: wide_quantizer.codes(wide_chain.apply(x))


def _levels(lo: int, hi: int, step: int, shape: tuple[int, ...]) -> np.ndarray:
    """Codes above the lowest, with a limit on their number."""
    count = (hi - lo) // step * int(np.prod(shape))
    if count > MAX_THRESHOLDS:
        raise GraphError(
            f"a quantizer must have at most {MAX_THRESHOLDS} thresholds over all channels, not {count}. "
            "Use fewer bits."
        )
    return np.arange(lo + step, hi + 1, step)


def _bisect(code_of: CodeOf, codes: np.ndarray, shape, start: int, stop: int) -> np.ndarray:
    """Per parameter and code, the first x in ``start..stop-1`` with code_of(x) >= code, else ``stop``."""
    low = np.full((*shape, len(codes)), start, dtype=np.int64)
    high = np.full((*shape, len(codes)), stop, dtype=np.int64)
    for _ in range((stop - start).bit_length() + 1):
        # ``low == high`` once found; keep the probe inside the range all the same.
        middle = np.minimum((low + high) // 2, stop - 1)
        reached = code_of(middle) >= codes
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low


def _check(code_of: CodeOf, codes: np.ndarray, thresholds: np.ndarray, lo: int, hi: int) -> None:
    """Both sides of every threshold, and both ends of the range, against the chain itself."""
    at, below = np.clip(thresholds, lo, hi), np.clip(thresholds - 1, lo, hi)
    good = (code_of(at) >= codes) | (thresholds > hi)
    good &= (code_of(below) < codes) | (thresholds <= lo)
    for end in (lo, hi):
        there = np.full((*thresholds.shape[:-1], 1), end)
        good &= (there >= thresholds) == (code_of(there) >= codes)
    if not good.all() or (np.diff(thresholds, axis=-1) < 0).any():
        raise _not_monotone()


def _check_samples(code_of: CodeOf, thresholds: np.ndarray, quantizer: Quantizer, lo: int, hi: int) -> None:
    """All of a small range, or points spread over a large one, through thresholds and chain alike."""
    table = thresholds.reshape(-1, thresholds.shape[-1])
    points = min(hi - lo + 1, EXHAUSTIVE, max(_MAX_SAMPLES // len(table), 2))
    x = lo + (hi - lo) * np.arange(points, dtype=object) // max(points - 1, 1)
    x = x.astype(np.int64)
    count = np.stack([np.searchsorted(row, x, side="right") for row in table])
    codes = code_of(np.broadcast_to(x, (*thresholds.shape[:-1], points)))
    if (quantizer.lo + quantizer.step * count != codes.reshape(count.shape)).any():
        raise _not_monotone()


def _not_monotone() -> GraphError:
    return GraphError(
        "the values between two quantizers must rise or fall with the sum, but these do both. "
        "Only monotone functions become thresholds."
    )
