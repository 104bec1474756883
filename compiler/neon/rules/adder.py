"""Rules of adder layers: tiles of pixels times channels as products have them, distances in registers.

``sum |x - w|`` is the same for codes shifted alike, so elements are read as they lie. Of a weight beyond all
that x can be, what lies between it and the nearest end is a constant: weights are cut to x's range, and fit
its lanes whatever their width. What lies beyond a run's end is masked to 0, and meets weights of 0.
"""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from ...ir.graph import Node
from ...ir.ops import AdderConv2d
from ...ir.types import Int
from ..builder import const
from ..context import Border, Context, Tensor
from ..elementwise import Elements, Share
from ..groups import Group
from ..isa import Core, cast, high, low, part
from ..program import Storage, fitting
from .adder_plan import BODY, LANES, UNROLLED, Bounds, best_plan, spans
from .adder_sums import across
from .gather import gathered
from .products import Tile
from .rule import Rule
from .shapes import Shape, in_rows, runs_of, shape_of

_BITS = {"int8": 8, "int16": 16}


def _takes(context: Context, group: Group) -> bool:
    """Whether x fits 16 bits, taps lie side by side, and sums fit 32 bits."""
    node = group.anchor
    x = node.inputs[0].type
    if isinstance(node.op, AdderConv2d) and node.op.dilations[1] != 1:
        return False
    if not x.shape or context.wished(node.inputs[0]).dtype not in _BITS:
        return False
    return fitting(_codes(node))[0] in _BITS and node.type.dtype.magnitude < 2**30


def _codes(node: Node) -> Int:
    """What the weights meet: x, and 0 where there is padding."""
    x = node.inputs[0].type.dtype
    return Int(min(x.lo, 0), max(x.hi, 0)) if any(_pads(node)) else Int(x.lo, x.hi)


def _pads(node: Node) -> tuple[int, int, int, int]:
    return node.op.pads if isinstance(node.op, AdderConv2d) else (0, 0, 0, 0)


def _wishes(context: Context, group: Group):
    """Zeros around the image."""
    if any(_pads(group.anchor)):
        yield group.anchor.inputs[0], Border(_pads(group.anchor), 0)


def _emit(context: Context, group: Group) -> None:
    """One call for each width of channel tile."""
    node = group.anchor
    x = context.bordered(node.inputs[0], Border(_pads(node), 0))
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
    maker = _Distances(context.core, shape, x, elements)
    first = 0
    for width, count in maker.channel_tiles():
        share = Share(elements, np.arange(count))
        Tile(context, group, shape, maker, (width, count), first, share).emit(x, start, y, leaves, source)
        first += width * count


class _Distances:
    """How a tile's sums are made."""

    name = "adder"

    def __init__(self, core: Core, shape: Shape, x: Tensor, elements: Elements):
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
        self.plan = best_plan(core, shape, bounds, self.bits, bool(fits))
        self.lane, self.total = int(bounds.far.sum((0, 1)).max()), int(far.sum((0, 1)).max())

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
        return _Registers(self, w, px, pw, width, pixels).sums(at, pb, tile)


def _ends(storage: Storage) -> tuple[int, int]:
    """The least and the greatest code in memory."""
    d = storage.type.dtype
    values = [d.lo, d.hi, storage.fill] if any(storage.border) else [d.lo, d.hi]
    return min(values) - storage.offset, max(values) - storage.offset


