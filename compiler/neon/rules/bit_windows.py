"""Single bits of images with few channels: a window's bits in eight bytes, two channels' to a vector."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from tvm import tirx

from ...ir.graph import Node
from ...ir.ops import Conv2d
from ...ir.types import Int, TensorType
from ..builder import const
from ..context import Context, Tensor
from ..copies import strides
from ..isa import joined
from ..program import Storage
from .bit_sums import BYTE, VECTOR, BitSums, differing
from .shapes import Shape, runs_of
from .sums import Tree

# Rows of a window, and elements of each: sixteen bits for a row.
_ROWS, _ROW = 4, 16
_WINDOW = 8
_TOGETHER = 2


def in_windows(node: Node) -> bool:
    """Whether a window's rows are as short, and channels so few that packing pays."""
    op, w = node.op, node.inputs[1].value
    if not isinstance(op, Conv2d) or w.shape[-1] < BYTE:
        return False
    return w.shape[0] <= _ROWS and w.shape[1] * w.shape[2] <= _ROW and node.type.shape[1] >= _TOGETHER


def window_bits(context: Context, node: Node, x: Tensor) -> Tensor:
    """The bits of every window: (rows, columns, 8 bytes). ``x`` has the border in front of its origin."""
    op, (oh, ow, _) = node.op, node.type.shape
    kh = node.inputs[1].type.shape[0]
    row, pixel, _ = strides(x.storage)
    start = x.storage.origin - op.pads[0] * row - op.pads[1] * pixel
    target = context.temporary(Storage(TensorType((oh, ow, _WINDOW), Int(-128, 127)), "int8"))
    w = context.writer()
    px, py = w.tensor(x.place(start), x.storage.dtype), w.tensor(target.place(), "int8")
    weights = w.load(w.table(_marks(node), "int8"), 0, VECTOR)
    pairs = -(-ow // _TOGETHER)
    with ExitStack() as stack:
        i = stack.enter_context(w.outer())
        j = stack.enter_context(w.loop(w.size(pairs))) * _TOGETHER
        if ow % _TOGETHER:
            j = w.let(tirx.min(j, w.stride(ow - _TOGETHER)))
        at = w.let(i * (op.strides[0] * row) + j * (op.strides[1] * pixel))
        places = [p * op.strides[1] * pixel + u * op.dilations[0] * row if u < kh else None
                  for p in range(_TOGETHER) for u in range(_ROWS)]  # fmt: skip
        marked = [const(0, "int8x16") if p is None else _marked(w, px, at + p, weights) for p in places]
        while len(marked) > 1:
            marked = [w.let(w.isa.pairs(a, b)) for a, b in zip(marked[::2], marked[1::2], strict=True)]
        w.store(py, w.let(i * (ow * _WINDOW) + j * _WINDOW), marked[0])
    context.add("windows", w, oh)
    return target


def _marks(node: Node) -> np.ndarray:
    """The bit of each element of a row of the window; 0 for what lies behind it."""
    kw, c = node.inputs[1].type.shape[1:3]
    marks = np.tile(1 << np.arange(BYTE), 2)
    marks[kw * c :] = 0
    return marks.astype(np.uint8).view(np.int8)


def _marked(w, px, at, weights):
    return w.let(tirx.Select(w.load(px, at, VECTOR) > const(0, "int8x16"), weights, const(0, "int8x16")))


def window_shape(node: Node) -> Shape:
    """The product as one over windows."""
    oh, ow, m = node.type.shape
    return Shape(oh, ow, ow * _WINDOW, _WINDOW, 1, 0, _WINDOW, m)


class Windows(BitSums):
    """A pixel's window twice in a vector meets two channels at a time; 64 bits are counted in bytes."""

    widths = (16,)
    counts_dtype = "uint8"

    def pixels(self, width: int) -> int:
        """Pixels of a tile."""
        return min(4 if self.core.wide else 2, self.shape.pixels)

    def weights(self) -> np.ndarray:
        """(tiles, pairs of channels, 16 bytes)."""
        w = runs_of(self.node) > 0
        runs, length, m = w.shape
        last = self.first + self.width * self.count
        bits = np.zeros((_ROWS, _ROW, max(m, last)), np.uint8)
        bits[:runs, :length, :m] = w
        packed = np.packbits(bits[:, :, self.first : last], axis=1, bitorder="little")
        return np.ascontiguousarray(packed.reshape(_WINDOW, -1).T).view(np.int8)

    def pixels_at(self, w, px, at, pixels: int) -> list:
        """Each pixel's window, twice."""
        windows = [w.load(px, at + p * _WINDOW, _WINDOW) for p in range(pixels)]
        return [w.let(joined(v, v)) for v in windows]

    def counts(self, w, pixels: list, pw, tile) -> list:
        """For each pixel, how many bits differ from those of each channel."""
        trees = [Tree(w, self.width, BYTE, self.bits, shared=2) for _ in pixels]
        base = w.let(tile * (self.width * _WINDOW))
        for c in range(0, self.width, 2):
            taps = w.load(pw, base + c * _WINDOW, VECTOR)
            for tree, x in zip(trees, pixels, strict=True):
                tree.add(w.let(differing(x, taps)))
        return [tree.sums() for tree in trees]
