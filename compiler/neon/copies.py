"""Moves of elements: loops of strides on both sides, whole vectors where elements lie side by side."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from tvm import tirx

from .builder import const
from .isa import cast
from .program import Storage

if TYPE_CHECKING:
    from .context import Context, Tensor

# Vectors of a run that are moved without a loop.
_WRITTEN = 8


@dataclass(frozen=True)
class Axis:
    """A loop: how often, and how many elements further each time on either side."""

    count: int
    source: int
    target: int


def strides(storage: Storage) -> tuple[int, ...]:
    """Elements from one index to the next along each axis, in memory."""
    shape = storage.padded
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def lanes_for(count: int) -> int:
    """The widest vector of elements that fits into a run; a run's last vector overlaps the one before it."""
    return next((n for n in (16, 8, 4) if n <= count), 1)


def copy_into(context: Context, source: Tensor, target: Tensor) -> None:
    """The same tensor in another storage."""
    shape = target.storage.type.shape
    axes = [Axis(*a) for a in zip(shape, strides(source.storage), strides(target.storage), strict=True)]
    move(context, source, target, axes, source.storage.origin, target.storage.origin)


def move(
    context: Context, source: Tensor, target: Tensor, axes: list[Axis], start: int = 0, to: int = 0
) -> None:
    """Copy elements along ``axes`` from index ``start`` of the source to index ``to`` of the target."""
    *loops, run = _merged(axes)
    if run.source != 1 or run.target != 1:
        loops, run = [*loops, run], Axis(1, 1, 1)
    lanes = lanes_for(run.count)
    w = context.writer()
    x = w.tensor(source.place(start), source.storage.dtype)
    y = w.tensor(target.place(to), target.storage.dtype)
    delta = source.storage.offset - target.storage.offset
    with ExitStack() as stack:
        i, o = _loops(w, stack, loops)
        for position in positions(w, stack, run.count, lanes, loops, _WRITTEN):
            value = cast(w.load(x, i + position, lanes), target.storage.dtype)
            if delta:
                kind = target.storage.dtype + (f"x{lanes}" if lanes > 1 else "")
                value = value + const(_wrapped(delta, target.storage.dtype), kind)
            w.store(y, o + position, value)
    context.add("copy", w, loops[0].count if loops else -(-run.count // lanes))


def positions(w, stack: ExitStack, count: int, lanes: int, loops, most: int = 1):
    """Where a run's vectors begin: ``most`` written out, or the one place of a loop entered on ``stack``."""
    blocks = -(-count // lanes)
    if blocks <= most and loops:
        return [const(min(i * lanes, count - lanes), w.index) for i in range(blocks)]
    block = stack.enter_context(w.loop(w.size(blocks)) if loops else w.outer())
    if count % lanes == 0:
        return [w.let(block * lanes)]
    return [w.let(tirx.min(block * lanes, w.stride(count - lanes)))]


def _loops(w, stack: ExitStack, loops: list[Axis]):
    """Indices of source and target inside the loops."""
    i = o = const(0, w.index)
    for depth, axis in enumerate(loops):
        counter = stack.enter_context(w.outer() if depth == 0 else w.loop(w.size(axis.count)))
        i = i + counter * w.stride(axis.source)
        o = o + counter * w.stride(axis.target)
    return (w.let(i), w.let(o)) if loops else (i, o)


def _merged(axes: list[Axis]) -> list[Axis]:
    """Loops of one step left out, and neighbours that run on in step taken together."""
    kept: list[Axis] = []
    for axis in axes:
        if axis.count == 1 and len(axes) > 1:
            continue
        last = kept[-1] if kept else None
        if last and (last.source, last.target) == (axis.source * axis.count, axis.target * axis.count):
            kept[-1] = Axis(last.count * axis.count, axis.source, axis.target)
        else:
            kept.append(axis)
    return kept or [Axis(1, 1, 1)]


def fill_border(context: Context, tensor: Tensor) -> None:
    """Constant elements all around an image."""
    s = tensor.storage
    (h, w, c), (top, left, bottom, right) = s.type.shape, s.border
    behind = s.origin + w * c
    fill(context, tensor, 0, [], top * s.row + left * c, s.fill)
    if h > 1:
        fill(context, tensor, behind, [Axis(h - 1, 0, s.row)], (left + right) * c, s.fill)
    fill(context, tensor, behind + (h - 1) * s.row, [], right * c + bottom * s.row, s.fill)


def fill(context: Context, tensor: Tensor, start: int, axes: list[Axis], count: int, value: int) -> None:
    """``count`` neighbouring elements of one value, from ``start`` on and along ``axes``."""
    if not count:
        return
    dtype, lanes = tensor.storage.dtype, lanes_for(count)
    w = context.writer()
    y = w.tensor(tensor.place(start), dtype)
    # From a table, as LLVM would make a loop that stores a known value a call of memset.
    element = w.load(w.table(np.full(lanes, value - tensor.storage.offset), dtype), 0, lanes)
    with ExitStack() as stack:
        _, o = _loops(w, stack, axes)
        for position in positions(w, stack, count, lanes, axes, _WRITTEN):
            w.store(y, o + position, element)
    context.add("fill", w, axes[0].count if axes else -(-count // lanes))


def _wrapped(value: int, dtype: str) -> int:
    """A constant as an element holds it: sums wrap around."""
    return int(np.array(value, np.int64).astype(dtype))
