"""Averages: integer sums, divided in float32, where the source's own float sums are exact."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.ops import ReduceSum, Reshape, SumPool
from .chain import DivStep
from .join_ops import matched
from .layout_ops import ceil_matters, node_axes, normalized
from .linear_ops import window
from .source import SourceNode
from .tensors import Tensor, rescaled, transpose

# Whole numbers up to this are float32's own, so sums below it are exact in any order.
_EXACT = 2**24


def lower_global_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each channel; axes of size 1 stay."""
    tensor = node.tensor()
    if tensor.rank < 2:
        raise GraphError(f"frames must have a channel and other axes, not shape {tensor.shape}")
    return (_mean(node, tensor, tuple(range(1, tensor.rank)), True),)


def lower_reduce_mean(node: SourceNode) -> tuple[Tensor]:
    """The mean over some axes behind the batch."""
    tensor = node.tensor()
    axes = sorted(a - 1 for a in normalized(node_axes(node), tensor.rank + 1))
    if not axes or axes[0] < 0:
        raise GraphError("the axes must be given, and none of them the batch")
    return (_mean(node, tensor, tuple(axes), bool(node.attribute("keepdims", 1))),)


def _mean(node: SourceNode, tensor: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    count = prod(tensor.shape[a] for a in axes)
    value, unit = _summable(tensor, count)
    # Sums over the leading axes, as images are (H, W, C) in the graph.
    rest = tuple(a for a in range(tensor.rank) if a not in axes)
    total = ReduceSum(tuple(range(len(axes))))(transpose(value, (*axes, *rest)), name=node.name)
    shape = tuple(1 if a in axes else d for a, d in enumerate(tensor.shape) if keep or a not in axes)
    if not shape:
        raise GraphError("an axis besides the batch must stay. Set keepdims.")
    return _divided(total if total.type.shape == shape else Reshape(shape)(total), unit, count)


def lower_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each window of an image; padding counts, where there is any."""
    tensor = node.tensor()
    if tensor.rank != 3:
        raise GraphError(f"pooling must be 2-D, with frames (C, H, W), not {tensor.shape}")
    kernel, size = node.attribute("kernel_shape", ()), tensor.shape[1:]
    strides, pads, dilations = window(node, size, kernel)
    if node.attribute("ceil_mode", 0) and ceil_matters(size, kernel, strides, pads, dilations):
        raise GraphError("ceil_mode must be 0 where windows do not fit evenly. Pad instead.")
    if any(pads) and not node.attribute("count_include_pad", 0):
        raise GraphError(
            "windows must all have one size, but those at the edge leave their padding out. "
            "Set count_include_pad to 1, or pad nothing."
        )
    value, unit = _summable(tensor, prod(kernel))
    pooled = SumPool(kernel, strides, pads, dilations)(transpose(value, (1, 2, 0)), name=node.name)
    return (_divided(transpose(pooled, (2, 0, 1)), unit, prod(kernel)),)


def _summable(tensor: Tensor, count: int) -> tuple[Value, float]:
    """Integers of one unit, sums of ``count`` of which are exact in float32 however they are ordered.

    Raises:
        GraphError: they are not, so that the source's result depends on its order.
    """
    (value,), unit = matched([tensor])
    reach = value.type.dtype.magnitude * count
    if reach > _EXACT:
        raise GraphError(
            f"sums of float32 numbers must be exact to be the source's own, so at most {_EXACT} times their "
            f"smallest bit, but reach {reach} times. Quantize its input with a power-of-two scale, or "
            "use max pooling or a strided convolution."
        )
    return value, unit


def _divided(total: Value, unit: float, count: int) -> Tensor:
    ones = (1,) * len(total.type.shape)
    return rescaled(total, np.full(ones, unit)).then(DivStep((np.full(ones, count, dtype=np.float32),)))
