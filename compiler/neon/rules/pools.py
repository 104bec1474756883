"""Rules of pools: vectors of channels over the taps of a window."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod

from tvm import tirx

from ...ir.ops import MaxPool
from ...ir.types import Int
from ..builder import const
from ..context import Border, Context, Tensor
from ..copies import copy_into, lanes_for, positions, strides
from ..groups import Group
from ..isa import cast
from ..program import fitting
from .rule import Rule

# Taps written out without a loop.
_UNROLLED = 9


def _border(node) -> Border:
    """What surrounds the image: zeros count as nothing in a sum, the lowest value in a maximum."""
    return Border(node.op.pads, node.type.dtype.lo if isinstance(node.op, MaxPool) else 0)


def _wishes(context: Context, group: Group):
    if any(group.output.op.pads):
        yield group.output.inputs[0], _border(group.output)


def _takes(context: Context, group: Group) -> bool:
    """Whether there are enough channels for vectors, and sums fit 32 bits."""
    node = group.output
    return node.type.shape[-1] >= 4 and node.type.dtype.magnitude < 2**30


def _pool(context: Context, group: Group) -> None:
    node, op = group.output, group.output.op
    x = context.bordered(node.inputs[0], _border(node)) if any(op.pads) else context.tensor(node.inputs[0])
    y = context.result(node)
    row, pixel, _ = strides(x.storage)
    start = x.storage.origin
    if any(op.pads):
        start -= op.pads[0] * row + op.pads[1] * pixel
    taps = (op.kernel, (op.dilations[0] * row, op.dilations[1] * pixel))
    steps = (op.strides[0] * row, op.strides[1] * pixel)
    _windows(context, x, start, y, node.type.shape, steps, taps, isinstance(op, MaxPool))


def _middle(group: Group) -> tuple[int, int, int] | None:
    """A sum over neighbouring axes as the middle one of three: its length, and those of the others."""
    shape, axes = group.output.inputs[0].type.shape, group.output.op.axes
    if axes != tuple(range(axes[0], axes[-1] + 1)):
        return None
    return prod(shape[: axes[0]]), prod(shape[axes[0] : axes[-1] + 1]), prod(shape[axes[-1] + 1 :])


def _reduces(context: Context, group: Group) -> bool:
    """Whether the summed axes are neighbours, what is summed lies in vectors, and sums fit 32 bits."""
    sizes = _middle(group)
    if sizes is None or group.output.type.dtype.magnitude >= 2**30:
        return False
    return sizes[2] >= 4 or (sizes[2] == 1 and sizes[1] >= 4)


def _reduce(context: Context, group: Group) -> None:
    node = group.output
    x, result = context.tensor(node.inputs[0]), context.result(node)
    y = context.temporary(context.storage(node.type)) if any(result.storage.border) else result
    outer, count, inner = _middle(group)
    if inner > 1 and len(node.inputs[0].type.shape) == 3 and node.op.axes == (0, 1):
        (h, w, c), (row, pixel, _) = node.inputs[0].type.shape, strides(x.storage)
        _windows(context, x, x.storage.origin, y, (1, 1, c), (0, 0), ((h, w), (row, pixel)), False)
    elif inner > 1:
        x = _dense(context, x)
        taps = ((1, count), (0, inner))
        _windows(context, x, 0, y, (outer, 1, inner), (count * inner, 0), taps, False, (inner, 0))
    else:
        _sum_rows(context, _dense(context, x), y, outer, count)
    if y is not result:
        copy_into(context, y, result)


def _dense(context: Context, x: Tensor) -> Tensor:
    """The tensor without a border."""
    if not any(x.storage.border):
        return x
    dense = context.temporary(context.storage(x.storage.type))
    copy_into(context, x, dense)
    return dense


def _sum_rows(context: Context, x: Tensor, y: Tensor, rows: int, count: int) -> None:
    """Sums of ``count`` neighbouring elements each."""
    lanes, w = lanes_for(count), context.writer()
    px, py = w.tensor(x.place(), x.storage.dtype), w.tensor(y.place(), y.storage.dtype)
    wide = _summing(x, -(-count // lanes))
    with w.outer() as row:
        start, acc, total = w.let(row * w.stride(count)), w.array(wide, lanes), w.array("int32", 1)
        w.store(acc, 0, const(0, f"{wide}x{lanes}"))
        with w.loop(w.size(count // lanes)) as block:
            value = w.load(px, w.let(start + block * lanes), lanes)
            w.store(acc, 0, acc.at(0, lanes) + cast(value, wide))
        # Each element's offset, and those of the result.
        w.store(total, 0, const(x.storage.offset * count - y.storage.offset))
        for lane in range(lanes):
            w.store(total, 0, total.at(0) + cast(acc.at(lane), "int32"))
        if count % lanes:
            with w.loop(w.size(count % lanes), count - count % lanes) as i:
                w.store(total, 0, total.at(0) + cast(px.at(start + i), "int32"))
        w.store(py, row, cast(total.at(0), y.storage.dtype))
    context.add("sum_rows", w, rows)


def _windows(
    context: Context, x: Tensor, start: int, y: Tensor, shape, steps, taps, most: bool, to=None
) -> None:
    """``shape`` windows, ``steps`` elements apart, of ``taps``: (counts, elements from one to the next).

    ``to``: elements of the result from one to the next where they are not those of an image.
    """
    (kh, kw), (down, across) = taps
    lanes = lanes_for(shape[2])
    target = y.storage
    to = to or (strides(target) if len(target.type.shape) == 3 else (0, 0))
    w = context.writer()
    px, py = w.tensor(x.place(start), x.storage.dtype), w.tensor(y.place(target.origin), target.dtype)
    wide = x.storage.dtype if most else _summing(x, kh * kw)
    kind = f"{wide}x{lanes}"
    with ExitStack() as stack:
        i = stack.enter_context(w.outer())
        j = stack.enter_context(w.loop(w.size(shape[1])))
        (channel,) = positions(w, stack, shape[2], lanes, (shape,))
        at = w.let(i * w.stride(steps[0]) + j * w.stride(steps[1]) + channel)
        acc = w.array(wide, lanes)
        w.store(acc, 0, cast(px.at(at, lanes), wide) if most else const(0, kind))
        with ExitStack() as inner:
            for place in _places(w, inner, (kh, kw), (down, across)):
                value = cast(w.load(px, at + place, lanes), wide)
                w.store(acc, 0, tirx.max(acc.at(0, lanes), value) if most else acc.at(0, lanes) + value)
        # The sum of what was stored lacks each tap's offset.
        lacking = x.storage.offset * (1 if most else kh * kw) - target.offset
        final = wide if most else "int32"
        total = cast(acc.at(0, lanes), final)
        if lacking:
            total = total + const(lacking, f"{final}x{lanes}")
        w.store(py, w.let(i * w.stride(to[0]) + j * w.stride(to[1]) + channel), cast(total, target.dtype))
    context.add("max_pool" if most else "sum_pool", w, shape[0])


def _places(w, inner: ExitStack, counts, distances):
    """Where the taps lie behind the first: written out, or the one expression of a loop."""
    if prod(counts) <= _UNROLLED:
        return [u * distances[0] + v * distances[1] for u in range(counts[0]) for v in range(counts[1])]
    u = inner.enter_context(w.loop(w.size(counts[0])))
    if counts[1] <= _UNROLLED:
        return [u * w.stride(distances[0]) + v * distances[1] for v in range(counts[1])]
    v = inner.enter_context(w.loop(w.size(counts[1])))
    return [u * w.stride(distances[0]) + v * w.stride(distances[1])]


def _summing(x: Tensor, taps: int) -> str:
    """The narrowest lanes, but 16 bits at least, that hold the sum of stored elements."""
    info = {"int8": 2**7, "int16": 2**15}.get(x.storage.dtype, 2**31)
    return "int16" if info * taps < 2**15 else "int32"


def _fits(context: Context, group: Group) -> bool:
    """Bytes and 16-bit words whose border is of their own kind."""
    node = group.output
    x = node.inputs[0].type.dtype
    fill = _border(node).fill if any(node.op.pads) else x.lo
    narrow = fitting(Int(min(x.lo, fill), max(x.hi, fill)))[0] in ("int8", "int16", "int32")
    return narrow and _takes(context, group)


POOL = Rule(_pool, _fits, _wishes)
REDUCE = Rule(_reduce, _reduces)
