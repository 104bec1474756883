"""How sums of single bits are made: what is read, in which order, and what they start from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from tvm import tirx

from ...ir.graph import Node
from ...ir.ops import Conv2d
from ..builder import const
from ..isa import Core, joined, population, reinterpret
from .shapes import Shape, runs_of
from .sums import Tree, folded

BYTE = 8
VECTOR = 16
# Vectors whose counts fit a byte: 8 bits of each.
_HELD = 31


@dataclass(frozen=True)
class Piece:
    """Bytes of a run that one load gets: 16 from ``first`` on, or 8; ``valid`` of them count."""

    run: int
    first: int
    bytes: int
    valid: int


def pieces(runs: int, length: int) -> list[Piece]:
    """What a pixel's bits are loaded by: vectors first, then halves, which share vectors."""
    found = []
    for run in range(runs):
        for first in range(0, length, VECTOR):
            valid = min(VECTOR, length - first)
            found.append(Piece(run, first, 8 if valid <= 8 else VECTOR, valid))
    return sorted(found, key=lambda p: -p.bytes)


def vectors_of(found: list[Piece]) -> list[tuple[Piece, ...]]:
    """Pieces by the vector that holds them."""
    whole = [(p,) for p in found if p.bytes == VECTOR]
    halves = [p for p in found if p.bytes < VECTOR]
    return whole + [tuple(halves[i : i + 2]) for i in range(0, len(halves), 2)]


