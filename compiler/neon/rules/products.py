"""Rules of products with 8-bit operands: tiles of pixels times channels, sums in registers.

A convolution reads its input where it lies: along one row of the kernel the taps of a pixel are neighbours in
memory, so they are one run of the sum. Runs are cut into blocks of 16 bytes; the weights of what lies beyond
a run's end are 0.
"""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from tvm import tirx

from ...ir.graph import Node
from ...ir.ops import Conv2d
from ..affine import leaf
from ..builder import const
from ..context import Border, Context, Tensor
from ..copies import strides
from ..elementwise import Elements, Share
from ..groups import Group
from ..isa import joined
from ..program import Region, fitting
from ..ways import combined
from .dot import Dot
from .elements import load_pixels, store_pixels
from .gather import gather, gathered
from .long import Long
from .low import Low, centre
from .rule import Rule
from .shapes import TILES, Shape, at_once, in_rows, runs_of, shape_of

# What tuning may try for pixels of a tile.
_PIXELS = {"dot": (2, 3, 4, 5, 6, 8), "long": (2, 3, 4, 5, 6), "low": (1, 2, 3, 4)}
_FEW = (1, 2, 3, 4)


def takes(context: Context, group: Group) -> bool:
    """Whether operands fit bytes, taps lie side by side, and sums fit 32 bits."""
    node = group.anchor
    x, w = node.inputs[0].type.dtype, node.inputs[1].type.dtype
    if isinstance(node.op, Conv2d) and (node.op.groups != 1 or node.op.dilations[1] != 1):
        return False
    if not node.inputs[0].type.shape or fitting(x)[0] != "int8" or w.lo < -128 or w.hi > 127:
        return False
    padded = fitting(type(x)(min(x.lo, 0), max(x.hi, 0)))
    if isinstance(node.op, Conv2d) and any(node.op.pads) and padded[0] != "int8":
        return False
    sums = 128 * int(np.abs(node.inputs[1].value).reshape(-1, w_columns(node)).sum(0).max())
    return node.type.dtype.magnitude < 2**30 and sums < 2**30


def w_columns(node: Node) -> int:
    """Output channels of a product."""
    return node.inputs[1].type.shape[-1]


def wishes(context: Context, group: Group):
    """Zeros around the image, and small codes around 0."""
    border = _border(context, group.anchor)
    if any(border.widths) or border.offset is not None:
        yield group.anchor.inputs[0], border


def _border(context: Context, node: Node) -> Border:
    x = node.inputs[0].type.dtype
    pads = node.op.pads if isinstance(node.op, Conv2d) else (0, 0, 0, 0)
    return Border(pads, 0, None if context.core.dot else centre(x.lo, x.hi))


def _ways(context: Context, group: Group):
    """Kernels, whether rows are gathered, whether flat products go by rows, pixels of a tile."""
    if not takes(context, group):
        return
    node = group.anchor
    kernels = ("dot",) if context.core.dot else ("long",)
    if not context.core.dot and node.type.dtype.magnitude < 2**16:
        kernels = ("long", "low")
    tall = isinstance(node.op, Conv2d) and node.inputs[1].type.shape[0] > 1
    flat = not tall and any(context.wished(group.output).border)
    for kernel in kernels:
        yield from combined(
            "product", kernel=(kernel,), gather=(0, 1)[: 1 + tall], rows=(0, 1)[: 1 + flat],
            pixels=_PIXELS[kernel] if context.core.wide else _FEW,
        )  # fmt: skip


def _maker(context: Context, shape: Shape, x: Tensor, elements: Elements):
    """What makes a tile's sums in the fewest instructions."""
    weights = runs_of(elements.group.anchor).reshape(shape.runs, shape.length, shape.channels)
    given = context.core, shape, weights, x.storage
    if context.core.dot:
        return Dot(*given)
    if context.setting(elements.group, "kernel") == "long":
        return Long(*given)
    low = Low(*given)
    return low if low.fits(elements.initial) else Long(*given)


