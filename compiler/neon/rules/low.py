"""Sums of products of few bits: MLA in lanes of 8 bits for as long as they hold, then 16 bits to the end.

A sum is cut into vectors of sixteen bytes, one after another. A chain of vectors adds up in bytes where its
weights keep every lane within -128 .. 127; arithmetic of 16 bits wraps around and needs only the whole sum to
fit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ...ir.types import Int
from ..builder import const
from ..elementwise import Elements
from ..isa import Core, high, low
from ..program import Storage
from .shapes import BLOCK, Shape
from .sums import folded

# Vectors of a sum written out without a loop, and of a run in a loop's body.
_UNROLLED = 10
_BODY = 8
# Chains of this many vectors are a loop's body each: of more, LLVM adds up the last sums first, and spills.
_LONG = 3
# A range of up to this many steps gains by a place around 0: two products of 4 bits fit a byte then.
_CENTRED = range(4, 31)


def centre(lo: int, hi: int) -> int | None:
    """The offset that leaves activations the least magnitudes, or None where it is no gain."""
    middle = (lo + hi + 1) // 2
    if hi - lo not in _CENTRED or max(middle - lo, hi - middle) >= max(abs(lo), abs(hi)):
        return None
    return middle


@dataclass(frozen=True)
class Chains:
    """How a run's vectors add up in bytes.

    Attributes:
        length: vectors of a chain; 0: products are widened at once (SMLAL).
        passes: runs whose chains go on from one to the next in bytes; 0: each chain is added to 16 bits.
        bound: the largest magnitude of a lane at a pass's end.
    """

    length: int
    passes: int = 0
    bound: int = 0


class Low:
    """How a tile's sums are made where products of few bits leave lanes of 8 or 16 bits unfilled."""

    name = "low"
    sums_dtype = "int16"

    def __init__(self, core: Core, shape: Shape, weights: np.ndarray, storage: Storage):
        self.core, self.shape, self.weights, self.storage = core, shape, weights, storage
        lo, hi = storage.type.dtype.lo, storage.type.dtype.hi
        ends = [lo - storage.offset, hi - storage.offset]
        if any(storage.border):
            ends.append(storage.fill - storage.offset)
        self.flat = shape.runs * shape.blocks <= _UNROLLED
        self.least, self.most = self._bounds(min(ends), max(ends))
        self.chains = self._chains()

    def _bounds(self, lo: int, hi: int):
        """Least and greatest product of every lane: (runs, blocks, BLOCK, channels), one run where flat."""
        runs, length, m = self.weights.shape
        padded = np.zeros((runs, self.shape.blocks * BLOCK, m), np.int64)
        padded[:, :length] = self.weights
        products = np.stack([padded * lo, padded * hi]).reshape(2, 1 if self.flat else runs, -1, BLOCK, m)
        # With 0 in every range, whatever part of a chain fits where the whole does.
        return np.minimum(products.min(0), 0), np.maximum(products.max(0), 0)

    def _sums(self) -> Int:
        """What sums that start from 0 reach."""
        return Int(int(self.least.sum((0, 1, 2)).min()), int(self.most.sum((0, 1, 2)).max()))

    def fits(self, offsets: np.ndarray) -> bool:
        """Whether the sums, started from ``offsets``, fit 16 bits."""
        offsets = offsets + self.storage.offset * self.weights.sum((0, 1))
        least, most = self.least.sum((0, 1, 2)) + offsets, self.most.sum((0, 1, 2)) + offsets
        return bool(least.min() >= -(2**15) and most.max() < 2**15)

    def _chains(self) -> Chains:
        """The cheapest way that is exact."""
        runs, blocks = self.least.shape[:2]
        for passes in range(runs, 0, -1):
            if runs % passes == 0 and self._held(blocks, passes):
                return Chains(blocks, passes, self._held(blocks, passes))
        return Chains(max((n for n in range(2, 7) if n <= blocks and self._held(n)), default=0))

    def _held(self, length: int, runs: int = 1) -> int:
        """The largest magnitude in a lane of chains of so many vectors and runs; 0 where bytes overflow."""
        missing = (0, 0), (0, -self.least.shape[1] % length), (0, 0), (0, 0)
        sides = [np.pad(v, missing) for v in (self.least, self.most)]
        sums = [v.reshape(v.shape[0] // runs, runs, -1, length, v[0, 0].size).sum((1, 3)) for v in sides]
        least, most = sums[0].min(), sums[1].max()
        return int(max(-least, most, 1)) if least >= -128 and most < 128 else 0

    def channel_tiles(self) -> list[tuple[int, int]]:
        """(channels of a tile, tiles)."""
        whole, rest = divmod(self.shape.channels, 8)
        return [(8, whole)] * (whole > 0) + [(8 if rest > 4 else 4, 1)] * (rest > 0)

    def pixels(self, width: int) -> int:
        """Pixels of a tile: 16 sums in registers, or 8 where there are 16 registers."""
        return min((16 if self.core.wide else 8) // width, self.shape.pixels)

    def packed(self, first: int, width: int, count: int, elements: Elements):
        """Weights as they are read, and what the sums start from."""
        runs, length, m = self.weights.shape
        padded = np.zeros((runs, self.shape.blocks * BLOCK, max(first + width * count, m)), np.int64)
        padded[:, :length, :m] = self.weights
        tiles = padded[:, :, first : first + width * count]
        start = np.zeros(padded.shape[2], np.int64)
        begin = elements.initial + self.storage.offset * self.weights.sum((0, 1))
        self.bare = elements.starts_from_zero(begin, self._sums(), self.sums_dtype)
        if not self.bare:
            start[:m] = begin
        whole = tiles.reshape(runs, self.shape.blocks, BLOCK, count, width).transpose(3, 0, 1, 4, 2)
        return whole, start[first : first + width * count]

    def sums(self, w, px, at, pw, pb, tile, width: int, pixels: int):
        """Each pixel's sums, int16 vectors of ``width`` lanes."""
        totals = [] if self.bare else [w.load(pb, tile * width, width)] * pixels
        base = w.let(tile * (self.shape.runs * self.shape.blocks * BLOCK * width))
        tile_ = _Registers(self, w, px, pw, width, pixels)
        step = self.chains.passes or len(self.least)
        for first in range(0, len(self.least), step):
            tile_.clear()
            self._over(w, at, base, step, first, tile_)
            found = tile_.folded()
            totals = [w.let(t + v) for t, v in zip(totals, found, strict=True)] if totals else found
        return totals

    def _over(self, w, at, base, runs: int, first: int, tile: _Registers) -> None:
        """Some runs of the sum, written out where they are short."""
        blocks, row = self.shape.blocks, self.shape.blocks * BLOCK * tile.width
        if self.flat:
            places = [r * self.shape.run + b * BLOCK for r in range(self.shape.runs) for b in range(blocks)]
            tile.add(at, base, places)
        elif runs == 1:
            self._run(w, at + first * self.shape.run, base + first * row, tile)
        else:
            with w.loop(w.size(runs)) as run:
                start = w.let(at + (first * self.shape.run + run * w.stride(self.shape.run)))
                self._run(w, start, w.let(base + (first * row + run * row)), tile)

    def _run(self, w, start, weight, tile: _Registers) -> None:
        """All vectors of a run, a few at a time."""
        bodies, rest = divmod(self.shape.blocks, self._body)
        size = self._body * BLOCK
        with ExitStack() as stack:
            body = const(0, w.index)
            if bodies > 1:
                body = stack.enter_context(w.loop(w.size(bodies)))
            if bodies:
                places = range(0, size, BLOCK)
                tile.add(start + body * size, weight + body * (size * tile.width), places)
        if rest:
            done = bodies * size
            tile.add(start + done, weight + done * tile.width, range(0, rest * BLOCK, BLOCK))

    @property
    def _body(self) -> int:
        """Vectors of a loop's body: whole chains, and no rest if that can be had."""
        if not self.chains.passes and self.chains.length >= _LONG:
            return self.chains.length
        unit = 1 if self.chains.passes else max(self.chains.length, 1)
        return min(range(unit, _BODY + 1, unit), key=lambda n: (self.shape.blocks % n, -n))


class _Registers:
    """A tile's sums while they are made: one vector of bytes or words for each pixel and channel."""

    def __init__(self, maker: Low, w, px, pw, width: int, pixels: int):
        self.chains, self.behind = maker.chains, maker.shape.behind
        self.w, self.px, self.pw, self.width, self.pixels = w, px, pw, width, pixels
        self.element, self.lanes = ("int8", 16) if self.chains.passes else ("int16", 8)
        count = self.lanes * pixels * width
        self.sums = w.array(self.element, count)
        # From memory where a loop follows, as LDP takes two; LLVM leaves out those known to be 0 elsewhere.
        self.zeros = None if maker.flat or not w.core.wide else w.table(np.zeros(count), self.element)

    def clear(self) -> None:
        """All sums 0."""
        for i in range(0, self.pixels * self.width * self.lanes, self.lanes):
            zero = (
                self.w.load(self.zeros, i, self.lanes)
                if self.zeros
                else const(0, f"{self.element}x{self.lanes}")
            )
            self.w.store(self.sums, i, zero)

    def add(self, at, weight, places) -> None:
        """The products of the vectors at ``places`` of every pixel and channel, chain by chain."""
        step = 2 if self.chains.passes else max(self.chains.length, 1)
        for i in range(0, len(places), step):
            self._chain(at, weight + i * BLOCK * self.width, places[i : i + step])

    def _chain(self, at, weight, places) -> None:
        w, count = self.w, len(places)
        x = [[w.load(self.px, at + (self.behind(p) + b), 16) for b in places] for p in range(self.pixels)]
        for c in range(self.width):
            for b in range(count):
                taps = w.load(self.pw, weight + (b * self.width + c) * BLOCK, 16)
                self._multiply(x, taps, b, c, b == count - 1)

    def _multiply(self, x, taps, b: int, c: int, last: bool) -> None:
        w = self.w
        for p, vectors in enumerate(x):
            place = (p * self.width + c) * self.lanes
            old = self.sums.at(place, self.lanes)
            if self.chains.passes:
                w.store(self.sums, place, old + vectors[b] * taps)
            elif not self.chains.length:
                once = w.let(old + w.isa.multiply_long(low(vectors[b]), low(taps)))
                w.store(self.sums, place, once + w.isa.multiply_long(high(vectors[b]), high(taps)))
            else:
                known = self.__dict__.setdefault("_open", {})
                known[place] = w.let(known[place] + vectors[b] * taps) if b else w.let(vectors[b] * taps)
                if last:
                    w.store(self.sums, place, w.isa.pairs_accumulate(old, known.pop(place)))

    def folded(self):
        """Each pixel's sums across the lanes, int16 vectors of ``width`` lanes."""
        step = self.lanes * self.width
        return [
            folded(self.w, [self.w.load(self.sums, p * step + c * self.lanes, self.lanes)
                            for c in range(self.width)], self.chains.bound)
            for p in range(self.pixels)
        ]  # fmt: skip