def kept_vectors(node: Node) -> int:
    """Vectors that hold a pixel's bits."""
    runs, length, _ = runs_of(node).shape
    return len(vectors_of(pieces(runs, length // BYTE)))


class BitSums:
    """A tile's constants; bits of activations and weights of the same sign agree.

    Attributes:
        start: what sums start from: (classes of rows, classes of columns, channels of the tiles).
        scale: what a bit that differs takes off.
        sums_dtype: int16, or int32 where a start does not fit.
        counts_dtype: what holds a count and one more.
    """

    def __init__(self, core: Core, node: Node, shape: Shape, initial: np.ndarray, tiles, first: int):
        self.core, self.node, self.shape = core, node, shape
        (self.width, self.count), self.first = tiles, first
        self.bipolar = node.inputs[0].type.dtype.bipolar
        self.scale = 2 if self.bipolar else 1
        self.bits = prod(node.inputs[1].type.shape[:-1])
        self._rows, self._columns = self._classes()
        self.start = self._start(initial)
        # Sums lie within twice the bits from where they start.
        self.sums_dtype = "int16" if np.abs(self.start).max() + 2 * self.bits < 2**15 else "int32"

    def _classes(self):
        """For each output row, and column, which of the kernel's rows, or columns, see the border."""
        op, shape = self.node.op, self.shape
        if not self.bipolar or not isinstance(op, Conv2d) or not any(op.pads):
            return [()] * shape.rows, [()] * shape.pixels
        sizes, kernel = self.node.inputs[0].type.shape, self.node.inputs[1].type.shape
        return [
            [
                tuple(
                    not 0 <= i * op.strides[axis] + u * op.dilations[axis] - op.pads[axis] < sizes[axis]
                    for u in range(kernel[axis])
                )
                for i in range(self.node.type.shape[axis])
            ]
            for axis in (0, 1)
        ]

    def _start(self, initial: np.ndarray) -> np.ndarray:
        w = self.node.inputs[1].value
        m, last = w.shape[-1], self.first + self.width * self.count
        base = initial + (self.bits if self.bipolar else (w > 0).reshape(-1, m).sum(0))
        rows, columns = (list(dict.fromkeys(v)) for v in (self._rows, self._columns))
        found = np.zeros((len(rows), len(columns), max(m, last)), np.int64)
        found[:, :, :m] = base
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                if any(row) or any(column):
                    outside = np.array(row)[:, None] | np.array(column)[None]
                    found[i, j, :m] += w[outside].sum((0, 1))
        return found[:, :, self.first : last]

    def _channels(self) -> np.ndarray:
        """Bits of the weights by bytes: (runs, bytes, channels of the tiles)."""
        w = runs_of(self.node) > 0
        runs, length, m = w.shape
        last = self.first + self.width * self.count
        packed = np.packbits(w.reshape(runs, length // BYTE, BYTE, m), axis=2, bitorder="little")[:, :, 0]
        return np.pad(packed, ((0, 0), (0, 0), (0, max(last - m, 0))))[:, :, self.first : last]

    def prepare(self, w) -> None:
        """What is loaded once, in front of all loops."""
        places = []
        for seen, step in ((self._rows, self.start[0].size), (self._columns, self.start[0, 0].size)):
            order = list(dict.fromkeys(seen))
            places.append(np.array([order.index(v) * step for v in seen]))
        self._places = [w.table(p, w.index) if p.any() else None for p in places]

    def starts(self, w, row, column, pixels: int) -> list:
        """Where each pixel's constants begin."""
        first, along = self._places
        base = w.load(first, row) if first else const(0, w.index)
        return [base + (w.load(along, column + p) if along else const(0, w.index)) for p in range(pixels)]


class Kept(BitSums):
    """Pixels of a few vectors stay in registers; channels pass by, and their counts meet in trees."""

    widths = (16, 8)

    @property
    def counts_dtype(self) -> str:
        """Sixteen channels' trees end in bytes where those hold the sums."""
        return "uint8" if self.width == 16 and self.bits < 255 else "int16"

    @cached_property
    def vectors(self) -> list[tuple[Piece, ...]]:
        """What each vector holds."""
        return vectors_of(pieces(self.shape.runs, self.shape.length))

    def pixels(self, width: int) -> int:
        """Pixels whose vectors, and counts on their way, registers hold."""
        return max(1, min(4, (12 if self.core.wide else 4) // len(self.vectors), self.shape.pixels))

    def _mask(self, vector: tuple[Piece, ...]) -> np.ndarray:
        mask = np.zeros(VECTOR, np.int64)
        for half, piece in enumerate(vector):
            mask[8 * half : 8 * half + piece.valid] = -1
        return mask

    def weights(self) -> np.ndarray:
        """(tiles, channels, vectors, 16 bytes)."""
        packed = self._channels()
        whole = np.zeros((len(self.vectors), VECTOR, packed.shape[2]), np.uint8)
        for place, vector in zip(whole, self.vectors, strict=True):
            for half, p in enumerate(vector):
                place[8 * half : 8 * half + p.valid] = packed[p.run, p.first : p.first + p.valid]
        tiles = whole.reshape(len(whole), VECTOR, self.count, self.width)
        return np.ascontiguousarray(tiles.transpose(2, 3, 0, 1)).view(np.int8)

    def prepare(self, w) -> None:
        super().prepare(w)
        masks = [self._mask(v) for v in self.vectors]
        loaded = {m.tobytes(): w.load(w.table(m, "int8"), 0, VECTOR) for m in masks if not m.all()}
        self._masks = [loaded.get(m.tobytes()) for m in masks]

    def pixels_at(self, w, px, at, pixels: int) -> list:
        """The vectors of each pixel."""
        return [
            [
                self._loaded(w, px, at + p * self.shape.pixel, *v)
                for v in zip(self.vectors, self._masks, strict=True)
            ]
            for p in range(pixels)
        ]

    def _loaded(self, w, px, at, vector: tuple[Piece, ...], mask):
        parts = [w.load(px, at + (p.run * self.shape.run + p.first), p.bytes) for p in vector]
        if len(parts) == 1 and vector[0].bytes < VECTOR:
            parts.append(const(0, "int8x8"))
        whole = joined(*parts)
        return w.let(whole if mask is None else whole & mask)

    def counts(self, w, pixels: list, pw, tile) -> list:
        """For each pixel, how many bits differ from those of each channel."""
        bound = BYTE * len(self.vectors)
        trees = [Tree(w, self.width, bound, self.bits) for _ in pixels]
        size = len(self.vectors) * VECTOR
        base = w.let(tile * (self.width * size))
        for c in range(self.width):
            taps = [w.load(pw, base + (c * size + v * VECTOR), VECTOR) for v in range(len(self.vectors))]
            for tree, x in zip(trees, pixels, strict=True):
                total = None
                for a, b in zip(x, taps, strict=True):
                    differ = differing(a, b)
                    total = differ if total is None else total + differ
                tree.add(w.let(total))
        return [tree.sums() for tree in trees]


class Streamed(BitSums):
    """Long sums: vectors of two pixels meet those of eight channels, one after another."""

    widths = (8,)
    counts_dtype = "int16"

    @property
    def blocks(self) -> int:
        """Vectors of a run."""
        return -(-self.shape.length // VECTOR)

    def pixels(self, width: int) -> int:
        """Pixels of a tile."""
        return min(2 if self.core.wide else 1, self.shape.pixels)

    def weights(self) -> np.ndarray:
        """(tiles, runs, blocks, channels, 16 bytes)."""
        packed = self._channels()
        runs, length = packed.shape[:2]
        whole = np.pad(packed, ((0, 0), (0, self.blocks * VECTOR - length), (0, 0)))
        tiles = whole.reshape(runs, self.blocks, VECTOR, self.count, self.width)
        return np.ascontiguousarray(tiles.transpose(3, 0, 1, 4, 2)).view(np.int8)

    def prepare(self, w) -> None:
        super().prepare(w)
        rest = self.shape.length % VECTOR
        mask = np.where(np.arange(VECTOR) < rest, -1, 0)
        self._mask = w.load(w.table(mask, "int8"), 0, VECTOR) if rest else None

    def pixels_at(self, w, px, at, pixels: int) -> list:
        """Where each pixel's bits begin."""
        self._px = px
        return [at + p * self.shape.pixel for p in range(pixels)]

    def counts(self, w, pixels: list, pw, tile) -> list:
        """For each pixel, how many bits differ from those of each channel."""
        row = self.blocks * self.width * VECTOR
        base = w.let(tile * (self.shape.runs * row))
        totals = w.array("int16", 8 * len(pixels))
        for p in range(len(pixels)):
            w.store(totals, 8 * p, const(0, "int16x8"))
        with w.loop(w.size(self.shape.runs)) as run:
            places = [w.let(at + run * w.stride(self.shape.run)) for at in pixels]
            weight = w.let(base + run * w.stride(row))
            for first in range(0, self.blocks, _HELD):
                held = self._held(w, places, pw, weight, first, min(_HELD, self.blocks - first))
                for p, counts in enumerate(held):
                    w.store(totals, 8 * p, totals.at(8 * p, 8) + counts)
        return [w.load(totals, 8 * p, 8) for p in range(len(pixels))]

    def _held(self, w, places: list, pw, weight, first: int, count: int) -> list:
        """Counts of some blocks of a run."""
        accs = w.array("uint8", VECTOR * self.width * len(places))
        for i in range(self.width * len(places)):
            w.store(accs, VECTOR * i, const(0, "uint8x16"))
        masked = self._mask is not None and first + count == self.blocks
        if count > masked:
            with w.loop(w.size(count - masked)) as block:
                self._block(w, places, pw, weight, block + first, accs, None)
        if masked:
            self._block(w, places, pw, weight, const(self.blocks - 1, w.index), accs, self._mask)
        step = self.width
        return [
            folded(w, [w.load(accs, VECTOR * (p * step + c), VECTOR) for c in range(step)], BYTE * count)
            for p in range(len(places))
        ]

    def _block(self, w, places: list, pw, weight, block, accs, mask) -> None:
        x = [w.load(self._px, at + block * VECTOR, VECTOR) for at in places]
        x = x if mask is None else [w.let(v & mask) for v in x]
        for c in range(self.width):
            taps = w.load(pw, weight + block * (self.width * VECTOR) + c * VECTOR, VECTOR)
            for p, vector in enumerate(x):
                place = VECTOR * (p * self.width + c)
                w.store(accs, place, accs.at(place, VECTOR) + differing(vector, taps))


def differing(a, b):
    """Bits that differ, counted in each byte."""
    return reinterpret(population(tirx.bitwise_xor(a, b)), "uint8x16")
