"""Rule of elementwise groups: rows of memory, vector by vector."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod

from ...ir.graph import Const, Node, Value
from ..affine import leaf
from ..builder import const
from ..context import Context
from ..copies import lanes_for, positions, strides
from ..elementwise import Elements
from ..groups import Group, elements_of
from ..isa import joined, part, reinterpret
from .rule import Rule


def emit(context: Context, group: Group) -> None:
    """Loads, functions and a store for every vector of neighbouring elements."""
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    target = context.result(group.output)
    storages = [t.storage for t in (*leaves.values(), target)]
    shape, run = _runs(group, storages)
    lanes = max(lanes_for(run), 4)
    elements = Elements(group, target.storage)
    w = context.writer()
    pointers = {k: w.tensor(t.place(t.storage.origin), t.storage.dtype) for k, t in leaves.items()}
    y = w.tensor(target.place(target.storage.origin), target.storage.dtype)
    with ExitStack() as stack:
        counters = [
            stack.enter_context(w.outer() if depth == 0 else w.loop(w.size(n)))
            for depth, n in enumerate(shape)
        ]
        (channel,) = positions(w, stack, run, min(lanes, run), shape)
        known = {}
        for key, tensor in leaves.items():
            at = w.let(_index(w, counters, tensor.storage, len(shape)) + channel)
            vector = load_lanes(w, pointers[key], at, lanes, run)
            known[key] = leaf(vector, tensor.storage.offset, tensor.storage.type.dtype)
        result = elements.stored(w, known, channel, lanes)
        at = w.let(_index(w, counters, target.storage, len(shape)) + channel)
        store_lanes(w, y, at, result, min(lanes, run))
    context.add("elements", w, shape[0] if shape else -(-run // min(lanes, run)))


def _runs(group: Group, storages) -> tuple[tuple[int, ...], int]:
    """Loop counts, and how many neighbouring elements the innermost vectors run over.

    Where constants differ by channel a run is one pixel's channels; else as much as lies together.
    """
    shape = group.output.type.shape
    by_channel = any(
        _rows(node, v) > 1 for node in group.nodes for v in node.inputs if _is_parameter(node, v)
    )
    dense = not any(any(s.border) for s in storages)
    if not shape:
        return (), 1
    if by_channel:
        return shape[:-1], shape[-1]
    if dense:
        return (), prod(shape)
    return shape[:1], prod(shape[1:])


def _is_parameter(node: Node, value: Value) -> bool:
    return isinstance(value, Const) and not any(v is value for v in elements_of(node))


def _rows(node: Node, value: Const) -> int:
    """How many channels' constants an operand holds."""
    if node.op.name == "threshold":
        return len(value.value)
    if node.op.name == "lookup":
        return len(value.value) if value.value.ndim == 2 else 1
    return value.value.size


def _index(w, counters, storage, depth: int):
    """Element index of a run's first element, behind the tensor's origin."""
    steps = strides(storage)[:depth]
    index = const(0, w.index)
    for counter, step in zip(counters, steps, strict=True):
        index = index + counter * w.stride(step)
    return index


def load_lanes(w, pointer, at, lanes: int, run: int):
    """A vector from memory; runs shorter than a vector are read element by element, and no further."""
    if run >= lanes:
        return w.load(pointer, at, lanes)
    array = w.array(pointer.dtype, lanes)
    for i in range(lanes):
        w.store(array, i, w.load(pointer, at + min(i, run - 1)))
    return w.load(array, 0, lanes)


def load_pixels(w, pointer, places, lanes: int, run: int):
    """Vectors of ``lanes`` elements at several places, one behind the other in one vector."""
    vectors = [load_lanes(w, pointer, at, lanes, run) for at in places]
    if len(vectors) == 1 or lanes * vectors[0].ty.dtype.bits != 32:
        return joined(*vectors)
    # As words: LLVM would take a few bytes apart one by one.
    words = joined(*[reinterpret(v, "int32") for v in vectors])
    return w.let(reinterpret(words, f"{pointer.dtype}x{lanes * len(vectors)}"))


def store_pixels(w, pointer, places, vector, count: int) -> None:
    """Each place's share of a vector's lanes, and of those the first ``count``."""
    lanes = vector.ty.dtype.lanes // len(places)
    whole = lanes == count and lanes * vector.ty.dtype.bits == 32 and len(places) > 1
    words = w.let(reinterpret(vector, f"int32x{len(places)}")) if whole else None
    for i, at in enumerate(places):
        if whole:
            w.store(pointer, at, reinterpret(part(words, i, 1), f"{pointer.dtype}x{lanes}"))
        else:
            store_lanes(w, pointer, at, part(vector, i * lanes, lanes), count)


def store_lanes(w, pointer, at, vector, count: int) -> None:
    """The first ``count`` lanes of a vector, and nothing behind them."""
    if count == vector.ty.dtype.lanes:
        w.store(pointer, at, vector)
        return
    done = 0
    while done < count:
        step = 1 << ((count - done).bit_length() - 1)
        chosen = part(vector, done, step)
        w.store(pointer, at + done, chosen)
        done += step


ELEMENTS = Rule(emit)
