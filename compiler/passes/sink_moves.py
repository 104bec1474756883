"""Narrow elements before they are copied, padded or joined."""

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Concat, DepthToSpace, Lookup, Pad, SpaceToDepth, Threshold, Upsample
from .rewrite import Users, rewrite

_MOVES = Upsample | Pad | Concat | DepthToSpace | SpaceToDepth


def sink_moves(graph: Graph) -> Graph:
    """threshold(upsample(x), t)   ->  upsample(threshold(x, t))
    threshold(concat(x, z), t)     ->  concat(threshold(x, t), threshold(z, t)), with its own rows for each
    threshold(pad(x, v), t)        ->  pad(threshold(x, t), what v becomes)
    threshold(depth_to_space(x))   ->  depth_to_space(threshold(x)), and space_to_depth alike

    Exact. Lookups alike; where the result takes fewer bits (for upsample: no more), and nothing else uses
    what moved. Depth_to_space and space_to_depth need one row for all channels.
    """

    def rule(node: Node, users: Users):
        moved = node.inputs[0]
        if not isinstance(node.op, Threshold | Lookup) or not isinstance(moved, Node):
            return None
        if not isinstance(moved.op, _MOVES) or users(moved) > 1:
            return None
        fewer = moved.type.dtype.bits - node.type.dtype.bits
        if fewer < 0 or (fewer == 0 and not isinstance(moved.op, Upsample)):
            return None
        return _moved(node, moved)

    return rewrite(graph, rule)


def _moved(node: Node, moved: Node) -> Value | None:
    op, (x, *_) = moved.op, moved.inputs
    table = node.inputs[1]
    if isinstance(node.op, Lookup) and len(table.value) == 1:
        # The row of a single channel; where it moves to, there may be several.
        table = Const(table.value.reshape(-1), table.name)
    one_row = table.value.ndim == 1 or len(table.value) == 1
    if isinstance(op, Concat):
        return _joined(node, moved, table, one_row)
    if isinstance(op, Pad) and any(op.pads):
        value = _padding(node, op, len(x.type.shape))
        if value is None or (not one_row and _pads_channels(op)):
            return None
        op = Pad(op.pads, value)
    elif not one_row and not isinstance(op, Upsample | Pad):
        return None
    return Node(op, (Node(node.op, (x, table), node.name),), moved.name)


def _pads_channels(op: Pad) -> bool:
    axes = len(op.pads) // 2
    return bool(op.pads[axes - 1] or op.pads[-1])


def _padding(node: Node, op: Pad, axes: int) -> int | None:
    """What the padding becomes, None where channels differ in it."""
    table = node.inputs[1].value
    rows = len(table) if table.ndim == 2 else 1
    values = node.op.evaluate(np.full((1,) * axes + (rows,), op.value), table)
    return int(values.flat[0]) if (values == values.flat[0]).all() else None


def _joined(node: Node, moved: Node, table: Const, one_row: bool) -> Node:
    """The node on each operand of a Concat, with the rows of its channels."""
    channels = moved.op.axis == len(moved.type.shape) - 1
    parts: list[Value] = []
    start = 0
    for x in moved.inputs:
        count = x.type.shape[-1]
        own = table if one_row or not channels else Const(table.value[start : start + count], table.name)
        start += count
        if isinstance(x, Const):
            parts.append(Const(node.op.evaluate(x.value[np.newaxis], own.value)[0], x.name))
        else:
            parts.append(Node(node.op, (x, own)))
    return Node(moved.op, tuple(parts), moved.name or node.name)
