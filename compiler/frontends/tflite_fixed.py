"""LiteRT's fixed-point arithmetic on whole arrays, as its reference kernels define it.

All values are int32 there and int64 here; callers keep them within 32 bits. A multiplier is an integer
below 2^31 and a shift: ``real = multiplier * 2^(shift - 31)``. Two roundings, one after the other: this
is what LiteRT's default build does (TFLITE_SINGLE_ROUNDING is off).
"""

from math import floor, frexp, isfinite

import numpy as np

from ...errors import GraphError

INT32_MAX = 2**31 - 1
# exp(-1/8) and 1/3 with 31 fractional bits; 48/17 and -32/17 with 29.
_EXP_EIGHTH, _THIRD = 1895147668, 715827883
_NEWTON_START, _NEWTON_SLOPE = 1515870810, -1010580540
# exp(-2^k) with 31 fractional bits, for k = -2..4.
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
# Bits behind the point of the softmax's exponents (5 integer bits) and of its sums (12).
EXPONENT_BITS, SUM_BITS = 26, 19


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``(multiplier, shift)`` of a float64; both 0 where it is below 2^-32.

    Raises:
        GraphError: no finite number, as scales far apart give.
    """
    if not isfinite(real):
        raise GraphError("the scales' ratio must be finite. Convert the model again.")
    if real == 0.0:
        return 0, 0
    fraction, shift = frexp(real)
    multiplier = floor(fraction * 2.0**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def round_away(x: np.ndarray) -> np.ndarray:
    """float64 rounded to whole numbers, halves away from zero; still float64."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def high_product(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """``a * b / 2^31``, halves upward."""
    return (a * b + 2**30) >> 31


def rounded_shift(x: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """``x / 2^bits``, halves away from zero."""
    mask = np.left_shift(np.int64(1), bits) - 1
    return (x >> bits) + ((x & mask) > (mask >> 1) + (x < 0))


def multiply(x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int) -> np.ndarray:
    """``x * multiplier * 2^(shift - 31)``, rounded twice."""
    shift = np.asarray(shift)
    wide = x * np.left_shift(np.int64(1), np.maximum(shift, 0))
    return rounded_shift(high_product(wide, multiplier), np.maximum(-shift, 0))


def exp_of_negative(x: np.ndarray) -> np.ndarray:
    """exp(x) with 31 fractional bits, for x of at most 0 with 26; exactly ``INT32_MAX`` for 0."""
    quarter = 1 << EXPONENT_BITS - 2
    part = (x & (quarter - 1)) - quarter
    a = (part << 5) + (1 << 28)
    a2 = high_product(a, a)
    a3, a4 = high_product(a2, a), high_product(a2, a2)
    tail = rounded_shift(high_product(rounded_shift(a4, 2) + a3, _THIRD) + a2, 1)
    result = _EXP_EIGHTH + high_product(a + tail, _EXP_EIGHTH)
    rest = part - x
    for k, factor in enumerate(_EXP_POWERS, -2):
        set_ = (rest >> (EXPONENT_BITS + k)) & 1
        result = np.where(set_ == 1, high_product(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def reciprocal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(r, k)`` with ``1 / x = r * 2^-(31 + k)`` and r in 2^30..2^31, for x of at least 1 with 19 bits."""
    k = np.floor(np.log2(x.astype(np.float64))).astype(np.int64) - SUM_BITS
    over_one = (x << (31 - SUM_BITS - k)) - 2**31
    half = (over_one + INT32_MAX + 1) >> 1
    r = _NEWTON_START + high_product(half, _NEWTON_SLOPE)
    for _ in range(3):
        error = (1 << 29) - high_product(half, r)
        r = r + np.clip(high_product(r, error) << 2, -(2**31), INT32_MAX)
    return np.clip(r << 1, -(2**31), INT32_MAX), k
