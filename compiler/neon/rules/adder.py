"""Rules of adder layers: tiles of pixels times channels as products have them, distances in registers.

``sum |x - w|`` is the same for codes shifted alike, so elements are read as they lie. Of a weight beyond all
that x can be, what lies between it and the nearest end is a constant: weights are cut to x's range, and fit
its lanes whatever their width. What lies beyond a run's end is masked to 0, and meets weights of 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...ir.graph import Node
from ...ir.ops import AdderConv2d
from ...ir.types import Int
from ..context import Border, Context, Tensor
from ..copies import copy_into, fill_border
from ..elementwise import Elements, Share
from ..groups import Group
from ..isa import Core
from ..program import Storage
from ..ways import combined
from .adder_plan import LANES, SETTINGS, Bounds, best_plan
from .adder_tile import Registers
from .gather import gathered
from .products import Tile
from .rule import Rule
from .shapes import Shape, in_rows, runs_of, shape_of

_BITS = {"int8": 8, "int16": 16}
# What tuning may try for pixels of a tile.
_PIXELS = (1, 2, 3, 4)


def _takes(context: Context, group: Group) -> bool:
    """Whether all that x can be fits 16 bits, taps lie side by side, and sums fit 32 bits."""
    node = group.anchor
    if isinstance(node.op, AdderConv2d) and node.op.dilations[1] != 1:
        return False
    codes = _codes(node)
    return codes.hi - codes.lo < 2**16 and node.type.dtype.magnitude < 2**30


def _codes(node: Node) -> Int:
    """What the weights meet: x, and 0 where there is padding."""
    x = node.inputs[0].type.dtype
    return Int(min(x.lo, 0), max(x.hi, 0)) if any(_pads(node)) else Int(x.lo, x.hi)


def _pads(node: Node) -> tuple[int, int, int, int]:
    return node.op.pads if isinstance(node.op, AdderConv2d) else (0, 0, 0, 0)


def _ways(context: Context, group: Group):
    """How distances add up; pixels and channels of a tile."""
    if _takes(context, group):
        chains = (0, 1, 2, 3) if context.core.dot else (-1, 0, 2, 3) if context.core.wide else (-1, 0)
        yield from combined("adder", chain=chains, pixels=_PIXELS, width=(4, 8))


def _wishes(context: Context, group: Group):
    """Zeros around the image."""
    if any(_pads(group.anchor)):
        yield group.anchor.inputs[0], Border(_pads(group.anchor), 0)


def _emit(context: Context, group: Group) -> None:
    """One call for each width of channel tile."""
    node = group.anchor
    x = _operand(context, node)
    leaves = {id(v): context.tensor(v) for v in group.leaves}
    y = context.result(group.output)
    start = 0
    if any(x.storage.border):
        top, left = (a - b for a, b in zip(x.storage.border[:2], _pads(node)[:2], strict=True))
        start = top * x.storage.row + left * x.storage.padded[2]
    source = shape = in_rows(shape_of(node, x), y)
    if x.storage.dtype == "int8":
        shape = gathered(shape, context.core.dot) or shape
    elements = Elements(group, y.storage)
    maker = _Distances(context.core, shape, x, elements, {k: context.setting(group, k) for k in SETTINGS})
    first = 0
    for width, count in maker.channel_tiles():
        shares = [Share(elements, np.arange(count))]
        Tile(context, group, shape, maker, (width, count), first, shares).emit(x, start, y, leaves, source)
        first += width * count


def _operand(context: Context, node: Node) -> Tensor:
    """The input with its border, in elements of 8 or 16 bits: a copy with an offset if it has larger ones."""
    value, border = node.inputs[0], Border(_pads(node), 0)
    if context.storage(value.type, border).dtype in _BITS:
        x = context.bordered(value, border)
        if x.storage.dtype in _BITS:
            return x
    x = context.temporary(Storage(value.type, "int16", _codes(node).lo + 2**15, border.widths, 0))
    if any(border.widths):
        fill_border(context, x)
    copy_into(context, context.tensor(value), x)
    return x


class _Distances:
    """How a tile's sums are made."""

    def __init__(
        self, core: Core, shape: Shape, x: Tensor, elements: Elements, wanted: Mapping[str, int | None]
    ):
        self.core, self.shape, self.storage = core, shape, x.storage
        self.bits = _BITS[x.storage.dtype]
        self.lanes = LANES[self.bits]
        self.blocks = -(-shape.length // self.lanes)
        lo, hi = _ends(x.storage)
        node = elements.group.anchor
        given = runs_of(node).reshape(shape.runs, shape.length, shape.channels) - x.storage.offset
        self.weights = np.clip(given, lo, hi)
        self.start = elements.initial - np.abs(given - self.weights).sum((0, 1))
        far = np.maximum(self.weights - lo, hi - self.weights)
        least, most = self.start - far.sum((0, 1)), self.start
        fits = least.min() >= -(2**15) and most.max() < 2**15
        self.sums_dtype = "int16" if fits else "int32"
        missing = (0, 0), (0, self.blocks * self.lanes - shape.length), (0, 0)
        blocks = np.pad(far, missing).reshape(shape.runs, self.blocks, self.lanes, shape.channels)
        bounds = Bounds(blocks, 2**self.bits - 1)
        self.plan = best_plan(core, shape, bounds, self.bits, bool(fits), wanted)
        self.name = "adder" + ("_low" if self.plan.low else "_wide" if self.bits > 8 else self._dot())
        self.lane, self.total = int(bounds.far.sum((0, 1)).max()), int(far.sum((0, 1)).max())

    def _dot(self) -> str:
        return "_dot" if self.plan.chain == 1 else ""

    def bound(self, element: str) -> int:
        """The largest sum in a lane of the registers at a pass's end."""
        bits = int(element[4:])
        return min(self.lane * bits // self.bits, 2**bits - 1)

    def channel_tiles(self) -> list[tuple[int, int]]:
        """(channels of a tile, tiles): as planned, and of those few that are left."""
        whole, rest = divmod(self.shape.channels, self.plan.width)
        few = next(n for n in (4, 8, 16) if n >= rest)
        return [(self.plan.width, whole)] * (whole > 0) + [(few, 1)] * (rest > 0)

    def pixels(self, width: int) -> int:
        """Pixels of a tile."""
        return self.plan.pixels

    def packed(self, first: int, width: int, count: int, elements: Elements):
        """Weights as they are read, and what the distances are taken from."""
        runs, length, m = self.weights.shape
        padded = np.zeros((runs, self.blocks * self.lanes, max(first + width * count, m)), np.int64)
        padded[:, :length, :m] = self.weights
        start = np.zeros(padded.shape[2], np.int64)
        start[:m] = self.start
        tiles = padded[:, :, first : first + width * count]
        tiles = tiles.reshape(runs, self.blocks, self.lanes, count, width).transpose(3, 0, 1, 4, 2)
        return tiles, start[first : first + width * count]

    def sums(self, w, px, at, pw, pb, tile, width: int, pixels: int):
        """Each pixel's sums, vectors of ``width`` lanes of ``sums_dtype``."""
        return Registers(self, w, px, pw, width, pixels).sums(at, pb, tile)


def _ends(storage: Storage) -> tuple[int, int]:
    """The least and the greatest code in memory."""
    d = storage.type.dtype
    values = [d.lo, d.hi, storage.fill] if any(storage.border) else [d.lo, d.hi]
    return min(values) - storage.offset, max(values) - storage.offset


ADDER = Rule(_emit, _takes, _wishes, fuses=True, name="adder", ways=_ways)
