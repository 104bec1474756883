"""The runs of a pixel's sum side by side: those of few channels become one before they are multiplied.

A first layer's run is a few bytes, of which each would take a block of 16 for itself.
"""

from __future__ import annotations

from dataclasses import replace

from .shapes import BLOCK, Shape

# Bytes on the stack that a row's runs may take.
_ROOM = 2**14
# Runs that a kernel loops over when there are more, and what a turn costs a tile's pixel.
_FEW, _TURN = 3, 3
# Instructions of a block of bytes times one channel without SDOT; with it, of four bytes times four.
_LONG, _DOT = 3, 1.25
# Instructions of a pixel's copy besides loads and stores.
_COPY = 4


def gathered(shape: Shape, dot: bool, wanted: int | None = None) -> Shape | None:
    """The product's shape with each pixel's runs as one, where that saves instructions.

    ``wanted`` says whether, instead of an estimate.
    """
    length = shape.runs * shape.length
    whole, apart = -(-length // BLOCK), shape.runs * shape.blocks
    if shape.runs == 1 or shape.rows == 1 or shape.pixels * whole * BLOCK > _ROOM:
        return None
    if dot:
        tiles = -(-shape.channels // 16)
        quads = shape.runs * -(-shape.length // 4) - -(-length // 4)
        turns = shape.runs * _TURN if shape.runs > _FEW else 0
        saved = quads * shape.channels / 4 * _DOT + (apart - whole + turns) * tiles
    else:
        saved = (apart - whole) * shape.channels * _LONG
    if saved <= 2 * apart + _COPY if wanted is None else not wanted:
        return None
    return replace(shape, row=0, pixel=whole * BLOCK, runs=1, run=0, length=length)


def gather(w, px, row, source: Shape, target: Shape):
    """A row's pixels as ``target`` has them, in memory of the kernel's own.

    Blocks that end behind their run are written over by the next run, or meet weights of 0.
    """
    copy = w.array("int8", source.pixels * target.pixel + BLOCK)
    with w.loop(w.size(source.pixels)) as pixel:
        start, to = w.let(row * source.row + pixel * source.pixel), w.let(pixel * target.pixel)
        for run in range(source.runs):
            for byte in range(0, source.length, BLOCK):
                block = w.load(px, start + (run * source.run + byte), BLOCK)
                w.store(copy, to + (run * source.length + byte), block)
    return copy
