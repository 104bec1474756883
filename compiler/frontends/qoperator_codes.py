"""Operands and results of quantized operators (ONNX Runtime's QOperator form): 8-bit codes, their scale and
zero point, and the two ways in which its kernels make codes of float32 numbers."""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add
from .chain import MulStep
from .qdq_ops import coded
from .quantize import quantize_tensor
from .quantizers import LinearQuantizer
from .source import SourceNode
from .tensors import Constant, Tensor, rescaled

_RANGES = {"uint8": (0, 255), "int8": (-128, 127)}
_INT32 = 2**31


@dataclass(frozen=True, eq=False)
class Coding:
    """How codes mean floats: ``scale * (code - zero_point)``; the graph carries ``code - zero_point``."""

    scale: np.float32
    zero_point: int
    kind: str

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest of the graph's integers."""
        lo, hi = _RANGES[self.kind]
        return lo - self.zero_point, hi - self.zero_point

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and zero point as operands; ONNX Runtime must not be given nodes without them."""
        return np.array(self.scale), np.array(self.zero_point, dtype=self.kind)

    @property
    def codes(self) -> np.ndarray:
        """All 256 codes in their own type."""
        lo, hi = _RANGES[self.kind]
        return np.arange(lo, hi + 1).astype(self.kind)


class CodeQuantizer(LinearQuantizer):
    """``clamp(round(x)) - zero_point``, halves to even: for kernels that add the zero point in float32."""

    def codes(self, x):
        low, high = (np.float32(v + self.zero_point) for v in (self.lo, self.hi))
        return np.rint(np.minimum(np.maximum(x, low), high)).astype(np.int64) - self.zero_point

    def moved(self, move):
        return CodeQuantizer(move(self.scale), self.lo, self.hi, 1, self.zero_point)


def coding(node: SourceNode, index: int, what: str, kind: str = "uint8") -> Coding:
    """The scale at ``index`` and the zero point behind it; codes are of ``kind`` where that is left out.

    Raises:
        GraphError: several of one, a scale that is none, or codes of another type.
    """
    scale = scales(node, index, what)
    point, kind = points(node, index + 1, what, kind)
    if scale.size != 1 or point.size != 1:
        raise GraphError(
            f"{what} must have one scale and one zero point, not {scale.size} and {point.size}. "
            "Quantize activations per tensor."
        )
    return Coding(scale[0], int(point[0]), kind)


def scales(node: SourceNode, index: int, what: str) -> np.ndarray:
    """A constant operand of positive float32 numbers, flat."""
    values = node.constant(index, f"{what}'s scale").values
    if values.dtype != np.float32 or not (np.isfinite(values) & (values > 0)).all() or not values.size:
        raise GraphError(f"{what}'s scale must be float32, finite and above 0. Export the model again.")
    return values.ravel()


def points(node: SourceNode, index: int, what: str, kind: str = "uint8") -> tuple[np.ndarray, str]:
    """A constant operand of zero points, flat int64, and the type of the codes; 0 where it is left out."""
    constant = node.optional(index, f"{what}'s zero point")
    if constant is None:
        return np.zeros(1, dtype=np.int64), kind
    if constant.values.dtype.name not in _RANGES or not constant.values.size:
        raise GraphError(
            f"{what} must have codes of type uint8 or int8, not {constant.values.dtype}. Quantize to 8 bits."
        )
    return constant.values.ravel().astype(np.int64), constant.values.dtype.name


def integers(node: SourceNode, index: int, zero_point: int) -> Tensor:
    """A computed operand's codes less the zero point, as whole numbers of scale 1.

    Raises:
        GraphError: it is no tensor of integers.
    """
    tensor = node.any_tensor(index)
    if not tensor.integer or not is_whole(tensor):
        raise GraphError(f"input {index} must be integers, but is float. Quantize it (QuantizeLinear).")
    value, shift = tensor.value, tensor.zero_point - zero_point
    if shift:
        value = Add()(value, Const(np.array([shift])))
    return whole(value)


def ratio(factors: list[np.ndarray], divisor: np.ndarray) -> np.ndarray:
    """Scales multiplied from the left and divided, each step rounded to float32, as the source does.

    Raises:
        GraphError: a result beyond float32's range.
    """
    with np.errstate(over="ignore", under="ignore"):
        result = reduce(np.multiply, factors) / divisor
    if not np.isfinite(result).all():
        raise GraphError("the scales' ratio must lie within float32's range. Export the model again.")
    return result


def is_whole(tensor: Tensor) -> bool:
    """Whether the tensor's integers mean themselves."""
    return not tensor.pending and tensor.chain.only_scale() and (tensor.chain.steps[0].params[0] == 1).all()


def whole(value: Value) -> Tensor:
    """Integers that mean themselves, as a float tensor."""
    return rescaled(value, np.ones((1,) * len(value.type.shape)))


def stored(node: SourceNode, index: int, what: str, zero_points: np.ndarray | int) -> Constant:
    """A constant operand's codes less zero points that broadcast against them."""
    values = node.constant(index, what).values
    if values.dtype.name not in _RANGES:
        raise GraphError(f"{what} must be uint8 or int8, not {values.dtype}")
    zero_points = np.asarray(zero_points)
    ends = zip(zero_points.shape[::-1], values.shape[::-1], strict=False)
    if zero_points.ndim > values.ndim or any(p not in (1, d) for p, d in ends):
        raise GraphError(f"{what} must have one zero point, or one per channel, not {zero_points.size}")
    return Constant(values.astype(np.int64) - zero_points)


def requantized(tensor: Tensor, factor: np.ndarray, to: Coding) -> Tensor:
    """Codes of ``float32(sum) * factor``: MLAS's way, with sums of 32 bits and a float32 factor.

    ``clamp(round(fl32(fl32(sum) * factor))) + zero_point``, halves to even; ``factor`` broadcasts against
    the frame.
    """
    check_sums(tensor.value)
    lo, hi = to.range
    ones = np.ones((1,) * tensor.rank, dtype=np.float32)
    return as_codes(tensor.then(MulStep((factor,))), LinearQuantizer(ones, lo, hi, 1, to.zero_point))


def as_codes(tensor: Tensor, quantizer: LinearQuantizer, name: str = "") -> Tensor:
    """The codes of a tensor, as integers with their zero point."""
    return coded(quantize_tensor(tensor, quantizer, name), quantizer)


def tensor_of(value: Value, to: Coding) -> Tensor:
    """The graph's integers as the source's codes."""
    return replace(whole(value), integer=True, zero_point=to.zero_point)


def check_sums(value: Value) -> None:
    """Raise GraphError where a sum may leave 32 bits, where the source's would wrap around."""
    dtype = value.type.dtype
    if dtype.lo < -_INT32 or dtype.hi >= _INT32:
        raise GraphError(
            f"sums must stay within 32 bits, as those of ONNX Runtime, not {dtype.lo}..{dtype.hi}. "
            "Use a smaller layer."
        )
