"""Quantizers of QONNX and ONNX: float32 to integer codes, with the zero point already taken off."""

from dataclasses import dataclass, replace

import numpy as np
from qonnx.custom_op.general.intquant import max_int, min_int, resolve_rounding_mode

from ...errors import GraphError
from .chain import ArrayMap, compress

_MOST_BIAS = 2**30  # codes stay within 32 bits
# Codes beyond this are refused, not computed with.
_MOST_CODE = 2**31
ROUNDING_MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Monotone map from float32 to ``lo, lo + step, ..., hi``; the value of a code is ``scale * code``.

    ``scale`` (float32) broadcasts against the tensor's frame.
    """

    scale: np.ndarray
    lo: int
    hi: int
    step: int = 1

    def __post_init__(self):
        if not (np.isfinite(self.scale).all() and (self.scale > 0).all()):
            bad = self.scale[~(np.isfinite(self.scale) & (self.scale > 0))].flat[0]
            raise GraphError(f"scales must be finite and above 0, not {bad}. Export the trained model again.")

    def codes(self, x: np.ndarray) -> np.ndarray:
        """The codes of float32 ``x``, int64."""
        raise NotImplementedError

    def shape(self, rank: int) -> tuple[int, ...]:
        """Broadcast shape of the parameters."""
        return np.broadcast_shapes((1,) * rank, self.scale.shape)

    def moved(self, move: ArrayMap) -> "Quantizer":
        """The same quantizer on a tensor in another layout."""
        return type(self)(move(self.scale), self.lo, self.hi, self.step)


@dataclass(frozen=True, eq=False)
class IntQuantizer(Quantizer):
    """``round(clamp(x / scale + zero_point)) - zero_point``, float32 throughout, as qonnx computes it.

    ``zero_point`` is one number, or int64 that broadcasts against the frame.
    """

    zero_point: int | np.ndarray = 0
    rounding: str = "ROUND"

    def codes(self, x):
        point = np.asarray(self.zero_point)
        with np.errstate(over="ignore", under="ignore"):
            y = x / self.scale + point.astype(np.float32)
        # The source's own bounds, which all channels share.
        low, high = np.float32(self.lo + point.max()), np.float32(self.hi + point.min())
        y = np.minimum(np.maximum(y, low), high)
        return resolve_rounding_mode(self.rounding)(y).astype(np.int64) - point

    def shape(self, rank):
        return np.broadcast_shapes((1,) * rank, self.scale.shape, np.shape(self.zero_point))

    def moved(self, move):
        point = self.zero_point
        return replace(self, scale=move(self.scale), zero_point=point if np.ndim(point) == 0 else move(point))


@dataclass(frozen=True, eq=False, kw_only=True)
class TruncQuantizer(Quantizer):
    """``round(clamp(rint(x / input_scale + zero_point) / divisor)) - output_zero_point``, as qonnx does it.

    Arrays are float32 and broadcast against the frame; ``bounds`` are the source's codes, or infinite.
    """

    input_scale: np.ndarray
    zero_point: np.ndarray
    divisor: np.ndarray
    output_zero_point: np.ndarray
    bounds: tuple[float, float]
    rounding: str

    def codes(self, x):
        with np.errstate(over="ignore", under="ignore"):
            y = np.round(x / self.input_scale + self.zero_point) / self.divisor
        y = np.minimum(np.maximum(y, np.float32(self.bounds[0])), np.float32(self.bounds[1]))
        y = resolve_rounding_mode(self.rounding)(y) - self.output_zero_point
        return np.clip(y, -_MOST_CODE, _MOST_CODE).astype(np.int64)

    def _arrays(self) -> dict[str, np.ndarray]:
        names = ("scale", "input_scale", "zero_point", "divisor", "output_zero_point")
        return {n: getattr(self, n) for n in names}

    def shape(self, rank):
        return np.broadcast_shapes((1,) * rank, *(a.shape for a in self._arrays().values()))

    def moved(self, move):
        return replace(self, **{n: move(a) for n, a in self._arrays().items()})


@dataclass(frozen=True, eq=False)
class LinearQuantizer(Quantizer):
    """``clamp(round(x / scale) + zero_point) - zero_point``, halves to even, as ONNX Runtime computes it."""

    zero_point: int = 0

    def codes(self, x):
        with np.errstate(over="ignore", under="ignore"):
            y = x / self.scale
        return np.rint(np.minimum(np.maximum(y, np.float32(self.lo)), np.float32(self.hi))).astype(np.int64)

    def moved(self, move):
        return LinearQuantizer(move(self.scale), self.lo, self.hi, 1, self.zero_point)


class BipolarQuantizer(Quantizer):
    """+1 where x >= 0, else -1."""

    def codes(self, x):
        return np.where(x >= 0, 1, -1)


class SignedBitQuantizer(Quantizer):
    """qonnx's reading of a signed 1-bit Quant: +1 where x / scale >= 0, else -1."""

    def codes(self, x):
        with np.errstate(over="ignore", under="ignore"):
            return np.where(x / self.scale >= 0, 1, -1)


