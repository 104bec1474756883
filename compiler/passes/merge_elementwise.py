"""One function of an element instead of two in a row."""

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from .channels import constant_operand
from .elementwise import FEW_LEVELS, apply, as_steps, entries, levels, operand_of, tabulated
from .rewrite import Users, rewrite


def merge_elementwise(graph: Graph) -> Graph:
    """threshold(threshold(x))           ->  threshold(x), with some of the inner thresholds
    lookup(threshold(x)), rising          ->  threshold(x), with the inner thresholds repeated
    add(threshold(x), c)                  ->  threshold(x) from bias + c, for one c for all channels
    g(f(x)), a lookup among the two       ->  lookup(x), for g, f in lookup, threshold, add, mul
    threshold(mul(x, c)), some c negative ->  lookup(x)

    Exact, where nothing else uses f. Tables only for x of at most 256 levels, or no more than a table
    had before, and only where they hold no more entries in all than before (or 256).
    """

    def rule(node: Node, users: Users):
        inner = operand_of(node)
        x = operand_of(inner) if inner is not None else None
        if x is None or users(inner) > 1:
            return None
        if isinstance(inner.op, Threshold):
            merged = _into_threshold(node, inner)
            if merged is not None:
                return merged
        return _table(node, inner, x)

    return rewrite(graph, rule)


def _into_threshold(node: Node, inner: Node) -> Value | None:
    """``node(inner)`` as thresholds on what ``inner`` compares, where it rises with their count."""
    if isinstance(node.op, Add):
        constant = constant_operand(node)[1]
        if constant.size > 1:
            return None
        return Node(Threshold(inner.op.bias + int(constant[0]), inner.op.step), inner.inputs, node.name)
    if isinstance(node.op, Mul):
        return None
    outer, rows = node.inputs[1].value, inner.inputs[1].value
    # No longer than before for thresholds, whose number is the result's range.
    limit = outer.shape[-1] if isinstance(node.op, Threshold) else max(rows.shape[1], FEW_LEVELS)
    steps = as_steps(apply(node, levels(inner.type.dtype)), limit)
    if steps is None:
        return None
    bias, step, first = steps
    whole = np.broadcast_to(rows, (max(len(rows), len(first)), rows.shape[1]))
    d = inner.inputs[0].type.dtype
    # Count 0 is always reached; more than there are thresholds, never.
    ends = (np.full((len(whole), 1), d.lo), whole, np.full((len(whole), 1), d.hi + 1))
    reached = np.concatenate(ends, axis=1)
    t = np.take_along_axis(reached, np.broadcast_to(first, (len(whole), first.shape[1])), axis=1)
    return Node(Threshold(bias, step), (inner.inputs[0], Const(np.maximum.accumulate(t, axis=1))), node.name)


def _table(node: Node, inner: Node, x: Value) -> Value | None:
    pair = (node, inner)
    longest = max((n.inputs[1].type.shape[-1] for n in pair if isinstance(n.op, Lookup)), default=0)
    falling = isinstance(node.op, Threshold) and isinstance(inner.op, Mul)
    falling = falling and bool((constant_operand(inner)[1] < 0).any())
    d = x.type.dtype
    if not (longest or falling) or d.hi - d.lo >= max(FEW_LEVELS, longest):
        return None
    channels = max(_rows(n) for n in pair)
    if channels * d.levels > max(FEW_LEVELS, sum(entries(n) for n in pair)):
        return None
    return tabulated(x, apply(node, apply(inner, levels(d))), node.name)


def _rows(node: Node) -> int:
    """Channels that the node's constant tells apart."""
    if isinstance(node.op, Add | Mul):
        return constant_operand(node)[1].size
    shape = node.inputs[1].type.shape
    return shape[0] if len(shape) == 2 else 1
