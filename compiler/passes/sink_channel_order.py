"""Let weights make up for channels in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    Concat,
    Conv2d,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Slice,
    SumPool,
    Threshold,
    Upsample,
)
from .channels import constant_operand


def sink_channel_order(graph: Graph) -> Graph:
    """matmul(concat(slices of x), w)  ->  matmul(x, rows of w in the order of x)

    For slices that are all channels of x in another order, as behind layers whose outputs were grouped;
    conv2d without groups and the adder layers alike. Also through pools, upsample, thresholds, tables,
    constants per channel and reshapes that keep the channels innermost. Exact. Only where every user takes
    the other order, so that no slice stays.
    """
    return _Order(graph).run()


def channel_order(value: Value) -> tuple[Value, np.ndarray] | None:
    """``x`` and ``order`` of a value that is ``x[..., order]`` by slices, each channel once; else None."""
    if not isinstance(value, Node) or not isinstance(value.op, Concat):
        return None
    axis, parts = len(value.type.shape) - 1, value.inputs
    if value.op.axis != axis or not all(isinstance(p, Node) and isinstance(p.op, Slice) for p in parts):
        return None
    x = parts[0].inputs[0]
    whole = x.type.shape[:-1]
    if isinstance(x, Const) or any(p.inputs[0] is not x or p.type.shape[:-1] != whole for p in parts):
        return None
    order = np.concatenate([np.arange(p.op.starts[-1], p.op.stops[-1], p.op.steps[-1]) for p in parts])
    return (x, order) if np.array_equal(np.sort(order), np.arange(x.type.shape[-1])) else None


class _Order:
    """Each value as what it is, or as what its channels are taken from and the place of each there."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.free = _free(graph)
        self.new: dict[int, tuple[Value, np.ndarray | None]] = {}

    def run(self) -> Graph:
        """The graph without the orders that weights take; the same object if there are none."""
        for value in self.graph.values():
            self.new[id(value)] = self._visit(value) if isinstance(value, Node) else (value, None)
        outputs = tuple(self.new[id(v)][0] for v in self.graph.outputs)
        if all(a is b for a, b in zip(outputs, self.graph.outputs, strict=True)):
            return self.graph
        return replace(self.graph, outputs=outputs)

    def _visit(self, node: Node) -> tuple[Value, np.ndarray | None]:
        found = channel_order(node) if id(node) in self.free else None
        if found:
            # What slices read is as it was: they take no other order. Channel j of it is at place[j] here.
            return self.new[id(found[0])][0], np.argsort(found[1])
        pairs = [self.new[id(v)] for v in node.inputs]
        place = next((p for _, p in pairs if p is not None), None)
        operands = tuple(v for v, _ in pairs)
        if place is None:
            same = all(a is b for a, b in zip(operands, node.inputs, strict=True))
            return (node if same else Node(node.op, operands, node.name)), None
        if _absorbs(node):
            x, w, *bias = operands
            moved = Const(w.value[..., place, :], w.name)
            return Node(node.op, (x, moved, *bias), node.name), None
        if isinstance(node.op, Reshape):
            blocks = node.type.shape[-1] // len(place)
            place = (np.arange(blocks)[:, None] * len(place) + place).ravel()
        (x,) = (v for v in operands if not isinstance(v, Const))
        constants = (_moved(node, v, place) for v in operands if isinstance(v, Const))
        return Node(node.op, (x, *constants), node.name), place


def _moved(node: Node, const: Const, place: np.ndarray) -> Const:
    """A constant of a row, or a number, per channel with these in their new places."""
    rows = constant_operand(node)[1] if isinstance(node.op, Add | Mul) else const.value
    alike = len(rows) == 1 or (isinstance(node.op, Lookup) and rows.ndim == 1)
    return Const(rows if alike else rows[place], const.name)


def _absorbs(node: Node) -> bool:
    op = node.op
    return isinstance(op, MatMul | AdderMatMul | AdderConv2d) or (isinstance(op, Conv2d) and op.groups == 1)


def _passes(node: Node, channels: int) -> bool:
    """Whether the node does the same to each channel, or by constants that can be reordered."""
    if isinstance(node.op, Reshape):
        return bool(node.type.shape) and node.type.shape[-1] % channels == 0
    if isinstance(node.op, Add | Mul):
        return constant_operand(node) is not None
    return isinstance(node.op, MaxPool | SumPool | Upsample | Threshold | Lookup)


def _free(graph: Graph) -> set[int]:
    """Ids of the values whose users all end in weights that can be reordered."""
    users: dict[int, list[Node]] = {}
    for node in graph.nodes():
        for value in node.inputs:
            users.setdefault(id(value), []).append(node)
    outputs, free = {id(v) for v in graph.outputs}, set()
    for value in reversed(graph.nodes()):
        if id(value) in outputs or not value.type.shape:
            continue
        channels = value.type.shape[-1]
        if all(_absorbs(u) or (id(u) in free and _passes(u, channels)) for u in users.get(id(value), [])):
            free.add(id(value))
    return free