class _Registers:
    """A tile's distances while they are made: one vector for each pixel and channel."""

    def __init__(self, maker: _Distances, w, px, pw, width: int, pixels: int):
        self.maker, self.shape, self.plan = maker, maker.shape, maker.plan
        self.w, self.px, self.pw, self.width, self.pixels = w, px, pw, width, pixels
        bits, self.chain = maker.bits, maker.plan.chain
        self.dots = w.core.dot and bits == 8 and self.chain > 0
        self.wide = f"uint{bits if self.plan.narrow else 4 * bits if self.dots else 2 * bits}"
        self.lanes, self.row = 128 // int(self.wide[4:]), maker.lanes * width
        self.acc = w.array(self.wide, self.lanes * pixels * width)
        self.tail = self.shape.length % maker.lanes
        self.mask = self._mask()

    def _mask(self):
        """Lanes of a run's last vector that are its own."""
        if not self.tail:
            return None
        ones = np.where(np.arange(self.maker.lanes) < self.tail, -1, 0)
        table = self.w.table(ones, self.maker.storage.dtype)
        return self.w.named(table.at(0, self.maker.lanes))

    def sums(self, at, pb, tile):
        """Passes over the taps; behind each the lanes are added up and taken from what was there."""
        w, width, plan = self.w, self.width, self.plan
        begin = w.load(pb, tile * width, width)
        weight = w.let(tile * (self.shape.runs * self.maker.blocks * self.row))
        totals = w.array(self.maker.sums_dtype, width * self.pixels)
        for p in range(self.pixels):
            w.store(totals, p * width, begin)
        for run, times, runs in spans(self.shape.runs, plan.runs):
            for block, often, blocks in spans(self.maker.blocks, plan.blocks):
                with ExitStack() as stack:
                    u, v = (self._again(stack, n) for n in (times, often))
                    first, place = run + u * runs, block + v * blocks
                    here = at + (first * self.shape.run + place * self.maker.lanes)
                    there = weight + (first * self.maker.blocks + place) * self.row
                    ends = self.tail > 0 and block + often * blocks == self.maker.blocks
                    self._pass(w.let(here), w.let(there), runs, blocks, ends)
                    self._taken(totals)
        return [w.load(totals, p * width, width) for p in range(self.pixels)]

    def _again(self, stack: ExitStack, times: int):
        """The counter of a loop entered on ``stack``, or 0."""
        return stack.enter_context(self.w.loop(self.w.size(times))) if times > 1 else const(0, self.w.index)

    def _taken(self, totals) -> None:
        """Every pixel's lanes added up, and subtracted from its totals."""
        w, maker, width = self.w, self.maker, self.width
        for p in range(self.pixels):
            vectors = [w.load(self.acc, (p * width + c) * self.lanes, self.lanes) for c in range(width)]
            found = across(w, vectors, maker.sums_dtype, maker.bound(self.wide), maker.total)
            w.store(totals, p * width, totals.at(p * width, width) - found)

    def _pass(self, at, weight, runs: int, blocks: int, ends: bool) -> None:
        """Some runs, or blocks of one; ``ends``: the last of a run has a tail."""
        for i in range(self.pixels * self.width):
            self.w.store(self.acc, i * self.lanes, const(0, f"{self.wide}x{self.lanes}"))
        if runs * blocks <= UNROLLED:
            places = [
                (r * self.shape.run + b * self.maker.lanes, ends and b == blocks - 1)
                for r in range(runs)
                for b in range(blocks)
            ]
            self._chains(at, weight, places)
            return
        with ExitStack() as stack:
            run = self._again(stack, runs)
            start = self.w.let(at + run * self.w.stride(self.shape.run))
            self._run(start, self.w.let(weight + run * self.w.stride(blocks * self.row)), blocks, ends)

    def _run(self, at, weight, blocks: int, ends: bool) -> None:
        """All blocks of a run, a few at a time; one with a tail behind the loop."""
        apart = int(ends)
        unit = max(self.chain, 1)
        body = min(range(unit, max(BODY, unit) + 1, unit), key=lambda n: ((blocks - apart) % n, -n))
        turns = (blocks - apart) // body
        lanes = self.maker.lanes
        if turns:
            with ExitStack() as stack:
                turn = self._again(stack, turns)
                here, there = at + turn * (body * lanes), weight + turn * (body * self.row)
                self._chains(here, there, [(b * lanes, False) for b in range(body)])
        done = turns * body
        places = [((b - done) * lanes, ends and b == blocks - 1) for b in range(done, blocks)]
        self._chains(at + done * lanes, weight + done * self.row, places)

    def _chains(self, at, weight, places: list[tuple[int, bool]]) -> None:
        """The vectors at ``places`` of every pixel and channel, chain by chain; marked ones have a tail."""
        step = max(self.chain, 1)
        for i in range(0, len(places), step):
            self._chain(at, weight + i * self.row, places[i : i + step])

    def _chain(self, at, weight, places: list[tuple[int, bool]]) -> None:
        lanes, w = self.maker.lanes, self.w
        # Of a short tail the upper half of the lanes is left out.
        short = self.chain < 0 and places[0][1] and self.tail <= lanes // 2
        count = lanes // 2 if short else lanes
        x = [
            [self._input(at + (p * self.shape.pixel + place), count, cut) for place, cut in places]
            for p in range(self.pixels)
        ]
        for c in range(self.width):
            chains = [None] * self.pixels
            for b in range(len(places)):
                taps = w.load(self.pw, weight + (b * self.row + c * lanes), count)
                for p in range(self.pixels):
                    far = w.let(w.isa.distance(x[p][b], taps))
                    chains[p] = far if b == 0 else w.let(chains[p] + far)
            for p, far in enumerate(chains):
                self._add((p * self.width + c) * self.lanes, far)

    def _input(self, at, count: int, cut: bool):
        """A vector of a pixel."""
        x = self.w.load(self.px, at, count)
        if not cut or self.tail == count:
            return x
        return self.w.let(x & part(self.mask, 0, count))

    def _add(self, place: int, far) -> None:
        """Distances of a chain to a sum."""
        w, old = self.w, self.acc.at(place, self.lanes)
        if self.plan.narrow:
            w.store(self.acc, place, old + far)
        elif self.dots:
            w.store(self.acc, place, w.isa.dot_unsigned(old, far, const(1, "uint8x16")))
        elif self.chain > 0:
            w.store(self.acc, place, w.isa.pairs_accumulate(old, far))
        else:
            for half in (low(far), high(far)) if far.ty.dtype.lanes == self.maker.lanes else (far,):
                old = w.let(old + cast(half, self.wide))
            w.store(self.acc, place, old)


ADDER = Rule(_emit, _takes, _wishes, fuses=True)
