"""Quantizers of QONNX and ONNX: float32 to integer codes, with the zero point already taken off."""

from dataclasses import dataclass

import numpy as np
from qonnx.custom_op.general.intquant import max_int, min_int, resolve_rounding_mode

from ...errors import GraphError
from .chain import ArrayMap, compress

_MOST_BIAS = 2**30  # codes stay within 32 bits
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
    """``round(clamp(x / scale + zero_point)) - zero_point``, float32 throughout, as qonnx computes it."""

    zero_point: int = 0
    rounding: str = "ROUND"

    def codes(self, x):
        with np.errstate(over="ignore", under="ignore"):
            y = x / self.scale + np.float32(self.zero_point)
        low, high = np.float32(self.lo + self.zero_point), np.float32(self.hi + self.zero_point)
        y = np.minimum(np.maximum(y, low), high)
        return resolve_rounding_mode(self.rounding)(y).astype(np.int64) - self.zero_point

    def moved(self, move):
        return IntQuantizer(move(self.scale), self.lo, self.hi, 1, self.zero_point, self.rounding)


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
    if rounding.upper() not in ROUNDING_MODES:
        raise GraphError(f"rounding_mode must be one of {', '.join(ROUNDING_MODES)}, not {rounding!r}")
    if not _whole(bits):
        raise GraphError(f"the bit width must be one whole number, not {_short(bits)}")
    width = int(bits.item())
    if not 1 <= width <= 32:
        raise GraphError(f"the bit width must be 1 to 32, not {width}")
    point = compress(zero_point)
    if not _whole(point):
        raise GraphError(f"the zero point must be one whole number, not {_short(point)}. "
                         "Export with symmetric quantizers.")  # fmt: skip
    offset = int(point.item())
    if width == 1 and signed:
        if offset:
            raise GraphError(f"a signed 1-bit quantizer must have zero point 0, not {offset}")
        return SignedBitQuantizer(scale, -1, 1, 2)
    lo, hi = int(min_int(signed, narrow, width)), int(max_int(signed, narrow, width))
    if lo == hi:
        raise GraphError("a quantizer must have at least two codes, but 1 bit, unsigned, narrow has one")
    # An 8-bit code and its zero point sum exactly in float32; so must all others.
    if abs(offset) >= 2**23:
        raise GraphError(f"the zero point must stay within 23 bits, not {offset}")
    return IntQuantizer(scale, lo - offset, hi - offset, 1, offset, rounding.upper())


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
