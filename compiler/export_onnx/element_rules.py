"""Thresholds, tables, pools and moves of elements in ONNX, all in int64."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ..ir.graph import Node
from ..ir.ops import MaxPool, SumPool
from ..ir.ops.resample import DCR
from .emitter import EXACT_FLOAT64, Emitter


def threshold(e: Emitter, node: Node, x: str) -> str:
    """Threshold, as a binary search: as many rounds as the count has bits, whatever the channels."""
    op, t = node.op, node.inputs[1].value
    rounds = t.shape[1].bit_length()
    # No value reaches the thresholds that fill the rows up.
    table = np.full((len(t), (1 << rounds) - 1), np.iinfo(np.int64).max)
    table[:, : t.shape[1]] = t
    count = None
    for step in (1 << r for r in reversed(range(rounds))):
        if count is None:
            limit = e.constant(table[:, step - 1])
        else:
            at = e.add(count, np.arange(len(t)) * table.shape[1] + step - 1)
            limit = e.op("Gather", e.constant(table.reshape(-1)), at, axis=0)
        reached = e.scale(e.cast(e.op("GreaterOrEqual", x, limit), "int64"), step)
        count = reached if count is None else e.op("Add", count, reached)
    return e.add(e.scale(count, op.step), op.bias)


def lookup(e: Emitter, node: Node, x: str) -> str:
    """Lookup."""
    table = node.inputs[1].value
    offset = -node.op.lo
    if table.ndim == 2:
        offset = offset + np.arange(len(table)) * table.shape[1]
    return e.op("Gather", e.constant(table.reshape(-1)), e.add(x, offset), axis=0)


def argmax(e: Emitter, node: Node, x: str) -> str:
    """ArgMax; ONNX Runtime has none for int64, so it looks for the first that equals the largest."""
    axis = len(node.inputs[0].type.shape)
    largest = e.op("ReduceMax", x, e.constant([axis]), keepdims=1)
    equal = e.cast(e.op("Equal", x, largest), "int32")
    return e.op("ArgMax", equal, axis=axis, keepdims=0, select_last_index=0)


def maxpool(e: Emitter, node: Node, x: str) -> str:
    """MaxPool."""
    # Every window meets the image, where nothing is smaller than this.
    def largest(x: str, shape: Sequence[int], axis: int) -> str:
        return e.op("ReduceMax", x, e.constant([axis + 1]), keepdims=0)

    return _pool(e, node, x, largest, node.inputs[0].type.dtype.lo)


def sumpool(e: Emitter, node: Node, x: str) -> str:
    """SumPool."""
    largest = prod(node.op.kernel) * node.inputs[0].type.dtype.magnitude
    return _pool(e, node, x, lambda x, shape, axis: _sum(e, x, shape, axis, largest), 0)


def _pool(e: Emitter, node: Node, x: str, reduce: Callable[[str, Sequence[int], int], str], fill: int) -> str:
    """Rows, then columns: ONNX Runtime pools no int64."""
    op: MaxPool | SumPool = node.op
    top, left, bottom, right = op.pads
    x = e.pad(x, (top, left, 0, bottom, right, 0), fill)
    h, w, c = node.inputs[0].type.shape
    shape = [h + top + bottom, w + left + right, c]
    for i in (0, 1):
        x = e.windows(x, i + 1, node.type.shape[i], op.kernel[i], op.strides[i], op.dilations[i])
        shape[i : i + 1] = node.type.shape[i], op.kernel[i]
        x = reduce(x, shape, i + 1)
        del shape[i + 1]
    return x


def reduce_sum(e: Emitter, node: Node, x: str) -> str:
    """ReduceSum."""
    shape = list(node.inputs[0].type.shape)
    largest = node.inputs[0].type.dtype.magnitude * prod(shape[a] for a in node.op.axes)
    for axis in reversed(node.op.axes):
        x = _sum(e, x, shape, axis, largest)
        del shape[axis]
    return x


def _sum(e: Emitter, x: str, shape: Sequence[int], axis: int, largest: int) -> str:
    """Sum over one axis behind the batch axis; no sum of absolute values exceeds ``largest``."""
    if largest < EXACT_FLOAT64:
        return e.op("ReduceSum", x, e.constant([axis + 1]), keepdims=0)
    # ONNX Runtime's ReduceSum rounds large int64 sums as float64; its product with ones does not.
    before, after = shape[:axis], shape[axis + 1 :]
    x = e.reshape(x, (prod(before), shape[axis], prod(after)))
    return e.reshape(e.op("MatMul", e.constant(np.ones((1, shape[axis]))), x), (*before, *after))


def reshape(e: Emitter, node: Node, x: str) -> str:
    """Reshape."""
    return e.reshape(x, node.op.shape)


def transpose(e: Emitter, node: Node, x: str) -> str:
    """Transpose."""
    return e.transpose(x, (0, *(a + 1 for a in node.op.perm)))


def concat(e: Emitter, node: Node, *xs: str) -> str:
    """Concat."""
    return e.op("Concat", *xs, axis=node.op.axis + 1)


def slice_(e: Emitter, node: Node, x: str) -> str:
    """Slice."""
    return e.slice(x, node.op.starts, node.op.stops, node.op.steps)


def pad(e: Emitter, node: Node, x: str) -> str:
    """Pad."""
    return e.pad(x, node.op.pads, node.op.value)


def upsample(e: Emitter, node: Node, x: str) -> str:
    """Upsample."""
    (h, w, c), (fh, fw) = node.inputs[0].type.shape, node.op.factors
    x = e.op("Expand", e.reshape(x, (h, 1, w, 1, c)), e.constant([1, 1, fh, 1, fw, 1]))
    return e.reshape(x, node.type.shape)


def depth_to_space(e: Emitter, node: Node, x: str) -> str:
    """DepthToSpace; ONNX Runtime has none for int64."""
    (h, w, c), b = node.inputs[0].type.shape, node.op.block
    out = c // b**2
    if node.op.mode == DCR:
        x = e.transpose(e.reshape(x, (h, w, b, b, out)), (0, 1, 3, 2, 4, 5))
    else:
        x = e.transpose(e.reshape(x, (h, w, out, b, b)), (0, 1, 4, 2, 5, 3))
    return e.reshape(x, node.type.shape)


def space_to_depth(e: Emitter, node: Node, x: str) -> str:
    """SpaceToDepth; ONNX Runtime has none for int64."""
    (h, w, c), b = node.inputs[0].type.shape, node.op.block
    x = e.transpose(e.reshape(x, (h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
    return e.reshape(x, node.type.shape)
