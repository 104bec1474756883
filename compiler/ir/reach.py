"""What each channel of a value can reach, where its weights tell more than its type does."""

import numpy as np

from .graph import Node, Value
from .ops import Conv2d, MatMul, MaxPool
from .ops.linear import sum_bounds

# Least and greatest value of each channel, int64.
Reach = tuple[np.ndarray, np.ndarray]


def channel_reach(value: Value, rows: int) -> Reach | None:
    """Bounds of each of ``rows`` channels behind a product and perhaps max-pools; None for other values."""
    while isinstance(value, Node) and isinstance(value.op, MaxPool):
        value = value.inputs[0]
    if not isinstance(value, Node) or not isinstance(value.op, MatMul | Conv2d) or value.type.dtype.bipolar:
        return None
    x, w, *bias = value.inputs
    matrix = w.value.reshape(-1, w.value.shape[-1])
    if matrix.shape[1] != rows:
        return None
    padded = any(getattr(value.op, "pads", ()))
    return sum_bounds(x.type.dtype, matrix, bias[0].value if bias else None, padded)
