"""Sums of products by SMULL, SMLAL and SADALP: sixteen bytes of a pixel with those of one channel."""

from __future__ import annotations

import numpy as np

from ..builder import const
from ..elementwise import Elements
from ..isa import Core, high, low
from ..program import Storage
from .shapes import BLOCK, TILES, Shape, even

# Blocks of a sum that are written out; of longer ones, blocks of a loop's body. With 16 registers more would
# spill.
_WHOLE, _STEPS = {True: 9, False: 3}, {True: (6, 4, 3, 2, 1), False: (2, 1)}


class Long:
    """How a tile's sums are made on cores without SDOT.

    Two products add up in 16 bits before they are widened, where the weights allow: 16 products in three
    instructions.
    """

    name = "long"
    sums_dtype = "int32"

    def __init__(self, core: Core, shape: Shape, weights: np.ndarray, storage: Storage):
        self.core, self.shape, self.weights, self.storage = core, shape, weights, storage
        lo, hi = storage.type.dtype.lo, storage.type.dtype.hi
        ends = [lo - storage.offset, hi - storage.offset, storage.fill - storage.offset]
        self.biggest = max(abs(v) for v in ends)

    def channel_tiles(self) -> list[tuple[int, int]]:
        """(channels of a tile, tiles); sums of four channels share a vector in the end."""
        return [(4, -(-self.shape.channels // 4))] if self.shape.channels % 4 == 0 else self._ragged()

    def _ragged(self) -> list[tuple[int, int]]:
        whole = self.shape.channels // 4
        return [(4, whole)] * (whole > 0) + [(4, 1)]

    def pixels(self, width: int) -> int:
        """Pixels of a tile, as registers allow."""
        return even(self.shape.pixels, TILES) if self.core.wide else min(2, self.shape.pixels)

    def packed(self, first: int, width: int, count: int, elements: Elements):
        """Weights as they are read, and what the sums start from."""
        runs, length, m = self.weights.shape
        padded = np.zeros((runs, self.shape.blocks * BLOCK, first + width * count), np.int64)
        padded[:, :length, :m] = self.weights[:, :, : padded.shape[2]]
        tiles = padded[:, :, first:].reshape(runs, self.shape.blocks, BLOCK, count, width)
        start = np.zeros(max(padded.shape[2], m), np.int64)
        start[:m] = elements.initial + self.storage.offset * self.weights.sum((0, 1))
        self.paired = self._pairs_fit(padded)
        return tiles.transpose(3, 0, 1, 4, 2), start[first : first + width * count]

    def _pairs_fit(self, padded: np.ndarray) -> bool:
        """Whether two products, eight bytes apart, always fit 16 bits."""
        halves = np.abs(padded).reshape(padded.shape[0], -1, 2, 8, padded.shape[2]).sum(2)
        return int(halves.max(initial=0)) * self.biggest <= 2**15 - 1

    def sums(self, w, px, at, pw, pb, tile, width: int, pixels: int):
        """Each pixel's sums, int32 vectors of 4 lanes."""
        acc = w.array("int32", pixels * width * 4)
        base = w.let(tile * (self.shape.runs * self.shape.blocks * BLOCK * width))
        if self.shape.runs * self.shape.blocks <= _WHOLE[self.core.wide]:
            for i in range(0, pixels * width * 4, 4):
                w.store(acc, i, const(0, "int32x4"))
            for n in range(self.shape.runs * self.shape.blocks):
                run, b = divmod(n, self.shape.blocks)
                here = at + (run * self.shape.run + b * BLOCK)
                short = 0 < self.shape.length - b * BLOCK <= BLOCK // 2
                self._block(w, px, here, pw, base + n * BLOCK * width, acc, width, pixels, short)
        else:
            self._looped(w, px, at, pw, base, acc, width, pixels)
        bias = w.load(pb, tile * width, 4)
        isa, out = w.isa, []
        for p in range(pixels):
            four = [w.load(acc, (p * width + c) * 4, 4) for c in range(4)]
            total = isa.pairs(w.let(isa.pairs(four[0], four[1])), w.let(isa.pairs(four[2], four[3])))
            out.append(w.let(total + bias))
        return out

    def _looped(self, w, px, at, pw, base, acc, width: int, pixels: int) -> None:
        """Runs in a loop, and in it one of a few blocks at a time."""
        # Zeros from memory, as LDP takes two.
        zeros = w.table(np.zeros(pixels * width * 4), "int32")
        for i in range(0, pixels * width * 4, 4):
            w.store(acc, i, w.load(zeros, i, 4))
        block = BLOCK * width
        step = next(n for n in _STEPS[self.core.wide] if self.shape.blocks % n == 0)
        with w.loop(w.size(self.shape.runs)) as run:
            start = w.let(at + run * w.stride(self.shape.run))
            weight = w.let(base + run * w.stride(self.shape.blocks * block))
            with w.loop(w.size(self.shape.blocks // step)) as body:
                for b in range(step):
                    self._block(w, px, start + (body * step + b) * BLOCK, pw,
                                weight + (body * step + b) * block, acc, width, pixels)  # fmt: skip

    def _block(self, w, px, at, pw, weight, acc, width: int, pixels: int, short: bool = False) -> None:
        """Sixteen bytes of every pixel times those of every channel; of a run's ``short`` end, eight."""
        isa = w.isa
        x = [w.load(px, at + self.shape.behind(p), 16) for p in range(pixels)]
        for c in range(width):
            wc = w.load(pw, weight + c * BLOCK, 16)
            for p in range(pixels):
                place = (p * width + c) * 4
                first = isa.multiply_long(low(x[p]), low(wc))
                second = isa.multiply_long(high(x[p]), high(wc))
                if short:
                    w.store(acc, place, isa.pairs_accumulate(acc.at(place, 4), first))
                elif self.paired:
                    w.store(acc, place, isa.pairs_accumulate(acc.at(place, 4), first + second))
                else:
                    once = w.let(isa.pairs_accumulate(acc.at(place, 4), first))
                    w.store(acc, place, isa.pairs_accumulate(once, second))
