"""Rule of convolutions in groups: a product, or a depthwise convolution, for every part of the channels.

Where groups have several input channels each group is a part: a product of its slice of the input. Where they
have one, and several outputs, outputs ``j, j + multiplier, ...`` are a depthwise convolution of the whole
input. Each part is computed with what follows it, then laid between the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...ir.graph import Const, Node, Value
from ...ir.ops import Conv2d, Slice
from ..context import Context
from ..copies import Axis, move, strides
from ..groups import Group, elements_of
from . import moves
from .depthwise import DEPTHWISE
from .products import PRODUCT
from .rule import Rule


@dataclass(frozen=True)
class _Part:
    """Output channels ``channels`` as a convolution of their own.

    Attributes:
        group: it, and the functions behind it.
        slices: tensors that it reads of which only some channels are needed.
    """

    channels: slice
    group: Group
    slices: tuple[Node, ...]


def _parts(group: Group) -> Iterator[_Part]:
    node = group.anchor
    _, _, per_group, m = node.inputs[1].type.shape
    outputs = m // node.op.groups
    if per_group == 1:
        channels = [slice(j, m, outputs) for j in range(outputs)]
    else:
        channels = [slice(g * outputs, (g + 1) * outputs, 1) for g in range(node.op.groups)]
    for number, part in enumerate(channels):
        yield _part(
            group, part, None if per_group == 1 else slice(number * per_group, (number + 1) * per_group, 1)
        )


def _part(group: Group, channels: slice, read: slice | None) -> _Part:
    """``read``: channels of the input that it needs; None: all."""
    node = group.anchor
    x, w, *bias = node.inputs
    slices: list[Node] = []
    if read is not None:
        x = _sliced(x, read)
        slices.append(x)
    op = Conv2d(node.op.strides, node.op.pads, node.op.dilations, 1 if read else x.type.shape[2])
    constants = (Const(v.value[..., channels]) for v in (w, *bias))
    made: dict[int, Value] = {id(node): Node(op, (x, *constants), node.name)}
    for each in group.nodes:
        operands = [made.get(id(v)) or _operand(each, v, channels, slices) for v in each.inputs]
        made[id(each)] = Node(each.op, tuple(operands), each.name)
    output = made[id(group.output)]
    inside = frozenset(id(v) for v in made.values() if v is not output)
    return _Part(channels, Group(made[id(node)], output, inside), tuple(slices))


def _operand(node: Node, value: Value, channels: slice, slices: list[Node]) -> Value:
    """What of another operand belongs to these channels."""
    whole = node.type.shape[-1]
    if not isinstance(value, Const):
        slices.append(_sliced(value, channels))
        return slices[-1]
    # Thresholds and tables have a row for each channel, other constants a column; or one for all.
    if any(value is v for v in elements_of(node)[:1]) or node.op.name not in ("threshold", "lookup"):
        return Const(value.value[..., channels]) if value.type.shape[-1:] == (whole,) else value
    by_row = len(value.type.shape) == 2 and value.type.shape[0] == whole > 1
    return Const(value.value[channels]) if by_row else value


def _sliced(value: Value, channels: slice) -> Node:
    h, w, _ = value.type.shape
    starts, stops = (0, 0, channels.start), (h, w, channels.stop)
    return Node(Slice(starts, stops, (1, 1, channels.step)), (value,))


def _rule(part: _Part) -> Rule:
    return DEPTHWISE if part.group.anchor.op.groups > 1 else PRODUCT


def _takes(context: Context, group: Group) -> bool:
    """Whether a vector rule takes every part."""
    node = group.anchor
    if node.op.groups == 1 or node.op.groups == node.type.shape[2] == node.inputs[0].type.shape[2]:
        return False
    return all(_rule(part).takes(context, part.group) for part in _parts(group))


def _wishes(context: Context, group: Group):
    """What parts want of the input where they read it whole."""
    for part in _parts(group):
        if not part.slices:
            yield from _rule(part).wishes(context, part.group)


def _emit(context: Context, group: Group) -> None:
    y = context.result(group.output)
    h, w, _ = group.output.type.shape
    row, pixel, _ = strides(y.storage)
    for part in _parts(group):
        context.made.append(part.group)
        for value, border in _rule(part).wishes(context, part.group):
            context.wish(value, border)
        for node in part.slices:
            alone = Group(node, node, frozenset())
            context.made.append(alone)
            moves.SLICE.emit(context, alone)
        _rule(part).emit(context, part.group)
        result = context.tensor(part.group.output)
        r, p, _ = strides(result.storage)
        axes = [
            Axis(h, r, row),
            Axis(w, p, pixel),
            Axis(part.group.output.type.shape[2], 1, part.channels.step),
        ]
        move(context, result, y, axes, result.storage.origin, y.storage.origin + part.channels.start)


GROUPED = Rule(_emit, _takes, _wishes, fuses=True)
