"""Rule of transposed convolutions: one convolution of stride 1 for every phase of the output.

Output rows ``p, p + s, p + 2s, ...`` meet the same rows of the kernel, so they are a convolution of the input
with those; columns likewise. Each phase is computed with what follows it, then laid between the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...ir.graph import Const, Node
from ...ir.ops import Conv2d
from ..context import Context
from ..copies import Axis, move, strides
from ..groups import Group
from .depthwise import DEPTHWISE
from .grouped import GROUPED
from .products import PRODUCT
from .rule import Rule


@dataclass(frozen=True)
class _Phase:
    """One axis of a phase.

    Attributes:
        first: the output row where it begins; ``count``: its rows, whole strides apart.
        taps: rows of the kernel that it meets, in the order of the input rows that they meet.
        pads: rows of zeros in front of the input and behind it; ``dilation``: input rows from tap to tap.
        skipped: rows of the convolution in front of the first that is wanted.
    """

    first: int
    count: int
    taps: tuple[int, ...]
    pads: tuple[int, int]
    dilation: int
    skipped: int


def _phases(rows: int, out: int, kernel: int, stride: int, dilation: int, pad: int) -> Iterator[_Phase]:
    """The phases of an axis with ``rows`` elements of input and ``out`` of output."""
    for first in range(min(stride, out)):
        count = -(-(out - first) // stride)
        met = [u for u in range(kernel) if (first + pad - u * dilation) % stride == 0]
        # Where each tap meets the input, counted from the phase's own row; the last tap meets the first.
        places = {(first + pad - u * dilation) // stride: u for u in met}
        at = sorted(places)
        if not at:
            # No tap: zeros times the input's first row.
            yield _Phase(first, count, (), (0, max(count - rows, 0)), 1, 0)
            continue
        front, behind = max(-at[0], 0), max(count - 1 + at[-1] - (rows - 1), 0)
        step = at[1] - at[0] if len(at) > 1 else 1
        yield _Phase(first, count, tuple(places[i] for i in at), (front, behind), step, max(at[0], 0))


def _axes(node: Node) -> list[list[_Phase]]:
    op, x, w = node.op, node.inputs[0].type.shape, node.inputs[1].type.shape
    return [
        list(_phases(x[i], node.type.shape[i], w[i], op.strides[i], op.dilations[i], op.pads[i]))
        for i in (0, 1)
    ]  # fmt: skip


def _convolution(node: Node, down: _Phase, across: _Phase) -> Node:
    """A phase's sums."""
    x, w, *bias = node.inputs
    taps = w.value[list(down.taps)][:, list(across.taps)]
    if not taps.size:
        taps = np.zeros((1, 1, *w.type.shape[2:]), np.int64)
        down, across = (_without_taps(n, a) for n, a in zip(x.type.shape, (down, across), strict=False))
    pads = (down.pads[0], across.pads[0], down.pads[1], across.pads[1])
    op = Conv2d((1, 1), pads, (down.dilation, across.dilation), node.op.groups)
    return Node(op, (x, Const(taps), *bias), node.name)


def _without_taps(rows: int, phase: _Phase) -> _Phase:
    """An axis whose taps do not matter, as the other's phase has none."""
    return _Phase(phase.first, phase.count, (), (0, max(phase.count - rows, 0)), 1, 0)


def _behind(group: Group, product: Node) -> Group:
    """The group's elementwise functions of another product."""
    made = {id(group.anchor): product}
    for node in group.nodes:
        made[id(node)] = Node(node.op, tuple(made.get(id(v), v) for v in node.inputs), node.name)
    output = made[id(group.output)]
    inside = frozenset(id(v) for v in made.values() if v is not output)
    return Group(product, output, inside)


def _made(group: Group) -> Iterator[tuple[_Phase, _Phase, Group]]:
    """Every phase: where it lies, and its group."""
    down, across = _axes(group.anchor)
    for a in down:
        for b in across:
            yield a, b, _behind(group, _convolution(group.anchor, a, b))


def _rule(context: Context, phase: Group) -> Rule | None:
    return next((rule for rule in (PRODUCT, DEPTHWISE, GROUPED) if rule.takes(context, phase)), None)


def _takes(context: Context, group: Group) -> bool:
    """Whether what follows reads nothing else, which would have to be taken apart into phases as well."""
    return not group.leaves and all(_rule(context, phase) for _, _, phase in _made(group))


def _wishes(context: Context, group: Group):
    """What any phase wants."""
    for _, _, phase in _made(group):
        yield from _rule(context, phase).wishes(context, phase)


def _emit(context: Context, group: Group) -> None:
    node, y = group.anchor, context.result(group.output)
    (row, pixel, _), (sh, sw) = strides(y.storage), node.op.strides
    for down, across, phase in _made(group):
        context.made.append(phase)
        _rule(context, phase).emit(context, phase)
        part = context.tensor(phase.output)
        r, p, _ = strides(part.storage)
        start = down.skipped * r + across.skipped * p if down.taps and across.taps else 0
        axes = [
            Axis(down.count, r, sh * row),
            Axis(across.count, p, sw * pixel),
            Axis(node.type.shape[2], 1, 1),
        ]
        to = y.storage.origin + down.first * row + across.first * pixel
        move(context, part, y, axes, part.storage.origin + start, to)


TRANSPOSED = Rule(_emit, _takes, _wishes, fuses=True)
