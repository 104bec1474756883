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
# Above this many thresholds in one layer, tables and hardware are out of reach anyway.
MAX_THRESHOLDS = 2**22
# Products of an accumulator and a float64 scale keep every integer below this apart.
_MAX_INTEGER = 2**53
_INFINITY_KEY = 0x7F800000

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
    if hi - lo < EXHAUSTIVE:
        everything = np.broadcast_to(np.arange(lo, hi + 1), (*shape, hi - lo + 1))
        count = (everything[..., None, :] >= thresholds[..., None]).sum(-2)
        if (quantizer.lo + quantizer.step * count != code_of(everything)).any():
            raise _not_monotone()
    return thresholds


def input_staircase(
    chain: Chain, quantizer: Quantizer, sign: np.ndarray, rank: int
) -> tuple[int, int, np.ndarray]:
    """Lowest and highest code, and the float32 values at which each code above the lowest is reached.

    The codes are ``sign`` times the quantizer's, so that they never fall as the input rises; codes
    that no input reaches are left out. A channel that never reaches the highest code of the others
    has infinity there, so for it alone an infinite input is not exact.

    Raises:
        GraphError: the chain is not monotone or gives NaN, or there are too many levels.
    """
    shape = np.broadcast_shapes(chain.shape(rank), quantizer.shape(rank), sign.shape)
    wide = sign[..., None]

    def code_of(keys: np.ndarray) -> np.ndarray:
        return wide * _composed(chain, quantizer, 1)(float_of_key(keys))

    ends = np.broadcast_to(np.array([-_INFINITY_KEY, _INFINITY_KEY]), (*shape, 2))
    reached = code_of(ends)
    lo, hi = int(reached.min()), int(reached.max())
    codes = _levels(lo, hi, quantizer.step, shape)
    keys = _bisect(code_of, codes, shape, -_INFINITY_KEY, _INFINITY_KEY + 1)
    _check(code_of, codes, keys, -_INFINITY_KEY, _INFINITY_KEY)
    return lo, hi, float_of_key(np.minimum(keys, _INFINITY_KEY))


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


def _not_monotone() -> GraphError:
    return GraphError(
        "the values between two quantizers must rise or fall with the sum, but these do both. "
        "Only monotone functions become thresholds."
    )
