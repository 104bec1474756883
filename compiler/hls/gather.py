"""Ops that move, add up or compare elements, as a table: of which elements of the input each is made."""

from math import prod

import numpy as np

from ..ir.graph import Node
from ..ir.ops import MaxPool, Pad, ReduceSum, SumPool
from ..ir.ops.linear import windows

# Where there is no element.
NONE = -1


def taps(node: Node) -> np.ndarray:
    """For each element of the result those of the input that it is made of, int64 (elements, taps), both in
    row-major order; NONE for none."""
    op, shape = node.op, node.inputs[0].type.shape
    numbers = np.arange(prod(shape)).reshape(1, *shape)
    if isinstance(op, MaxPool | SumPool):
        found = windows(numbers, op.kernel, op.strides, op.pads, op.dilations, NONE)
        return np.moveaxis(found, -1, 3).reshape(node.type.size, -1)
    if isinstance(op, ReduceSum):
        kept = [a for a in range(len(shape)) if a not in op.axes]
        return numbers[0].transpose(*kept, *op.axes).reshape(node.type.size, -1)
    if isinstance(op, Pad):
        around = list(zip(op.pads[: len(shape)], op.pads[len(shape) :], strict=True))
        return np.pad(numbers[0], around, constant_values=NONE).reshape(-1, 1)
    return op.evaluate(numbers).reshape(-1, 1)
