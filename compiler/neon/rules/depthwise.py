"""Rule of depthwise convolutions: vectors of channels; every channel has taps of its own.

A tile is some neighbouring pixels (of one or two rows) times the channels of a vector; its sums stay in
registers, and inputs that its pixels share are loaded once.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from tvm import tirx

from ...ir.graph import Node
from ..affine import leaf
from ..builder import const
from ..context import Border, Context, Tensor
from ..copies import strides
from ..elementwise import Elements, Share
from ..groups import Group
from ..program import fitting
from ..ways import combined
from .elements import load_lanes, store_lanes
from .rule import Rule
from .taps import maker_for

# What a sum in 32 bits may reach, its start and its offset's share included.
_SUM = 2**30
# What tuning may try for pixels of a tile.
_PIXELS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Layer:
    """A depthwise convolution as tiles see it; steps count elements of the input.

    Attributes:
        rows, pixels, channels: of the output.
        multiplier: output channels for each channel of the input.
        kernel: its height and width.
        row, pixel: steps from one row, or pixel, of the input to the next.
        strides, dilations: as the op has them.
    """

    rows: int
    pixels: int
    channels: int
    multiplier: int
    kernel: tuple[int, int]
    row: int
    pixel: int
    strides: tuple[int, int]
    dilations: tuple[int, int]

    @property
    def lanes(self) -> int:
        """Channels of a vector; a few are a vector whose last lanes are not stored."""
        return 16 if self.channels >= 16 else 8

    @property
    def starts(self) -> list[int]:
        """The first channel of each vector; the last vector overlaps the one before it."""
        last = max(self.channels - self.lanes, 0)
        return [min(i, last) for i in range(0, self.channels, self.lanes)]

    def place(self, down: int, across: int) -> int:
        """Steps from the first tap of a tile's first pixel to a pixel of the input."""
        return down * self.row + across * self.pixel


