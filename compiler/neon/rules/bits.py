"""Rules of products of single bits: EOR and CNT of 128 bits at a time, sums in bytes.

Activations are packed first, eight channels to a byte, 0 for the lower of their two codes. With bits ``b``
of activations and ``v`` of weights (1 for +1) a sum of K products is ``K - 2 * popcount(b ^ v)`` where
activations are -1 and +1, ``popcount(v) - popcount(b ^ v)`` where they are 0 and 1. A border's bits are 0,
which is -1 instead of 0: the sums of pixels that see it start from another constant.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from math import prod

import numpy as np
from tvm import tirx

from ...ir.graph import Node
from ...ir.ops import Conv2d, Threshold
from ...ir.types import Int, TensorType
from ..builder import const
from ..context import Border, Context, Tensor
from ..copies import fill_border, strides
from ..elementwise import Elements, Share
from ..groups import Group
from ..isa import cast
from ..program import Storage
from ..ways import combined
from .bit_sums import BYTE, Kept, Streamed, kept_vectors
from .bit_windows import Windows, in_windows, window_bits, window_shape
from .elements import store_pixels
from .pack import pack_bits
from .products import Tile, pixel_index
from .rule import Rule
from .shapes import Shape, shape_of

# Vectors of a pixel that stay in registers while channels pass by.
_KEPT = 12
# A vector of bits costs three instructions; products of bytes do about twelve in one.
_WORTH = 36
# What tuning may try for pixels of a tile.
_PIXELS = (1, 2, 3, 4, 6)


def _takes(context: Context, group: Group) -> bool:
    """Whether both operands are single bits in whole bytes, and enough of them to a sum."""
    node = group.anchor
    x, w = node.inputs[0].type, node.inputs[1].value
    if not (x.dtype.bipolar or x.dtype == Int(0, 1)) or not x.shape:
        return False
    if isinstance(node.op, Conv2d) and (node.op.groups != 1 or node.op.dilations[1] != 1):
        return False
    bits = prod(w.shape[:-1])
    if not (np.abs(w) == 1).all() or bits >= 2**14:
        return False
    if in_windows(node):
        return True
    return x.shape[-1] % BYTE == 0 and bits >= _WORTH * kept_vectors(node)


def _ways(context: Context, group: Group):
    """Whether a pixel's vectors stay in registers; pixels of a tile."""
    if _takes(context, group):
        kernels = ("windows",) if in_windows(group.anchor) else ("kept", "streamed")
        yield from combined("bits", kernel=kernels, pixels=_PIXELS)


def _wishes(context: Context, group: Group):
    """Zeros around an image whose windows are packed."""
    node = group.anchor
    if in_windows(node) and any(node.op.pads):
        yield node.inputs[0], Border(node.op.pads, 0)


def _emit(context: Context, group: Group) -> None:
    """Activations packed, then a call for each width of channel tile."""
    node = group.anchor
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    x, shape, kind = _operand(context, node, context.setting(group, "kernel"))
    y = context.result(group.output)
    elements = Elements(group, y.storage)
    first = 0
    for tiles in _tiles(shape.channels, kind.widths):
        maker = kind(context.core, node, shape, elements.initial, tiles, first)
        shares = [Share(elements, np.arange(tiles[1]))]
        _BitTile(context, group, shape, maker, tiles, first, shares).emit(x, 0, y, leaves)
        first += tiles[0] * tiles[1]


def _operand(context: Context, node: Node, kernel: str | None):
    """The activations' bits, the product's shape over them, and how sums are made."""
    pads = node.op.pads if isinstance(node.op, Conv2d) else (0, 0, 0, 0)
    if in_windows(node):
        x = context.bordered(node.inputs[0], Border(pads, 0))
        return window_bits(context, node, x), window_shape(node), Windows
    x = _packed(context, context.tensor(node.inputs[0]), pads)
    few = kernel == "kept" if kernel else kept_vectors(node) <= _KEPT
    return x, _shape(node, x), Kept if few else Streamed


def _tiles(channels: int, widths: tuple[int, ...]) -> list[tuple[int, int]]:
    """(channels of a tile, tiles), widest first; one more for the rest."""
    whole, rest = divmod(channels, widths[0])
    found = [(widths[0], whole)] if whole else []
    return found + ([(next(n for n in reversed(widths) if n >= rest), 1)] if rest else [])


