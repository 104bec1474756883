"""What each channel of a value can reach, where its weights tell more than its type does."""

import numpy as np

from .graph import Node, Value
from .ops import AdderConv2d, AdderMatMul, Conv2d, MatMul, MaxPool
from .ops.adder import adder_bounds
from .ops.linear import sum_bounds

# Least and greatest value of each channel, int64.
Reach = tuple[np.ndarray, np.ndarray]

_PRODUCTS, _ADDERS = (MatMul, Conv2d), (AdderMatMul, AdderConv2d)


def channel_reach(value: Value, rows: int) -> Reach | None:
    """Bounds of each of ``rows`` channels behind a product or adder layer and max-pools; else None."""
    while isinstance(value, Node) and isinstance(value.op, MaxPool):
        value = value.inputs[0]
    if not isinstance(value, Node) or not isinstance(value.op, (*_PRODUCTS, *_ADDERS)):
        return None
    if value.type.dtype.bipolar:
        return None
    x, w, *bias = value.inputs
    matrix = w.value.reshape(-1, w.value.shape[-1])
    if matrix.shape[1] != rows:
        return None
    padded = any(getattr(value.op, "pads", ()))
    bounds = adder_bounds if isinstance(value.op, _ADDERS) else sum_bounds
    return bounds(x.type.dtype, matrix, bias[0].value if bias else None, padded)
