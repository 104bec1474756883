"""Averages of codes: QLinearGlobalAveragePool sums integers, QLinearAveragePool floats."""

from dataclasses import replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.ops import ReduceSum
from .average_ops import lower_average_pool
from .chain import AddStep, DivStep
from .qoperator_codes import CodeQuantizer, as_codes, coding, integers, ratio, requantized, whole
from .source import SourceNode
from .tensors import Tensor, rescaled, transpose


def lower_qlinear_global_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each channel: an integer sum, times ``x_scale / (y_scale * count)`` in float32."""
    x, y = coding(node, 1, "the input"), coding(node, 3, "the result")
    tensor = _channels_first(node, integers(node, 0, x.zero_point))
    if tensor.rank < 2:
        raise GraphError(f"frames must have a channel and other axes, not shape {tensor.shape}")
    count = prod(tensor.shape[1:])
    # Sums over the leading axes, as images are (H, W, C) in the graph.
    image = transpose(tensor.value, (*range(1, tensor.rank), 0))
    sums = whole(ReduceSum(tuple(range(tensor.rank - 1)))(image, name=node.name))
    factor = ratio([x.scale], ratio([y.scale, np.float32(count)], np.float32(1)))
    means = requantized(sums, factor.reshape(1), y)
    shape = (tensor.shape[0],) + (1,) * (tensor.rank - 1)
    return (_channels_last(node, means.reshaped(shape)),)


def lower_qlinear_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each window of floats, quantized with the zero point added in float32."""
    x, y = coding(node, 1, "the input"), coding(node, 3, "the result")
    tensor = _channels_first(node, integers(node, 0, x.zero_point))
    ones = (1,) * tensor.rank
    floats = rescaled(tensor.value, np.full(ones, x.scale, dtype=np.float64))
    (means,) = lower_average_pool(replace(node, operands=(floats,)))
    means = means.then(DivStep((np.full(ones, y.scale, dtype=np.float32),)))
    means = means.then(AddStep((np.full(ones, y.zero_point, dtype=np.float32),)))
    quantizer = CodeQuantizer(np.ones(ones, dtype=np.float32), *y.range, 1, y.zero_point)
    return (_channels_last(node, as_codes(means, quantizer)),)


def _channels_first(node: SourceNode, tensor: Tensor) -> Tensor:
    if not node.attribute("channels_last", 0):
        return tensor
    return tensor.transposed((tensor.rank - 1, *range(tensor.rank - 1)))


def _channels_last(node: SourceNode, tensor: Tensor) -> Tensor:
    if not node.attribute("channels_last", 0):
        return tensor
    return tensor.transposed((*range(1, tensor.rank), 0))
