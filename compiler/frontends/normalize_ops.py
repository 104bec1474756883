"""Layer, instance and RMS normalization in integers; docs/exactness.md says how close they are.

For K integers q with scale s, c = K * q - sum(q) and V = sum(c * c) are exact, and

    (x - mean) / sqrt(variance + eps)  =  c / sqrt((V + K * E) / K),  E = eps * K^2 / s^2

The inverse root is a table over steps of V that are the same share of V + K * E each.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from .axis_rows import along_row, as_rows, from_rows, row_sum, uniform_scale
from .chain import AddStep, MulStep, compress
from .elementwise_ops import aligned_free, stepped
from .function_ops import quantized
from .layout_ops import normalized
from .source import SourceNode, along_channels, parameter
from .tensors import Tensor, rescaled

# Steps of V, as many as a table holds; each inverse root is off by at most a quarter of a step's share.
_STEPS = 2**16
# Products of a deviation and an inverse root stay exact in float64, with bits to spare.
_PRODUCT_BITS = 51
_MAX_SQUARES = 2**60


@dataclass(frozen=True)
class _Squares:
    """The sum V of squares of ``count`` deviations: its range where it matters, and its summand K * E."""

    lo: int
    hi: int
    count: int
    epsilon: float


def lower_layer_normalization(node: SourceNode) -> tuple[Tensor]:
    """Normalized over the axes from ``axis`` on, times a factor, plus a summand."""
    tensor = quantized(node.tensor())
    result = _normalized(node, tensor, _trailing(node, tensor), True)
    result = stepped(result, MulStep, parameter(node.constant(1, "the factor"), result, "the factor"), 1)
    summand = node.optional(2, "the summand")
    if summand is not None:
        result = stepped(result, AddStep, parameter(summand, result, "the summand"), 0)
    return (result,)


def lower_rms_normalization(node: SourceNode) -> tuple[Tensor]:
    """x / sqrt(mean(x * x) + eps) over the axes from ``axis`` on, times a factor."""
    tensor = quantized(node.tensor())
    if not tensor.chain.only_scale():
        raise GraphError("its input must come from a quantizer, not from other functions")
    result = _normalized(node, tensor, _trailing(node, tensor), False)
    return (stepped(result, MulStep, parameter(node.constant(1, "the factor"), result, "the factor"), 1),)


def lower_instance_normalization(node: SourceNode) -> tuple[Tensor]:
    """Each channel normalized over its image, times a factor, plus a summand."""
    tensor = quantized(node.tensor())
    if tensor.rank < 2:
        raise GraphError(f"frames must have a channel and other axes, not shape {tensor.shape}")
    result = _normalized(node, tensor, tuple(range(1, tensor.rank)), True)
    names = ("the factor", "the summand")
    factor, summand = (
        along_channels(aligned_free(node.constant(i + 1, n), n), tensor, n) for i, n in enumerate(names)
    )
    return (stepped(stepped(result, MulStep, compress(factor), 1), AddStep, compress(summand), 0),)


def _trailing(node: SourceNode, tensor: Tensor) -> tuple[int, ...]:
    axis = normalized([node.attribute("axis", -1)], tensor.rank + 1)[0] - 1
    if axis < 0:
        raise GraphError("the axis must be one behind the batch")
    return tuple(range(axis, tensor.rank))


def _normalized(node: SourceNode, tensor: Tensor, axes: tuple[int, ...], centred: bool) -> Tensor:
    scale, epsilon = uniform_scale(tensor), node.attribute("epsilon", 1e-5)
    if not (np.isfinite(epsilon) and epsilon >= 0 and scale):
        raise GraphError(f"epsilon must not be negative, nor the scale 0, not {epsilon} and {scale}")
    rows = as_rows(tensor.value, axes)
    count, dtype = rows.type.shape[1], rows.type.dtype
    if centred:
        total = Mul()(along_row(row_sum(rows), count), Const(np.array([-1])))
        parts = Add()(Mul()(rows, Const(np.array([count]))), total)
        # The variance of numbers within a span is at most a quarter of its square.
        top = count**3 * (dtype.hi - dtype.lo) ** 2 // 4
        squares = _Squares(count * (count - 1), top, count, count * epsilon * count**2 / scale**2)
    else:
        parts, top = rows, count * dtype.magnitude**2
        squares = _Squares(1, top, count, count * epsilon / scale**2)
    if count * parts.type.dtype.magnitude**2 >= _MAX_SQUARES:
        raise GraphError(
            f"sums of squares must stay within 60 bits, but {count} elements of {dtype} do not. "
            "Use fewer bits."
        )
    roots, bits = _inverse_roots(row_sum(Mul()(parts, parts)), squares, parts.type.dtype.magnitude)
    product = Mul()(parts, along_row(roots, count), name=node.name)
    sign = 1.0 if scale > 0 else -1.0
    return rescaled(from_rows(product, tensor.shape, axes), np.full((1,) * tensor.rank, sign * 2.0**-bits))


def _inverse_roots(total: Value, squares: _Squares, peak: int) -> tuple[Value, int]:
    """``2^bits / sqrt((V + K * E) / K)`` as an integer for each sum of squares, and the bits."""
    low, high = max(squares.lo, 1), max(squares.hi, squares.lo, 1)
    shift = squares.epsilon
    ends = np.geomspace(low + shift, high + 1 + shift, min(_STEPS, high - low + 1) + 1) - shift
    # Each step begins at a whole number; the first also holds what is below, where all deviations are 0.
    begins = np.unique(np.ceil(ends[:-1]).astype(np.int64))
    last = np.append(begins[1:] - 1, high)
    middle = np.sqrt((begins + shift) * (np.maximum(last, begins) + shift))
    real = np.sqrt(squares.count / middle)
    bits = _PRODUCT_BITS - int(np.ceil(np.log2(real.max() * max(peak, 1)))) - 1
    table = np.rint(np.ldexp(real, bits)).astype(np.int64)
    index = Threshold()(total, Const(begins[None, 1:]))
    return Lookup()(index, Const(table)), bits
