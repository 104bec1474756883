"""Move reshapes below elementwise ops, so that a product and its thresholds stand together."""

from math import prod

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Add, Lookup, Mul, Reshape, Threshold, Transpose
from .channels import is_per_tensor
from .rewrite import rewrite

_ELEMENTWISE = Threshold | Lookup | Add | Mul


def sink_reshape(graph: Graph) -> Graph:
    """threshold(reshape(x), t)    ->  reshape(threshold(x, t)), and lookup alike
    add(reshape(x), constant)      ->  reshape(add(x, constant)), and mul alike
    threshold(flatten(x), t), t the same for all pixels  ->  flatten(threshold(x, one row a channel)), and
        the others alike, also where a transpose in front has put the channels first

    Exact. Per-channel constants need the channels to stay the last axis, or rows that repeat.
    """

    def rule(node: Node, users):
        match node:
            case Node(op, (Node(Reshape(shape), (x,)) as moved, Const() as c)) if isinstance(
                op, _ELEMENTWISE
            ):
                if not x.type.shape:
                    return None
                channels = x.type.shape[-1:] == shape[-1:]
                per_channel = isinstance(op, Threshold | Lookup) or c.value.shape == shape[-1:]
                name = moved.name if users(moved) == 1 else ""
                if is_per_tensor(node) or (channels and per_channel):
                    return Node(Reshape(shape), (Node(op, (x, c), node.name),), name)
                if shape and per_channel and len(c.value) == shape[-1]:
                    return _above_flatten(node, x, name)
        return None

    return rewrite(graph, rule)


def _above_flatten(node: Node, x: Value, name: str) -> Node | None:
    """The node above the reshape of ``x``, and a transpose there, by rows that vary along the channels only;
    None where they vary otherwise."""
    c, source, shape = node.inputs[1], x.type.shape, node.inputs[0].type.shape
    first = next((a for a in range(len(source)) if prod(source[a:]) <= shape[-1]), len(source))
    if prod(source[first:]) != shape[-1]:
        return None
    table = c.value.reshape(*source[first:], *c.value.shape[1:])
    varying = [a for a in range(first, len(source)) if (table != table.take([0], a - first)).any()]
    if len(varying) != 1:
        return None
    (axis,) = varying
    rows = np.moveaxis(table, axis - first, 0)[(slice(None), *(0,) * (len(source) - first - 1))]
    if axis == len(source) - 1:
        return Node(Reshape(shape), (Node(node.op, (x, Const(rows, c.name)), node.name),), name)
    match x:
        case Node(Transpose(perm), (y,)) if perm[axis] == len(perm) - 1:
            above = Node(node.op, (y, Const(rows, c.name)), node.name)
            return Node(Reshape(shape), (Transpose(perm)(above),), name)
    return None