def emit(context: Context, group: Group) -> None:
    """One call for each width of channel tile."""
    node = group.anchor
    pads = node.op.pads if isinstance(node.op, Conv2d) else (0, 0, 0, 0)
    x = context.bordered(node.inputs[0], _border(context, node))
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    y = context.result(group.output)
    shape = shape_of(node, x)
    start = 0
    if any(x.storage.border):
        top, left = (a - b for a, b in zip(x.storage.border[:2], pads[:2], strict=True))
        start = top * x.storage.row + left * x.storage.padded[2]
    costs = TILES if context.core.wide else None
    shape = in_rows(shape, y, context.setting(group, "rows"), costs)
    source, shape = shape, gathered(shape, context.core.dot, context.setting(group, "gather")) or shape
    elements = Elements(group, y.storage)
    maker = _maker(context, shape, x, elements)
    if context.core.wide and maker.sums_dtype == "int32" and source is shape:
        source = maker.shape = shape = at_once(shape)
    first = 0
    for width, count in maker.channel_tiles():
        shares = _shares(maker, elements, first, (width, count))
        Tile(context, group, shape, maker, (width, count), first, shares).emit(x, start, y, leaves, source)
        first += width * count


def _shares(maker, elements: Elements, first: int, tiles: tuple[int, int]) -> list[Share]:
    """Channel tiles by what is behind their sums; narrow sums have it all the same."""
    width, count = tiles
    if maker.sums_dtype != "int32":
        return [Share(elements, np.arange(count))]
    return elements.shares(first + np.arange(count * width).reshape(count, width))