def _packed(context: Context, source: Tensor, pads) -> Tensor:
    """The activations' bits, with a border of zeros."""
    *outer, c = source.storage.type.shape
    bytes_ = TensorType((*outer, c // BYTE), Int(-128, 127))
    target = context.temporary(Storage(bytes_, "int8", 0, pads, 0))
    if any(pads):
        fill_border(context, target)
    pack_bits(context, source, target)
    return target


def _shape(node: Node, x: Tensor) -> Shape:
    """The product's shape, its lengths in bytes of bits."""
    if isinstance(node.op, Conv2d) and any(node.op.pads):
        (kh, kw, c, m), op = node.inputs[1].type.shape, node.op
        (oh, ow, _), (row, pixel, _) = node.type.shape, strides(x.storage)
        steps = op.strides[0] * row, op.strides[1] * pixel
        return Shape(oh, ow, *steps, kh, op.dilations[0] * row, kw * c // BYTE, m)
    shape = shape_of(node, x)
    pixel = shape.pixel if isinstance(node.op, Conv2d) else shape.pixel // BYTE
    return replace(shape, pixel=pixel, length=shape.length // BYTE)


class _BitTile(Tile):
    """A kernel whose pixels stay in registers while tiles of channels pass by."""

    def emit(self, x: Tensor, start: int, y: Tensor, leaves: dict[int, Tensor]) -> None:
        shape, maker = self.shape, self.maker
        elements = self.shares[0].elements
        w = self.context.writer()
        px = w.tensor(x.place(start), "int8")
        pw, limits = w.table(maker.weights(), "int8"), self._limits(y)
        pb = w.table(maker.start, maker.sums_dtype) if limits is None else w.table(limits, maker.counts_dtype)
        py = w.tensor(y.place(y.storage.origin), y.storage.dtype)
        read = {k: w.tensor(t.place(t.storage.origin), t.storage.dtype) for k, t in leaves.items()}
        maker.prepare(w)
        tiles = -(-shape.pixels // self.pixels)
        with ExitStack() as stack:
            row, column = self._place(w, stack, tiles)
            at = w.let(row * shape.row + column * shape.pixel)
            pixels = maker.pixels_at(w, px, at, self.pixels)
            starts = maker.starts(w, row, column, self.pixels)
            tile = stack.enter_context(w.loop(w.size(self.count))) if self.count > 1 else const(0, w.index)
            channel = w.let(tile * self.width + self.first)
            counts = maker.counts(w, pixels, pw, tile)
            for p, count in enumerate(counts):
                first = w.load(pb, starts[p] + tile * self.width, self.width)
                if limits is not None:
                    self._compare(w, count, first, channel, (row, column + p), py, y)
                    continue
                vector = w.let(first - cast(count, maker.sums_dtype) * const(maker.scale, first.ty.dtype))
                self.finish(w, elements, vector, channel, [(row, column + p)], py, y, read, leaves)
        macs = self.group.anchor.op.work(*self.group.anchor.inputs).macs
        part = self.width * self.count / shape.channels
        self.context.add("bits", w, shape.rows if shape.rows > 1 else tiles, int(macs * min(part, 1.0)))

    def _limits(self, y: Tensor) -> np.ndarray | None:
        """Counts from which on a single threshold is not reached; None where there is more to be done."""
        nodes = self.group.nodes
        if len(nodes) != 1 or not isinstance(nodes[0].op, Threshold) or y.storage.dtype != "int8":
            return None
        t = nodes[0].inputs[1].value
        if t.shape[1] != 1:
            return None
        m = self.maker.start.shape[-1]
        row = np.broadcast_to(t[:, 0], (self.shape.channels,))[self.first : self.first + m]
        row = np.pad(row, (0, m - len(row)))
        return np.clip((self.maker.start - row) // self.maker.scale + 1, 0, self.maker.bits + 1)

    def _compare(self, w, count, limit, channel, place, py, y: Tensor) -> None:
        """One of two codes for each channel of a pixel."""
        op, lanes = self.group.output.op, self.width
        lower, upper = (const(v - y.storage.offset, f"int8x{lanes}") for v in (op.bias, op.bias + op.step))
        result = tirx.Select(cast(count, self.maker.counts_dtype) < limit, upper, lower)
        store_pixels(w, py, [w.let(pixel_index(place, y, self.shape) + channel)], w.let(result), self.valid)

    def _place(self, w, stack: ExitStack, tiles: int):
        """Row and first column of a tile, inside the loops over them."""
        row = column = const(0, w.index)
        if self.shape.rows > 1:
            row = stack.enter_context(w.outer())
        if tiles > 1 or self.shape.rows == 1:
            index = stack.enter_context(w.loop(w.size(tiles)) if self.shape.rows > 1 else w.outer())
            column = index * self.pixels
            if self.shape.pixels % self.pixels:
                column = w.let(tirx.min(column, w.stride(self.shape.pixels - self.pixels)))
        return row, column


BITS = Rule(_emit, _takes, _wishes, fuses=True, name="bits", ways=_ways)
