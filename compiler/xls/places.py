"""Which elements of operands each element of a result is made of, by their numbers in row-major order."""

from itertools import product
from math import prod

import numpy as np

from ..ir.graph import Node
from ..ir.ops import Concat, MaxPool, Pad, ReduceSum, SumPool
from ..ir.ops.linear import windows

# Where there is no element.
NONE = -1


def window_taps(shape: tuple[int, ...], kernel: tuple[int, int], op) -> np.ndarray:
    """Elements of each window of an image (H, W, C), int64 (OH, OW, KH, KW, C); NONE in the padding."""
    numbers = np.arange(prod(shape)).reshape(1, *shape)
    return windows(numbers, kernel, op.strides, op.pads, op.dilations, NONE)[0]


def taps(node: Node) -> np.ndarray:
    """Elements of the input that each of a pool or a sum over axes takes, int64 (elements, taps)."""
    op, shape = node.op, node.inputs[0].type.shape
    if isinstance(op, MaxPool | SumPool):
        return np.moveaxis(window_taps(shape, op.kernel, op), -1, 2).reshape(node.type.size, -1)
    assert isinstance(op, ReduceSum)
    kept = [a for a in range(len(shape)) if a not in op.axes]
    return np.arange(prod(shape)).reshape(shape).transpose(*kept, *op.axes).reshape(node.type.size, -1)


def moved(node: Node) -> list[int]:
    """The element, counted over all operands, that each of a result is; NONE is padding."""
    op, first = node.op, 0
    numbers = []
    for value in node.inputs:
        numbers.append(np.arange(first, first + value.type.size).reshape(1, *value.type.shape))
        first += value.type.size
    if isinstance(op, Pad):
        axes = len(op.pads) // 2
        around = list(zip(op.pads[:axes], op.pads[axes:], strict=True))
        return np.pad(numbers[0][0], around, constant_values=NONE).reshape(-1).tolist()
    if isinstance(op, Concat):
        return np.concatenate([n[0] for n in numbers], axis=op.axis).reshape(-1).tolist()
    return op.evaluate(numbers[0]).reshape(-1).tolist()


def transposed_taps(node: Node) -> list[list[tuple[int, int, int, int]]]:
    """For each pixel of a transposed convolution's result the kernel's places (u, v) that reach it, each with
    the input's pixel (i, j)."""
    op, (height, width, _) = node.op, node.type.shape
    rows, columns = node.inputs[0].type.shape[:2]
    found: list[list[tuple[int, int, int, int]]] = [[] for _ in range(height * width)]
    for u, v, i, j in product(*map(range, (*node.inputs[1].type.shape[:2], rows, columns))):
        y = i * op.strides[0] + u * op.dilations[0] - op.pads[0]
        x = j * op.strides[1] + v * op.dilations[1] - op.pads[1]
        if 0 <= y < height and 0 <= x < width:
            found[y * width + x].append((u, v, i, j))
    return found