def layer_of(node: Node, x: Tensor) -> Layer:
    """The convolution's shape for an input with this storage (its border included)."""
    (kh, kw, _, m), op = node.inputs[1].type.shape, node.op
    row, pixel, _ = strides(x.storage)
    oh, ow, _ = node.type.shape
    return Layer(oh, ow, m, m // op.groups, (kh, kw), row, pixel, op.strides, op.dilations)


def takes(context: Context, group: Group) -> bool:
    """Whether each group is one channel, operands fit 16 bits and sums 32."""
    node, op = group.anchor, group.anchor.op
    x, w = node.inputs[0].type.dtype, node.inputs[1].type.dtype
    channels = node.inputs[1].type.shape[3]
    multiplier = channels // op.groups
    if op.groups == 1 or node.inputs[1].type.shape[2] != 1 or multiplier not in (1, 2, 4, 8):
        return False
    if any(op.pads):
        x = type(x)(min(x.lo, 0), max(x.hi, 0))
    dtype, offset = fitting(x)
    if dtype not in ("int8", "int16") or max(-w.lo, w.hi + 1) > 2**15:
        return False
    biggest = max(abs(x.lo - offset), abs(x.hi - offset), abs(offset))
    sums = int(np.abs(node.inputs[1].value).sum((0, 1, 2)).max())
    return node.type.dtype.magnitude + 2 * sums * biggest < _SUM


def wishes(context: Context, group: Group):
    """Zeros around the image."""
    if any(group.anchor.op.pads):
        yield group.anchor.inputs[0], Border(group.anchor.op.pads, 0)


def emit(context: Context, group: Group) -> None:
    """One kernel: rows, vectors of channels, tiles of pixels."""
    node, pads = group.anchor, group.anchor.op.pads
    x = context.bordered(node.inputs[0], Border(pads, 0))
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    y = context.result(group.output)
    start = x.storage.origin
    if any(x.storage.border):
        start -= pads[0] * x.storage.row + pads[1] * x.storage.padded[2]
    layer = layer_of(node, x)
    channels = np.array(layer.starts)[:, None] + np.arange(layer.lanes)
    for share in Elements(group, y.storage).shares(channels):
        _Kernel(context, group, layer, x, share).emit(start, y, leaves)


class _Kernel:
    """The kernel of a layer's vectors of channels, or some of them."""

    def __init__(self, context: Context, group: Group, layer: Layer, x: Tensor, share: Share):
        self.share, self.elements = share, share.elements
        self.context, self.group, self.layer, self.x = context, group, layer, x
        self.weights = group.anchor.inputs[1].value[:, :, 0, :].astype(np.int64)
        kernel, *size = (context.setting(group, key) for key in ("kernel", "high", "pixels"))
        size = tuple(size) if all(size) else None
        self.maker = maker_for(context.core, layer, self.weights, x.storage, kernel, size)
        self.high, self.wide = self.maker.tile()

    def emit(self, start: int, y: Tensor, leaves: dict[int, Tensor]) -> None:
        layer, w = self.layer, self.context.writer()
        initial = self.elements.initial + self.x.storage.offset * self.weights.sum((0, 1))
        self.initial = np.broadcast_to(initial, layer.channels)
        self.px = w.tensor(self.x.place(start), self.x.storage.dtype)
        self.pw = self.maker.table(w)
        self.y, self.py = y, w.tensor(y.place(y.storage.origin), y.storage.dtype)
        self.read = {k: (t, w.tensor(t.place(t.storage.origin), t.storage.dtype)) for k, t in leaves.items()}
        count = -(-layer.rows // self.high)
        with ExitStack() as stack:
            row = const(0, w.index)
            if count > 1:
                row = stack.enter_context(w.outer()) * self.high
                if layer.rows % self.high:
                    row = w.let(tirx.min(row, w.stride(layer.rows - self.high)))
            turn, turns = const(0, w.index), len(self.share.numbers)
            if turns > 1:
                turn = stack.enter_context(w.loop(w.size(turns)) if count > 1 else w.outer())
            elif count == 1:
                stack.enter_context(w.outer())
            self._row(w, row, self.share.at(w, turn))
        macs = self.group.anchor.op.work(*self.group.anchor.inputs).macs * turns // len(layer.starts)
        self.context.add(self.maker.name, w, count if count > 1 else turns, macs)

    def _row(self, w, row, tile) -> None:
        """Whole tiles along a row, then the rest of it as one of its own."""
        layer = self.layer
        channel = tile * layer.lanes
        if layer.channels > layer.lanes and layer.channels % layer.lanes:
            channel = tirx.min(channel, w.stride(layer.channels - layer.lanes))
        channel = w.let(channel)
        whole, rest = divmod(layer.pixels, self.wide)
        if whole > 1:
            with w.loop(w.size(whole)) as index:
                self._tile(w, row, w.let(index * self.wide), tile, channel, self.wide)
        elif whole:
            self._tile(w, row, const(0, w.index), tile, channel, self.wide)
        if rest:
            self._tile(w, row, const(whole * self.wide, w.index), tile, channel, rest)

    def _tile(self, w, row, column, tile, channel, wide: int) -> None:
        """Sums of ``high`` times ``wide`` pixels, their functions and stores."""
        layer = self.layer
        source = (
            channel if layer.multiplier == 1 else tirx.truncdiv(channel, const(layer.multiplier, w.index))
        )
        sy, sx = layer.strides
        at = w.let(row * (sy * layer.row) + column * (sx * layer.pixel) + source)
        begin = w.channels(self.initial, "int32", channel, layer.lanes)
        sums = self.maker.sums(w, self.px, at, self.pw, tile, begin, (self.high, wide))
        valid = min(layer.lanes, layer.channels)
        for (down, across), vector in sums.items():
            place = (row + down, column + across)
            known = {id(self.group.anchor): self.elements.accumulator(vector)}
            for key, (tensor, pointer) in self.read.items():
                value = load_lanes(w, pointer, _index(w, place, tensor, channel), layer.lanes, valid)
                known[key] = leaf(value, tensor.storage.offset, tensor.storage.type.dtype)
            result = self.elements.stored(w, known, channel, layer.lanes)
            store_lanes(w, self.py, _index(w, place, self.y, channel), result, valid)


def _index(w, place, tensor: Tensor, channel):
    """Index of a pixel's channel behind the tensor's origin."""
    row, pixel, _ = strides(tensor.storage)
    return w.let(place[0] * row + place[1] * pixel + channel)


def _ways(context: Context, group: Group):
    """Kernels; rows and pixels of a tile."""
    if takes(context, group):
        yield from combined("depthwise", kernel=("long",), high=(1,), pixels=_PIXELS)
        if context.core.dot:
            yield from combined("depthwise", kernel=("dot",), high=(1, 2), pixels=_PIXELS)


DEPTHWISE = Rule(emit, takes, wishes, fuses=True, name="depthwise", ways=_ways)
