"""Sums of products by SDOT: four channels to a vector, four bytes of a pixel broadcast from a lane."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from ..builder import const
from ..elementwise import Elements
from ..isa import Core, part, reinterpret, spread
from ..program import Storage
from ..streams import BYTES, Stream
from .shapes import BLOCK, Shape, even

_QUAD = 4
# Blocks of a sum written out: the weights of more lie farther off than LDP reaches.
_UNROLLED = 4
# Runs written out, each with pointers of its own.
_RUNS = 3


class Dot:
    """How a tile's sums are made where the core has SDOT (16 products an instruction)."""

    name = "dot"
    sums_dtype = "int32"

    def __init__(self, core: Core, shape: Shape, weights: np.ndarray, storage: Storage):
        self.core, self.shape, self.weights, self.storage = core, shape, weights, storage
        self.quads = -(-shape.length // _QUAD)

    def channel_tiles(self) -> list[tuple[int, int]]:
        """(channels of a tile, tiles): tiles of 16, then one of 16, or of 8 and 4, for the rest."""
        rest = -(-(self.shape.channels % 16) // 4) * 4
        tiles = [(16, self.shape.channels // 16), (16, rest // 16), (8, rest % 16 // 8), (4, rest % 8 // 4)]
        return [t for t in tiles if t[1]]

    def pixels(self, width: int) -> int:
        """Pixels of a tile: registers hold its sums, two blocks of its pixels and a few weights."""
        if width == 16:
            return even(self.shape.pixels, {4: 11, 5: 14})
        return min(8, self.shape.pixels)

    def packed(self, first: int, width: int, count: int, elements: Elements):
        """Weights as they are read, and what the sums start from."""
        runs, length, m = self.weights.shape
        padded = np.zeros((runs, self.quads * _QUAD, first + width * count), np.int64)
        padded[:, :length, :m] = self.weights[:, :, : padded.shape[2]]
        tiles = padded[:, :, first:].reshape(runs, self.quads, _QUAD, count, width // 4, 4)
        start = np.zeros(max(padded.shape[2], m), np.int64)
        start[:m] = elements.initial + self.storage.offset * self.weights.sum((0, 1))
        return tiles.transpose(3, 0, 1, 4, 5, 2), start[first : first + width * count]

    def sums(self, w, px, at, pw, pb, tile, width: int, pixels: int):
        """Each pixel's sums, int32 vectors of ``width`` lanes."""
        vectors = width // 4
        acc = w.array("int32", pixels * width)
        for v in range(vectors):
            bias = w.load(pb, tile * width + 4 * v, 4)
            for p in range(pixels):
                w.store(acc, p * width + 4 * v, bias)
        base = w.let(tile * (self.shape.runs * self.quads * _QUAD * width))
        self.stream = Stream(w, pw, base) if width * _QUAD == BYTES else None
        bytes_ = self.quads * 4 * width
        one = self.shape.channels <= width or self.shape.runs == 1
        if one and self.shape.blocks <= _UNROLLED and self.shape.runs <= _RUNS:
            for run in range(self.shape.runs):
                x, weights = px, pw
                if run:
                    x = w.behind(px, run * self.shape.run)
                    weights = pw if self.stream else w.behind(pw, run * bytes_)
                self._run(w, x, at, weights, base, acc, range(self.quads), vectors, pixels)
        else:
            self._looped(w, px, at, pw, base, acc, vectors, pixels)
        return [w.let(acc.at(p * width, width)) for p in range(pixels)]

    def _looped(self, w, px, at, pw, base, acc, vectors: int, pixels: int) -> None:
        """Runs in a loop, and whole blocks of each in a loop of two at a time."""
        step = next(n for n in (3, 2, 1) if self.quads % (n * 4) == 0 or n == 1)
        chunk, row = 4 * step, _QUAD * 4 * vectors  # quads written out, and bytes of one's weights
        pointers = [pw]
        if self.quads % (2 * chunk) == 0:
            pointers.append(pw if self.stream else w.behind(pw, chunk * row))
        bodies, rest = divmod(self.quads, chunk * len(pointers))
        with ExitStack() as stack:
            run = stack.enter_context(w.loop(w.size(self.shape.runs)))
            start = w.let(at + run * w.stride(self.shape.run))
            weight = w.let(base + run * (self.quads * row))
            with ExitStack() as inner:
                body = inner.enter_context(w.loop(w.size(bodies))) if bodies > 1 else const(0, w.index)
                for n, pointer in enumerate(pointers if bodies else ()):
                    first = start + (body * len(pointers) + n) * (BLOCK * step)
                    place = weight + body * (chunk * len(pointers) * row)
                    self._run(w, px, first, pointer, place, acc, range(chunk), vectors, pixels)
            if rest:
                done = bodies * chunk
                self._run(w, px, start + done * _QUAD, pw, weight + done * row, acc, range(rest), vectors,
                          pixels)  # fmt: skip

    def _run(self, w, px, at, pw, weight, acc, quads: range, vectors: int, pixels: int) -> None:
        """Blocks written out: each vector of weights meets every pixel."""
        for block in range(quads.start, quads.stop, 4):
            x = [w.load(px, at + (self.shape.behind(p) + block * 4), 16) for p in range(pixels)]
            quarters = [reinterpret(v, "int32x4") for v in x]
            for q in range(min(4, quads.stop - block)):
                taken = self.stream.take() if self.stream else None
                for v in range(vectors):
                    if taken is not None:
                        weights = reinterpret(part(taken, 4 * v, 4), "int8x16")
                    else:
                        weights = w.load(pw, weight + ((block + q) * vectors + v) * 16, 16)
                    for p in range(pixels):
                        place = (p * vectors + v) * 4
                        byte = reinterpret(spread(quarters[p], q), "int8x16")
                        w.store(acc, place, w.isa.dot(acc.at(place, 4), weights, byte))
                if taken is not None:
                    self.stream.step([acc.at(p * 16, 16) for p in range(pixels)])
