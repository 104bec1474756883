"""What tiles need to know of a product: where its sums' operands lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ir.graph import Node
from ...ir.ops import AdderConv2d, Conv2d
from ..context import Tensor
from ..copies import strides

BLOCK = 16
# Pixels that are a tile at once.
_TILE = 4
# What a tile costs by its pixels, with 32 registers, as counted under qemu.
TILES = {4: 11, 5: 14}
# What a tile costs, and one whose pixels' rows are divided for.
_PLAIN, _DIVIDED = 10, 11


@dataclass(frozen=True)
class Shape:
    """A product as tiles see it: rows of pixels; each pixel's sum is ``runs`` runs of ``length`` bytes.

    Attributes:
        rows, pixels: of the output.
        row, pixel: bytes of the input from one output row, or pixel, to the next.
        runs, run: how many runs a sum has, and bytes from one to the next.
        length: bytes of a run.
        channels: of the output.
        line: pixels of an image's row where all of a few rows are one tile's; 0 elsewhere.
    """

    rows: int
    pixels: int
    row: int
    pixel: int
    runs: int
    run: int
    length: int
    channels: int
    line: int = 0

    def behind(self, pixel: int) -> int:
        """Bytes of the input from a tile's first pixel to another."""
        if not self.line:
            return pixel * self.pixel
        return pixel // self.line * self.row + pixel % self.line * self.pixel

    @property
    def blocks(self) -> int:
        """Blocks of a run."""
        return -(-self.length // BLOCK)


def shape_of(node: Node, x: Tensor) -> Shape:
    """The product's shape for an input with this storage (its border included)."""
    storage = x.storage
    if not isinstance(node.op, AdderConv2d | Conv2d):
        k, m = node.inputs[1].type.shape
        if any(storage.border):
            h, w, _ = storage.type.shape
            return Shape(h, w, storage.row, k, 1, 0, k, m)
        pixels = node.type.size // m
        return Shape(1, pixels, 0, k, 1, 0, k, m)
    (kh, kw, c, m), op = node.inputs[1].type.shape, node.op
    (oh, ow, _), (row, pixel, _) = node.type.shape, strides(storage)
    if kh == 1 and kw == 1 and oh * op.strides[0] * row == row * oh and ow * op.strides[1] * pixel == row:
        return Shape(1, oh * ow, 0, op.strides[1] * pixel, 1, 0, c, m)
    return Shape(oh, ow, op.strides[0] * row, op.strides[1] * pixel, kh, op.dilations[0] * row, kw * c, m)


def even(pixels: int, costs: dict[int, int]) -> int:
    """A tile's pixels, of some numbers and what such a tile costs: the last tile overlaps the one before."""
    return min(pixels, min(costs, key=lambda n: -(-pixels // n) * costs[n]))


def at_once(shape: Shape) -> Shape:
    """The pixels of a small image as one tile."""
    if shape.rows == 1 or not shape.row or shape.rows * shape.pixels > _TILE:
        return shape
    return replace(shape, rows=1, pixels=shape.rows * shape.pixels, line=shape.pixels)


def in_rows(shape: Shape, y: Tensor, wanted: int | None = None, costs: dict[int, int] | None = None) -> Shape:
    """A flat product by rows of its result where that has a border: no pixel's row is divided for then.

    ``wanted`` says whether, instead of an estimate from what a tile ``costs`` by its pixels, else of four.
    """
    if shape.rows > 1 or not any(y.storage.border):
        return shape
    h, w, _ = y.storage.type.shape
    tiles = costs or {4: 1}
    by_row, flat = (n * min(-(-p // k) * c for k, c in tiles.items()) for n, p in ((h, w), (1, h * w)))
    if by_row * _PLAIN > flat * _DIVIDED if wanted is None else not wanted:
        return shape
    return replace(shape, rows=h, pixels=w, row=w * shape.pixel)


def runs_of(node: Node) -> np.ndarray:
    """Weights (runs, length, channels), int64."""
    w = node.inputs[1].value
    if not isinstance(node.op, AdderConv2d | Conv2d):
        return w[None]
    kh, kw, c, m = w.shape
    return w.reshape(kh, kw * c, m)