class Tile:
    """A kernel for ``count`` tiles of ``width`` channels from channel ``first`` on, share after share."""

    def __init__(
        self,
        context: Context,
        group: Group,
        shape: Shape,
        maker,
        tiles: tuple[int, int],
        first: int,
        shares: list[Share],
    ):
        self.context, self.group, self.shape, self.maker = context, group, shape, maker
        (self.width, self.count), self.first = tiles, first
        self.shares = shares
        width, count = tiles
        self.valid = min(width, shape.channels - first - width * (count - 1))
        self.pixels = self._pixels()

    def _pixels(self) -> int:
        """Pixels of a tile: those of the widest tiles may be set, their rest is what it is."""
        chosen = self.context.setting(self.group, "pixels") if self.first == 0 else None
        if self.shape.line:
            return self.shape.pixels
        return min(chosen, self.shape.pixels) if chosen else self.maker.pixels(self.width)

    def emit(
        self, x: Tensor, start: int, y: Tensor, leaves: dict[int, Tensor], source: Shape | None = None
    ) -> None:
        """``source``: the shape of the input where rows of it are to be gathered first."""
        shape, w = self.shape, self.context.writer()
        px = w.tensor(x.place(start), x.storage.dtype)
        tables = [self._tables(w, x, share) for share in self.shares]
        py = w.tensor(y.place(y.storage.origin), y.storage.dtype)
        read = {k: w.tensor(t.place(t.storage.origin), t.storage.dtype) for k, t in leaves.items()}
        tiles = -(-shape.pixels // self.pixels)
        with ExitStack() as whole:
            row = const(0, w.index)
            if shape.rows > 1:
                row = whole.enter_context(w.outer())
            if source not in (None, shape):
                px = gather(w, px, row, source, shape)
            for share, (pw, pb) in zip(self.shares, tables, strict=True):
                with ExitStack() as stack:
                    tile = self._turn(w, stack, len(share.numbers), tiles)
                    channel = w.let(share.at(w, tile) * self.width + self.first)
                    column = self._column(w, stack, tiles)
                    at = w.let(row * shape.row + column * shape.pixel)
                    sums = self.maker.sums(w, px, at, pw, pb, tile, self.width, self.pixels)
                    for p, count in self._vectors():
                        w.pixels = count
                        places = [(row, column + p + i) for i in range(count)]
                        vector = w.let(joined(*sums[p : p + count]))
                        self.finish(w, share.elements, vector, channel, places, py, y, read, leaves)
        self._add(w, shape.rows if shape.rows > 1 else self.count if self._by_channels(tiles) else tiles)

    def _tables(self, w, x: Tensor, share: Share):
        """Pointers to the weights of a share's tiles, and to what their sums start from."""
        packed, initial = self.maker.packed(self.first, self.width, self.count, share.elements)
        starts = initial.reshape(self.count, -1)[share.numbers]
        return w.table(packed[share.numbers], x.storage.dtype), w.table(starts, self.maker.sums_dtype)

    def _add(self, w, trips: int) -> None:
        """The finished kernel's call."""
        work = self.group.anchor.op.work(*self.group.anchor.inputs)
        macs = work.macs or work.adds // 2
        part = min(self.width * self.count / max(self.shape.channels, 1), 1.0)
        self.context.add(self.maker.name, w, trips, int(macs * part))

    def _by_channels(self, tiles: int) -> bool:
        """Whether the outermost loop, which threads share, runs over the tiles of channels."""
        return self.shape.rows == tiles == len(self.shares) == 1

    def _turn(self, w, stack: ExitStack, turns: int, tiles: int):
        """The number of a tile of channels in its share."""
        if self._by_channels(tiles):
            return stack.enter_context(w.outer())
        return stack.enter_context(w.loop(w.size(turns))) if turns > 1 else const(0, w.index)

    def _column(self, w, stack: ExitStack, tiles: int):
        """The tile's first pixel; the loop over them is entered on ``stack``. The last one may overlap."""
        shape = self.shape
        if (tiles == 1 and shape.rows > 1) or self._by_channels(tiles):
            return const(0, w.index)
        index = stack.enter_context(w.loop(w.size(tiles)) if shape.rows > 1 else w.outer())
        column = index * self.pixels
        if shape.pixels % self.pixels:
            column = w.let(tirx.min(column, w.stride(shape.pixels - self.pixels)))
        return column

    def _vectors(self):
        """(first pixel, pixels) whose channels fill a vector of sixteen."""
        p = 0
        while p < self.pixels:
            count = next(n for n in (4, 2, 1) if n * self.width <= 16 and p + n <= self.pixels)
            yield p, count
            p += count

    def finish(self, w, elements, vector, channel, places, py, y: Tensor, read, leaves) -> None:
        """Functions and store of a few pixels' channels."""
        known = {id(self.group.anchor): elements.accumulator(vector)}
        for key, tensor in leaves.items():
            at = [w.let(pixel_index(place, tensor, self.shape) + channel) for place in places]
            # Behind the caller's own memory there may be none.
            reach = self.valid if tensor.region is Region.INPUT else self.width
            value = load_pixels(w, read[key], at, self.width, reach)
            known[key] = leaf(value, tensor.storage.offset, tensor.storage.type.dtype)
        result = elements.stored(w, known, channel, self.width * len(places))
        to = [w.let(pixel_index(place, y, self.shape) + channel) for place in places]
        store_pixels(w, py, to, result, self.valid)


def pixel_index(place, tensor: Tensor, shape: Shape):
    """Index of a pixel's first channel behind the tensor's origin."""
    row, column = place
    steps = strides(tensor.storage)
    if len(steps) == 3 and shape.rows > 1:
        return row * steps[0] + column * steps[1]
    if len(steps) == 3 and any(tensor.storage.border):
        width = tensor.storage.type.shape[1]
        return tirx.truncdiv(column, width) * steps[0] + tirx.truncmod(column, width) * steps[1]
    return column * shape.channels


PRODUCT = Rule(emit, takes, wishes, fuses=True, name="product", ways=_ways)
