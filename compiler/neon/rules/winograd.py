"""Rule of 3x3 convolutions of stride 1 on cores without SDOT: Winograd's F(4x4, 3x3) in exact integers.

Weights are transformed at each inference, as transformed ones would take eight times the memory: it costs few
instructions where the image is not tiny. What is transformed lies in the arena; how much at once is planned
so that the arena stays below twice what the network's tensors need anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import numpy as np

from ...ir.graph import Node
from ...ir.ops import Conv2d
from ...ir.types import Int, TensorType
from ..context import Border, Context, Tensor
from ..copies import strides
from ..groups import Group
from ..program import Storage
from ..ways import Way
from . import products
from .room import room_beside
from .rule import Rule
from .winograd_kernels import (
    LARGEST,
    POSITIONS,
    TAPS,
    TILE,
    Band,
    Product,
    Results,
    transform_tiles,
    transform_weights,
)

# Instructions, as counted under qemu: for 8 weights, 8 channels of a tile, 4 channels of a tile's results, a
# call, and a product the other way (long.py).
WEIGHTS, TILES, RESULTS, CALL, PLAIN = 135, 270, 200, 100, 0.21

# Cuts that tuning may try, those first that should need the fewest instructions.
_TRIED = 5
_SETTINGS = ("channels", "rows", "kept", "width")

_WORD = Int(-(2**15), 2**15 - 1)
_LONG = Int(-(2**31), 2**31 - 1)


@dataclass(frozen=True)
class Choice:
    """How a layer is cut: ``group`` channels at a time, bands of ``rows`` rows of tiles.

    Attributes:
        kept: the whole image's tiles are transformed once, in front of the groups of channels.
        width, height: channels and tiles whose sums are in registers.
        bytes: of memory for what is transformed.
        instructions: an estimate for the whole layer.
    """

    group: int
    rows: int
    kept: bool
    width: int
    height: int
    bytes: int
    instructions: float

    @property
    def settings(self) -> tuple[int, ...]:
        """What tells it from a layer's other cuts: values of _SETTINGS."""
        return self.group, self.rows, int(self.kept), self.width


def _takes(context: Context, group: Group) -> bool:
    """Whether it is such a convolution, results fit, and it is worth it."""
    return _can(context, group) and _choice(context, group) is not None


def _can(context: Context, group: Group) -> bool:
    """Whether it is such a convolution, and results fit."""
    node = group.anchor
    if node is None or not isinstance(node.op, Conv2d) or context.core.dot:
        return False
    (kh, kw, c, m), op = node.inputs[1].type.shape, node.op
    if (kh, kw, op.groups) != (TAPS, TAPS, 1) or op.strides != (1, 1) or op.dilations != (1, 1):
        return False
    if c % 8 or m % 8 or min(node.type.shape[:2]) < TILE or not products.takes(context, group):
        return False
    if node.type.dtype.magnitude < 2**15:
        # Sums of 16 bits take fewer instructions as they are (low.py).
        return False
    largest = 128 * int(np.abs(node.inputs[1].value).sum((0, 1, 2)).max())
    return largest * LARGEST < 2**31


def _choice(context: Context, group: Group) -> Choice | None:
    """The one that is set; else the cheapest that memory allows, where it needs fewer instructions than
    products as they are."""
    wanted = tuple(context.setting(group, key) for key in _SETTINGS)
    for choice in _choices(context, group.anchor):
        if choice.settings == wanted:
            return choice
    node = group.anchor
    oh, ow, m = node.type.shape
    taps = TAPS * TAPS * node.inputs[1].type.shape[2]
    best = next(_fitting(context, group), None)
    return best if best is not None and best.instructions < oh * ow * m * taps * PLAIN else None


def _fitting(context: Context, group: Group) -> Iterator[Choice]:
    """The cuts that memory allows, the cheapest first."""
    room = room_beside(context, group)
    return (c for c in _choices(context, group.anchor) if c.bytes <= room)


def _ways(context: Context, group: Group) -> Iterator[Way]:
    """The first few cuts that memory allows."""
    if _can(context, group):
        for choice in islice(_fitting(context, group), _TRIED):
            yield Way("winograd", tuple(zip(_SETTINGS, choice.settings, strict=True)))


def _choices(context: Context, node: Node) -> tuple[Choice, ...]:
    """All ways to cut a layer, the cheapest first."""
    return _cuts(context.core.wide, node.type.shape, node.inputs[1].type.shape[2])


@lru_cache(maxsize=256)
def _cuts(wide: bool, shape: tuple[int, int, int], c: int) -> tuple[Choice, ...]:
    """``_choices`` of a result's shape and input channels."""
    return tuple(sorted(_all_cuts(wide, shape, c), key=lambda cut: (cut.instructions, cut.bytes)))


