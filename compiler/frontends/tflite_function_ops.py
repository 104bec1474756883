"""Operators that are one function of one code: tables of all codes, as LiteRT's reference kernels give them.

LiteRT itself makes a table of its float functions; those in fixed point are evaluated at every code.
"""

from collections.abc import Callable
from math import erf

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import Lookup
from .tflite_file import constant
from .tflite_fixed import multiply, quantize_multiplier, round_away, rounded_shift
from .tflite_source import Activation, Coding, OperatorView, coding_of

# The scales that LiteRT insists on, as 1/scale, and the zero point.
_FIXED_RESULTS = {"LOGISTIC": (256, -128), "TANH": (128, 0)}
# Hard swish works in 16 bits: operands get 7 more, and 3 / 2^15 is the unit of relu6(x + 3).
_HIRES, _RELUISH = np.float32(1 / 128), np.float32(3) / np.float32(32768)
_INT16 = 2**15

_ERF = np.vectorize(erf, otypes=[np.float64])

FloatFunction = Callable[[np.ndarray], np.ndarray]


def lower_float_function(view: OperatorView) -> Activation:
    """LOGISTIC, TANH, EXP and GELU: LiteRT's own table of float32 values."""
    kind, coding = view.op.kind, view.coding()
    if kind in _FIXED_RESULTS:
        steps, point = _FIXED_RESULTS[kind]
        if float(coding.scale) * steps != 1 or coding.zero_point != point:
            raise GraphError(
                f"the result must have scale 1/{steps} and zero point {point}, not {coding.scale} and "
                f"{coding.zero_point}"
            )
    if kind == "GELU":
        function = _gelu_tanh if view.option("Approximate") else _gelu_erf
    else:
        function = _FLOATS[kind]
    return _table(view, lambda q, x: _float_codes(function, q, x, coding))


def _float_codes(function: FloatFunction, q: np.ndarray, x: Coding, y: Coding) -> np.ndarray:
    """``round(f(scale * q) / scale_y)``, every step in float32, halves away from zero."""
    with np.errstate(over="ignore"):
        floats = function((x.scale * q.astype(np.float32)).astype(np.float64)).astype(np.float32)
        codes = (floats * (np.float32(1) / y.scale)).astype(np.float64)
    limited = np.clip(codes, -(2.0**31), 2.0**31)
    return round_away(limited).astype(np.int64)


def _logistic(x: np.ndarray) -> np.ndarray:
    # As the kernel writes it, each operation rounded to float32.
    e = np.exp(-x).astype(np.float32)
    return np.float32(1) / (np.float32(1) + e)


def _gelu_erf(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + _ERF(x * np.sqrt(0.5)))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


_FLOATS: dict[str, FloatFunction] = {
    "LOGISTIC": _logistic,
    "TANH": np.tanh,
    "EXP": np.exp,
}


def lower_leaky_relu(view: OperatorView) -> Activation:
    """LEAKY_RELU: two fixed-point factors, one for each side of 0; the slope may be negative."""
    coding, alpha = view.coding(), np.float32(view.option("Alpha"))

    def codes(q: np.ndarray, x: Coding) -> np.ndarray:
        return np.where(q >= 0, _times(q, x.scale / coding.scale), _times(q, x.scale * alpha / coding.scale))

    return _table(view, codes)


def lower_abs(view: OperatorView) -> Activation:
    """ABS, rescaled in fixed point."""
    coding = view.coding()
    return _table(view, lambda q, x: _times(np.abs(q), x.scale / coding.scale))


def lower_prelu(view: OperatorView) -> Activation:
    """PRELU: as LEAKY_RELU, with one slope for all or one per channel, codes of its own."""
    coding, stored = view.coding(), view.source(1, "the slopes")
    slope = coding_of(stored, "the slopes")
    x = view.activation(0)
    slopes = constant(stored, "INT8", "the slopes").ravel() - slope.zero_point
    if slopes.size not in (1, x.shape[-1]) or max(stored.shape, default=1) != slopes.size:
        raise GraphError(f"its slopes must be one, or one per channel, not of shape {stored.shape}")
    wide = slopes.reshape(-1, 1)

    def codes(q: np.ndarray, x: Coding) -> np.ndarray:
        product = _times(q * wide, x.scale * slope.scale / coding.scale)
        rows = np.where(q >= 0, _times(q, x.scale / coding.scale), product)
        return rows[0] if len(rows) == 1 else rows

    return _table(view, codes)


def _times(q: np.ndarray, real: np.float32) -> np.ndarray:
    """``q * real`` in fixed point."""
    if not np.isfinite(real):
        raise GraphError("its scales must fit float32 when divided by the result's")
    magnitude = float(np.abs(np.float64(real)))
    multiplier, shift = quantize_multiplier(magnitude)
    if shift > 0 and int(np.abs(q).max()) << shift > 2**31 - 1:
        raise GraphError("the result's scale must be large enough for 32 bits, but is too small")
    return multiply(q, -multiplier if real < 0 else multiplier, shift)


def lower_hard_swish(view: OperatorView) -> Activation:
    """HARD_SWISH in 16-bit fixed point: ``x * relu6(x + 3) / 6``."""
    coding = view.coding()
    return _table(view, lambda q, x: _hard_swish(q, x.scale, coding.scale))


def _hard_swish(q: np.ndarray, scale: np.float32, result: np.float32) -> np.ndarray:
    hires = _HIRES * scale
    with np.errstate(over="ignore"):
        factor, unit = float(hires / result), float(hires / _RELUISH)
    if not np.isfinite(factor) or not np.isfinite(unit):
        raise GraphError("its scales must fit float32 when divided by the result's")
    multiplier, shift = _half_width(factor)
    reluish_multiplier, reluish_shift = _half_width(unit)
    if shift > 0:
        raise GraphError(
            f"the result's scale must be at least 1/128 of the operand's, as LiteRT wants, not {result} "
            f"for {scale}"
        )
    x = q << 7
    scaled = _rounded_high(x, multiplier)
    gate = x if reluish_shift <= 0 else _saturated(x << min(reluish_shift - 1, 31))
    gate = _rounded_high(gate, reluish_multiplier)
    gate = _saturated(gate << 1) if reluish_shift > 0 else rounded_shift(gate, -reluish_shift)
    gate = (gate + _INT16) >> 1
    return rounded_shift(_high(gate * scaled), -shift)


def _half_width(real: float) -> tuple[int, int]:
    """A multiplier of 15 bits and its shift."""
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + _INT16) >> 16, _INT16 - 1), shift


def _saturated(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -_INT16, _INT16 - 1)


def _high(product: np.ndarray) -> np.ndarray:
    """``product / 2^15``, cut off towards zero."""
    return np.sign(product) * (np.abs(product) >> 15)


def _rounded_high(a: np.ndarray, b: int) -> np.ndarray:
    """``a * b / 2^15`` as gemmlowp rounds it in 16 bits: halves away from zero."""
    product = a * b
    nudged = product + np.where(product >= 0, _INT16 // 2, 1 - _INT16 // 2)
    return _saturated(_high(nudged))


def _table(view: OperatorView, codes: Callable[[np.ndarray, Coding], np.ndarray]) -> Activation:
    """The function as a Lookup; ``codes`` gives the result's integers, unclamped, (L,) or (C, L)."""
    x, coding = view.activation(0), view.coding()
    d = x.value.type.dtype
    table = np.clip(codes(np.arange(d.lo, d.hi + 1), x.coding), *coding.range)
    return view.result(Lookup(d.lo)(x.value, Const(table)), coding)
