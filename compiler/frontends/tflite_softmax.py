"""SOFTMAX as LiteRT's reference kernel computes it, in tables and thresholds; docs/tflite.md says why.

Per row, with d = max - x: each exponent is a table of d, their sum S an exact integer, and the result a
function F(d, S) that never rises with S. So 256 * d + 255 - F(d, S) never falls with d * W + S, where W
is above every S, and one row of thresholds gives it.
"""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add, Lookup, MaxPool, Mul, ReduceSum, Reshape, Threshold, Upsample
from .tflite_fixed import (
    EXPONENT_BITS,
    SUM_BITS,
    exp_of_negative,
    high_product,
    quantize_multiplier,
    reciprocal,
    rounded_shift,
)
from .tflite_source import Activation, OperatorView

# Sums of up to this many exponents were all compared once: between two powers of 2, the reciprocal of a
# sum that is larger by NEAR or more is never larger. Closer ones are compared where it matters.
MAX_CLASSES = 1024
NEAR = 8
_ONE = 1 << SUM_BITS
_CODES = 256


def lower_softmax(view: OperatorView) -> Activation:
    """SOFTMAX over the last axis."""
    x, coding = view.activation(0), view.coding()
    if coding.zero_point != -128 or abs(float(coding.scale) * 256 - 1) > 1e-3:
        raise GraphError(
            f"the result must have scale 1/256 and zero point -128, not {coding.scale} and "
            f"{coding.zero_point}"
        )
    classes = x.shape[-1]
    if classes > MAX_CLASSES:
        raise GraphError(f"it must have at most {MAX_CLASSES} classes, not {classes}")
    exponents = exponent_table(float(x.coding.scale) * float(np.float32(view.option("Beta"))))
    image = Reshape((x.value.type.size // classes, classes, 1))(x.value)
    return view.result(_softmax(image, exponents, classes), coding)


def exponent_table(scale: float) -> np.ndarray:
    """exp(-scale * d) with 31 fractional bits for d = 0..255, 0 where LiteRT leaves it out.

    Raises:
        GraphError: a scale for which LiteRT has no fixed-point factor.
    """
    real = min(scale * 2.0**EXPONENT_BITS, 2.0**31 - 1)
    if not real > 1:
        raise GraphError(f"its operand's scale times beta must be above 2^-26, not {scale}")
    multiplier, shift = quantize_multiplier(real)
    radius = int(31.0 * 2.0**EXPONENT_BITS / 2.0**shift)
    d = np.arange(min(radius, _CODES - 1) + 1)
    table = np.zeros(_CODES, dtype=np.int64)
    table[: len(d)] = exp_of_negative(high_product(-d << shift, multiplier))
    return table


def probability(exponent: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Codes 0..255 of ``exponent / total``: 31 and 19 fractional bits in, 8 out."""
    scale, bits = reciprocal(total)
    return np.clip(rounded_shift(high_product(scale, exponent), bits + 23), 0, _CODES - 1)


def _softmax(x: Value, exponents: np.ndarray, classes: int) -> Value:
    """Rows (N, classes, 1) of codes to codes 0..255."""
    # Further below the maximum than this, every result is 0.
    far = int(np.flatnonzero(probability(exponents, np.array([_ONE])))[-1]) + 1
    width = classes * _ONE + 1
    distance = Add()(_spread(MaxPool((1, classes))(x), classes), Mul()(x, Const(np.array([-1]))))
    exps = _lookup(distance, rounded_shift(exponents, 31 - SUM_BITS))
    total = _spread(Reshape((x.type.shape[0], 1, 1))(ReduceSum((1,))(exps)), classes)
    block = np.minimum(np.arange(_CODES), far)
    key = Add()(_lookup(distance, block * width), total)
    steps = Threshold()(key, Const(_thresholds(exponents[: far + 1], classes, width)[None]))
    flipped = Mul()(steps, Const(np.array([-1])))
    result = Add()(_lookup(distance, block * _CODES + _CODES - 1), flipped)
    # Nothing changes, but inference then knows the range.
    return Threshold()(result, Const(np.arange(1, _CODES)[None]))


def _spread(x: Value, classes: int) -> Value:
    return Upsample((1, classes))(x)


def _lookup(distance: Value, table: np.ndarray) -> Value:
    """A table of 0..255, extended to what inference cannot rule out."""
    d = distance.type.dtype
    return Lookup(d.lo)(distance, Const(table[np.clip(np.arange(d.lo, d.hi + 1), 0, _CODES - 1)]))


def _thresholds(exponents: np.ndarray, classes: int, width: int) -> np.ndarray:
    """Keys ``d * width + S`` at which ``256 * d + 255 - F(d, S)`` reaches 1, 2, ...; each is checked."""
    wide, lo, hi = exponents[:, None], _ONE, classes * _ONE
    steps = np.arange(1, _CODES)

    def fallen(totals: np.ndarray) -> np.ndarray:
        return _CODES - 1 - probability(wide, totals)

    low = np.full((len(exponents), len(steps)), lo, dtype=np.int64)
    high = np.full_like(low, hi + 1)
    for _ in range((hi + 1 - lo).bit_length() + 1):
        middle = np.minimum((low + high) // 2, hi)
        reached, open_ = fallen(middle) >= steps, low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    good = True
    for near in range(NEAR):
        at, below = np.minimum(low + near, hi), np.maximum(low - 1 - near, lo)
        good &= bool(((fallen(at) >= steps) | (low > hi)).all())
        good &= bool(((fallen(below) < steps) | (low <= lo)).all())
    octaves = lo << np.arange(classes.bit_length() + 1)
    ends = (octaves[:, None] + np.arange(-NEAR, NEAR)).ravel()
    ends = ends[(ends >= lo) & (ends <= hi)]
    if not good or (np.diff(fallen(np.broadcast_to(ends, (len(wide), len(ends)))), axis=1) < 0).any():
        raise GraphError("its result must never rise with the sum of the exponents, but does")
    blocks = np.arange(len(exponents))[:, None] * width
    # Out of reach within a block is where the next one starts, which is also the step between the two.
    inside = np.where(low > hi, width, np.where(low <= lo, 0, low)) + blocks
    return np.concatenate([blocks, inside], axis=1).ravel()[1:]