def _all_cuts(wide: bool, shape: tuple[int, int, int], c: int) -> Iterator[Choice]:
    oh, ow, m = shape
    down, across = -(-oh // TILE), -(-ow // TILE)
    height = min(4 if wide else 2, down * across)
    for width in (n for n in ((16, 8) if wide else (8,)) if m % n == 0):
        for group in (n for n in range(width, m + 1, width) if m % n == 0):
            for rows in range(1, down + 1):
                for kept in (False, True)[: 1 + (group < m)]:
                    yield _cut(c, m, (down, across), group, rows, kept, width, height)


def _cut(c: int, m: int, tiles: tuple[int, int], group: int, rows: int, kept: bool, width: int, height: int):
    down, across = tiles
    bands = -(-down // rows)
    room = -(-rows * across // height) * height
    together = (down if kept else rows) * across
    bytes_ = POSITIONS * (2 * c * group + 2 * c * together + 4 * room * group) + 8 * height * (c + group)
    blocks = bands * (room // height) * (m // width)
    body = c * (height * width / 4 + width / 16 + height / 16)
    instructions = (
        WEIGHTS * c * m / 8
        + TILES * down * across * c / 8 * (1 if kept else m // group)
        + RESULTS * down * across * m / 4
        + POSITIONS * blocks * (body + height * width / 3 + 12)
        + CALL * bands * (m // group)
    )
    return Choice(group, rows, kept, width, height, bytes_, instructions)


def emit(context: Context, group: Group) -> None:
    """Weights, then tiles, products and results of each band."""
    node = group.anchor
    pads = node.op.pads
    choice = _choice(context, group)
    x = context.bordered(node.inputs[0], Border(pads, 0))
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    y = context.result(group.output)
    _Layer(context, group, choice, x, y, leaves).emit()


class _Layer:
    """One convolution's calls."""

    def __init__(self, context: Context, group: Group, choice: Choice, x: Tensor, y: Tensor, leaves):
        self.context, self.group, self.choice, self.x, self.y = context, group, choice, x, y
        self.node, self.leaves = group.anchor, leaves
        self.height, self.width, self.outputs = self.node.type.shape
        self.channels = x.storage.type.shape[2]
        self.across = -(-self.width // TILE)

    def emit(self) -> None:
        """The tiles of all bands first where several groups of channels need them, else each band's."""
        choice = self.choice
        bands = list(self._bands(choice.rows))
        most = bands[0].tiles
        tiles = self._memory(_WORD, most, self.channels)
        if choice.kept:
            (whole,) = self._bands(-(-self.height // TILE))
            tiles = self._memory(_WORD, whole.tiles, self.channels)
            self._transform(whole, tiles)
        room = -(-most // choice.height) * choice.height
        for first in range(0, self.outputs, choice.group):
            weights = self._weights(first)
            sums = self._memory(_LONG, room, choice.group)
            for number, band in enumerate(bands):
                if not choice.kept:
                    self._transform(band, tiles)
                begin = number * most if choice.kept else 0
                self._multiply(first, band, begin, tiles, weights, sums)

    def _bands(self, rows: int):
        """Rows of tiles; the last of the image ends with it."""
        count, edge = -(-self.height // TILE), self.height - TILE
        for first in range(0, count, rows):
            here = min(rows, count - first)
            begin = min(first * TILE, edge)
            last = min((first + here - 1) * TILE, edge) - begin
            yield Band(begin, here, self.across, last, self.width - TILE)

    def _memory(self, kind: Int, tiles: int, channels: int) -> Tensor:
        """Room for 36 matrices, and for a product's height of tiles behind them."""
        type_ = TensorType((POSITIONS, tiles, channels), kind)
        spare = TensorType((POSITIONS * tiles + self.choice.height, 1, channels), kind)
        dtype = "int16" if kind is _WORD else "int32"
        tensor = self.context.temporary(Storage(spare, dtype))
        return replace(tensor, storage=Storage(type_, dtype))

    def _transform(self, band: Band, tiles: Tensor) -> None:
        storage, pads = self.x.storage, self.node.op.pads
        row, pixel, _ = strides(storage)
        start = 0
        if any(storage.border):
            start = (storage.border[0] - pads[0]) * row + (storage.border[1] - pads[1]) * pixel
        transform_tiles(self.context, self.x, start, (row, pixel), band, tiles)

    def _weights(self, first: int) -> Tensor:
        """The transformed weights of a group's channels: (36, C times channels)."""
        choice, c = self.choice, self.channels
        values = self.node.inputs[1].value[..., first : first + choice.group]
        blocks = values.reshape(TAPS * TAPS, c, choice.group // choice.width, choice.width)
        target = self._memory(_WORD, c, choice.group)
        transform_weights(self.context, blocks.transpose(0, 2, 1, 3).reshape(TAPS * TAPS, -1), target)
        return target

    def _multiply(self, first: int, band: Band, begin: int, tiles: Tensor, weights: Tensor, sums: Tensor):
        """A band's products and results of the channels from ``first`` on."""
        choice = self.choice
        product = Product(self.channels, choice.group, choice.width, choice.height)
        share = band.tiles * TILE * TILE * choice.group / self.node.type.size
        macs = self.node.op.work(*self.node.inputs).macs
        product.emit(self.context, tiles, weights, sums, (begin, band.tiles), int(macs * min(share, 1.0)))
        results = Results(self.context, self.group, self.y, self.leaves, sums)
        start = np.broadcast_to(results.elements.initial, (self.outputs,))
        start = start + self.x.storage.offset * self.node.inputs[1].value.sum((0, 1, 2))
        results.emit(band, first, choice.group, start)


WINOGRAD = Rule(emit, _takes, products.wishes, fuses=True, name="winograd", ways=_ways)