@dataclass(frozen=True, eq=False)
class ThresholdQuantizer(Quantizer):
    """``lo + step * #{i : x >= thresholds[..., i]}``; thresholds are float32, the codes their last axis."""

    thresholds: np.ndarray | None = None

    def codes(self, x):
        count = np.zeros(np.broadcast_shapes(x.shape, self.thresholds.shape[:-1]), dtype=np.int64)
        for i in range(self.thresholds.shape[-1]):
            count += x >= self.thresholds[..., i]
        return self.lo + self.step * count

    def shape(self, rank):
        return np.broadcast_shapes((1,) * rank, self.scale.shape, self.thresholds.shape[:-1])

    def moved(self, move):
        parts = [move(self.thresholds[..., i]) for i in range(self.thresholds.shape[-1])]
        stacked = np.stack(np.broadcast_arrays(*parts), axis=-1)
        return ThresholdQuantizer(move(self.scale), self.lo, self.hi, self.step, stacked)


def integer_quantizer(
    scale: np.ndarray, zero_point: np.ndarray, bits: np.ndarray, signed: bool, narrow: bool, rounding: str
) -> Quantizer:
    """The quantizer of a QONNX ``Quant`` node (``IntQuant`` in newer files).

    Raises:
        GraphError: a parameter that qonnx would not accept, or that integers cannot carry.
    """
    rounding = known_rounding(rounding)
    width = bit_width(bits)
    point = whole_points(zero_point)
    if width == 1 and signed:
        if point.any():
            raise GraphError(f"a signed 1-bit quantizer must have zero point 0, not {point[point != 0][0]}")
        return SignedBitQuantizer(scale, -1, 1, 2)
    lo, hi = code_bounds(signed, narrow, width)
    offset = int(point.item()) if point.size == 1 else point
    return IntQuantizer(scale, lo - int(point.max()), hi - int(point.min()), 1, offset, rounding)


def truncating(quantizer: TruncQuantizer, floats: np.ndarray) -> TruncQuantizer:
    """The quantizer with the codes that ``floats``, of one axis more than its parameters, can reach.

    Raises:
        GraphError: only one code, or codes of more than 32 bits.
    """
    codes = quantizer.moved(lambda p: p[..., None]).codes(floats)
    lo, hi = int(codes.min()), int(codes.max())
    if lo == hi or max(-lo, hi) >= _MOST_CODE:
        raise GraphError(f"a truncation must leave at least two codes, of at most 32 bits, not {lo}..{hi}")
    return replace(quantizer, lo=lo, hi=hi)


def known_rounding(name: str) -> str:
    """A rounding mode's name in capitals; raises GraphError for one that qonnx does not know."""
    if name.upper() not in ROUNDING_MODES:
        raise GraphError(f"rounding_mode must be one of {', '.join(ROUNDING_MODES)}, not {name!r}")
    return name.upper()


def bit_width(bits: np.ndarray) -> int:
    """The one whole number from 1 to 32 that the source gives; raises GraphError for any other."""
    if not _whole(bits):
        raise GraphError(f"the bit width must be one whole number, not {_short(bits)}")
    width = int(bits.item())
    if not 1 <= width <= 32:
        raise GraphError(f"the bit width must be 1 to 32, not {width}")
    return width


def whole_points(values: np.ndarray) -> np.ndarray:
    """Zero points as int64, one where all are equal; raises GraphError where they are no small integers."""
    point = compress(values)
    if not point.size:
        raise GraphError("zero points must be given, but are none")
    if not (np.isfinite(point).all() and (point == np.rint(point)).all()):
        bad = point[~np.isfinite(point) | (point != np.rint(point))].flat[0]
        raise GraphError(f"zero points must be whole numbers, not {bad}. Export with symmetric quantizers.")
    # An 8-bit code and its zero point sum exactly in float32; so must all others.
    if np.abs(point).max() >= 2**23:
        raise GraphError(f"zero points must stay within 23 bits, not {int(np.abs(point).max())}")
    return point.astype(np.int64)


def code_bounds(signed: bool, narrow: bool, width: int) -> tuple[int, int]:
    """Lowest and highest code of a width, as qonnx has them; raises GraphError where they are one."""
    lo, hi = int(min_int(signed, narrow, width)), int(max_int(signed, narrow, width))
    if lo == hi:
        raise GraphError("a quantizer must have at least two codes, but 1 bit, unsigned, narrow has one")
    return lo, hi


def threshold_quantizer(thresholds: np.ndarray, out_scale: float, out_bias: float) -> Quantizer:
    """The quantizer of a ``MultiThreshold`` node; ``thresholds`` has the codes as its last axis.

    Raises:
        GraphError: the outputs are no multiples of one scale.
    """
    if not (np.isfinite([out_scale, out_bias]).all() and out_scale > 0):
        raise GraphError(f"out_scale must be above 0 and finite, not {out_scale}")
    if np.isnan(thresholds).any():
        raise GraphError("thresholds must be numbers, not NaN")
    if abs(out_bias) > out_scale * _MOST_BIAS:
        raise GraphError(f"out_bias must be at most {_MOST_BIAS} times out_scale, not {out_bias}")
    count = thresholds.shape[-1]
    for step in (1, 2):
        lo = out_bias * step / out_scale
        if lo == int(lo):
            scale = np.full((1,) * (thresholds.ndim - 1), out_scale / step, dtype=np.float32)
            return ThresholdQuantizer(
                scale, int(lo), int(lo) + step * count, step, np.sort(thresholds, axis=-1)
            )
    raise GraphError(
        f"out_bias must be a whole number of halves of out_scale, not {out_bias} for {out_scale}, "
        "or no integer stands for 0"
    )


def _whole(array: np.ndarray) -> bool:
    """Whether an array is one whole number."""
    return array.size == 1 and array.dtype.kind in "fiu" and float(array.item()).is_integer()


def _short(array: np.ndarray) -> str:
    return str(array.item()) if array.size == 1 else f"{array.size} of them"
