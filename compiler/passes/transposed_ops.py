"""Ops above a transpose instead of below it: ``op(transpose(x, p))`` as ``transpose(op'(x), p')``."""

from collections.abc import Callable
from math import prod

from ..ir.graph import Const, Node, Value
from ..ir.op import Op
from ..ir.ops import (
    Add,
    AdderMatMul,
    ArgMax,
    Concat,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from .layout import Perm, inverse, moves_only_units

# The op and its operands above, and the permutation that its result still needs.
Sunk = tuple[Op, tuple[Value, ...], Perm]
# The node, its operands before their common permutation, and that permutation.
SinkRule = Callable[[Node, tuple[Value, ...], Perm], Sunk | None]


def _elementwise(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    """Constants of the node's shape move along; those per channel need the channels to stay last."""
    moved: list[Value] = []
    for value in operands:
        if isinstance(value, Const) and value.type.shape == node.type.shape:
            value = _transposed(value, perm)
        elif isinstance(value, Const) and value.value.size > 1 and perm[-1] != len(perm) - 1:
            return None
        moved.append(value)
    return node.op, tuple(moved), perm


def _concat(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk:
    whole = (_transposed(v, perm) if isinstance(v, Const) else v for v in operands)
    return Concat(perm[node.op.axis]), tuple(whole), perm


def _transposed(const: Const, perm: Perm) -> Const:
    """The constant as it must be above a transpose by ``perm``."""
    return Const(const.value.transpose(inverse(perm)), const.name)


def _threshold(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    one_row = node.inputs[1].type.shape[0] == 1
    return (node.op, operands, perm) if one_row or perm[-1] == len(perm) - 1 else None


def _lookup(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    one_row = len(node.inputs[1].type.shape) == 1
    return (node.op, operands, perm) if one_row or perm[-1] == len(perm) - 1 else None


def _slice(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk:
    op, back = node.op, inverse(perm)
    parts = (tuple(p[a] for a in back) for p in (op.starts, op.stops, op.steps))
    return Slice(*parts), operands, perm


def _pad(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk:
    back, axes = inverse(perm), len(perm)
    pads = (*(node.op.pads[a] for a in back), *(node.op.pads[axes + a] for a in back))
    return Pad(pads, node.op.value), operands, perm


def _reduce_sum(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk:
    axes = tuple(sorted(perm[a] for a in node.op.axes))
    kept = [a for i, a in enumerate(perm) if i not in node.op.axes]
    return ReduceSum(axes), operands, tuple(sorted(kept).index(a) for a in kept)


def _window(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    """Rows and columns change places, and so do what the window has of each."""
    if perm != (1, 0, 2):
        return None
    op = node.op
    if isinstance(op, Upsample):
        return Upsample(op.factors[::-1]), operands, perm
    top, left, bottom, right = op.pads
    kind = type(op)
    swapped = kind(op.kernel[::-1], op.strides[::-1], (left, top, right, bottom), op.dilations[::-1])
    return swapped, operands, perm


def _last_axis(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    """Ops along the last axis, which must stay the last; ArgMax takes it away."""
    if perm[-1] != len(perm) - 1:
        return None
    kept = perm[:-1] if isinstance(node.op, ArgMax) else perm
    return node.op, operands, kept


def _reshape(node: Node, operands: tuple[Value, ...], perm: Perm) -> Sunk | None:
    """Axes that are split or joined above; where joined ones are not neighbours, they become so first."""
    (x,) = operands
    shape = x.type.shape
    groups = axis_groups(tuple(shape[a] for a in perm), node.op.shape)
    if groups is None:
        return None
    # Source axes of each group, in the group's own order; groups in the order of their first axis. Axes of
    # size 1 are anywhere.
    order = sorted(
        range(len(groups)),
        key=lambda g: min((perm[a] for a in groups[g][0] if shape[perm[a]] > 1), default=-1),
    )
    before = tuple(perm[a] for g in order for a in groups[g][0])
    after = [b for g in order for b in groups[g][1]]
    rest = tuple(after.index(b) for b in range(len(after)))
    split = tuple(node.op.shape[b] for b in after)
    if moves_only_units(split, rest):
        return None
    if not moves_only_units(shape, before):
        x = Transpose(before)(x)
    return Reshape(split), (x,), rest


def axis_groups(source: tuple[int, ...], target: tuple[int, ...]) -> list[tuple[list[int], list[int]]] | None:
    """The smallest runs of source and target axes with the same number of elements, in order.

    None where there is but one run, so that nothing can move past the reshape.
    """
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(source) and j < len(target):
        left, right = [i], [j]
        i, j = i + 1, j + 1
        while (a := prod(source[k] for k in left)) != (b := prod(target[k] for k in right)):
            if a < b:
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        groups.append((left, right))
    if len(groups) < 2:
        return None
    # Axes of size 1 may remain on one side.
    groups[-1][0].extend(range(i, len(source)))
    groups[-1][1].extend(range(j, len(target)))
    return groups


SINKS: dict[type[Op], SinkRule] = {
    Add: _elementwise,
    Mul: _elementwise,
    Concat: _concat,
    Threshold: _threshold,
    Lookup: _lookup,
    Slice: _slice,
    Pad: _pad,
    ReduceSum: _reduce_sum,
    MaxPool: _window,
    SumPool: _window,
    Upsample: _window,
    MatMul: _last_axis,
    AdderMatMul: _last_axis,
    ArgMax: _last_axis,
    Reshape: _reshape,
}
