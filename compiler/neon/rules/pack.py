"""Bits from bytes: eight channels to a byte."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from tvm import tirx

from ..builder import const
from ..context import Context, Tensor
from ..isa import joined, part, reinterpret

_CHUNKS = (128, 64, 32, 16, 8)


def pack_bits(context: Context, source: Tensor, target: Tensor) -> None:
    """One bit for each element of two codes, 1 for the upper; the lowest bit of a byte comes first.

    Args:
        source: bytes (..., C) with C a multiple of 8.
        target: bytes (..., C / 8).
    """
    s, t = source.storage, target.storage
    dense = not any(s.border) and not any(t.border)
    rows = 1 if dense else s.type.shape[0]
    run = s.type.size // rows
    chunk = next(n for n in _CHUNKS if n <= run)
    blocks = -(-run // chunk)
    w = context.writer()
    x, y = w.tensor(source.place(s.origin), s.dtype), w.tensor(target.place(t.origin), t.dtype)
    weights = w.load(w.table(np.tile(1 << np.arange(8), 2), "uint8"), 0, 16)
    with ExitStack() as stack:
        row = stack.enter_context(w.outer()) if rows > 1 else const(0, w.index)
        block = const(0, w.index)
        if blocks > 1 or rows == 1:
            block = stack.enter_context(w.loop(w.size(blocks)) if rows > 1 else w.outer())
        first = block * (chunk // 8)
        if run % chunk:
            # The last chunk overlaps the one before it.
            first = w.let(tirx.min(first, w.stride((run - chunk) // 8)))
        at = w.let(row * s.row + first * 8) if rows > 1 else w.let(first * 8)
        packed = _packed(w, x, at, chunk, s.type.dtype.lo - s.offset, weights)
        w.store(y, w.let(row * t.row + first) if rows > 1 else first, reinterpret_bytes(packed, t.dtype))
    context.add("pack", w, rows if rows > 1 else blocks)


def _packed(w, x, at, chunk: int, lower: int, weights):
    """The bits of ``chunk`` elements."""
    wide = min(chunk, 16)
    marked = []
    for i in range(0, chunk, wide):
        value = w.load(x, at + i, wide)
        value = value if wide == 16 else joined(value, value)
        marked.append(w.let(tirx.Select(value > const(lower, "int8x16"), weights, const(0, "uint8x16"))))
    for _ in range(3):
        if len(marked) == 1:
            marked = [w.let(w.isa.pairs(marked[0], marked[0]))]
        else:
            marked = [w.let(w.isa.pairs(a, b)) for a, b in zip(marked[::2], marked[1::2], strict=True)]
    return marked[0] if chunk == 128 else part(marked[0], 0, chunk // 8)


def reinterpret_bytes(value, dtype: str):
    """The same bytes as elements of another sign."""
    lanes = value.ty.dtype.lanes
    return reinterpret(value, dtype if lanes == 1 else f"{dtype}x{lanes}")
