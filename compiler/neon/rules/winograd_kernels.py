"""Kernels of a 3x3 convolution as Winograd's F(4x4, 3x3): weights, tiles and results transformed exactly.

Six points of interpolation (0, 1, -1, 2, -2, infinity) turn the 6x6 bytes under a 4x4 tile of results into 36
numbers, which meet 36 numbers of the weights in 36 products where the convolution has 144. Rows of the
weights' transform are scaled so that all are integers and the results' transform has only shifts:

    weights  [6 0 0] [1 1 1] [1 -1 1] [1 2 4] [1 -2 4] [0 0 6]
    tiles    [4 0 -5 0 1 0] [0 -4 -4 1 1 0] [0 4 -4 -1 1 0] [0 -2 -1 2 1 0] [0 2 -1 -2 1 0] [0 4 0 -5 0 1]
    results  24: [1 -4 -4 1 1 0]  12: [0 -2 2 1 -1 0]  6: [0 -1 -1 1 1 0]  6: [0 -1 1 2 -2 1]

Results are 24, 12, 6 or 6 times too large in each
direction: a multiplication by the inverse of 9 modulo 2^32 and a shift divide exactly. Lanes of 16 bits hold
the transformed bytes (at most 100 * 128) and weights (at most 49 * 128); sums may wrap around in 32 bits, as
only the results need to fit.

Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import tirx

from ..affine import leaf
from ..builder import const
from ..context import Context, Tensor
from ..copies import strides
from ..elementwise import Elements
from ..groups import Group
from ..isa import cast, joined, part, spread
from .elements import load_pixels, store_pixels

TILE, WINDOW, TAPS = 4, 6, 3
POSITIONS = WINDOW * WINDOW
# Twos that the results are too large by: 24, 12, 6 and 6 are 3 times these powers.
_TWOS = (3, 2, 1, 1)
# The most that all of a result's factors but 9 come to.
LARGEST = 1 << (2 * max(_TWOS))
_NINTH = pow(9, -1, 1 << 32)


@dataclass(frozen=True)
class Band:
    """Rows of tiles that are computed together.

    Attributes:
        first: output row of the first tile.
        rows, columns: tiles.
        last: output row, behind ``first``, of the last row of tiles: it may overlap the one before.
        edge: output column of the last column of tiles.
    """

    first: int
    rows: int
    columns: int
    last: int
    edge: int

    @property
    def tiles(self) -> int:
        """Tiles in all."""
        return self.rows * self.columns


def transform_weights(context: Context, weights: np.ndarray, target: Tensor) -> None:
    """``weights`` int8 (9, N) as 36 rows of N int16 in ``target``; N is a multiple of 8."""
    count = weights.shape[1]
    w = context.writer()
    source, to = w.table(weights, "int8"), w.tensor(target.place(), "int16")
    factors = w.load(w.table(np.array([6, 4, 2, 0, 0, 0, 0, 0]), "int16"), 0, 8)
    with w.outer() as block:
        at = w.let(block * 8)
        taps = [w.let(cast(w.load(source, at + t * count, 8), "int16")) for t in range(TAPS * TAPS)]
        columns = [_weights_line(w, taps[j::TAPS], factors) for j in range(TAPS)]
        for i in range(WINDOW):
            for j, value in enumerate(_weights_line(w, [c[i] for c in columns], factors)):
                w.store(to, at + (i * WINDOW + j) * count, value)
    context.add("winograd_weights", w, count // 8)


def _weights_line(w, g, factors):
    """Six numbers for three weights."""
    six, four, two = (spread(factors, i) for i in range(3))
    ends = w.let(g[0] + g[2])
    far = w.let(g[0] + g[2] * four)
    return [w.let(v) for v in (g[0] * six, ends + g[1], ends - g[1], far + g[1] * two, far - g[1] * two,
                               g[2] * six)]  # fmt: skip


def transform_tiles(context: Context, x: Tensor, start: int, steps, band: Band, target: Tensor) -> None:
    """Bytes under every tile of ``band`` as int16 (36, tiles, C) in ``target``.

    ``steps``: bytes from one input row, or pixel, to the next; ``start``: index of the first output's window.
    """
    row, pixel = steps
    channels, apart = x.storage.type.shape[2], target.storage.type.shape[1]
    w = context.writer()
    px, to = w.tensor(x.place(start + band.first * row), "int8"), w.tensor(target.place(), "int16")
    four = spread(w.load(w.table(np.array([4, 2, 0, 0, 0, 0, 0, 0]), "int16"), 0, 8), 0)
    with w.outer() as tile, w.loop(w.size(channels // 8)) as block:
        down, across = place_of(w, tile, band)
        at = w.let(down * row + across * pixel + block * 8)
        lines = []
        for j in range(WINDOW):
            column = [w.load(px, at + (i * row + j * pixel), 8) for i in range(WINDOW)]
            lines.append(_tiles_line(w, [cast(v, "int16") for v in column], four))
        out = w.let(tile * channels + block * 8)
        for i in range(WINDOW):
            for j, value in enumerate(_tiles_line(w, [line[i] for line in lines], four)):
                w.store(to, out + (i * WINDOW + j) * apart * channels, value)
    context.add("winograd_tiles", w, band.tiles)


def _tiles_line(w, d, four):
    """Six numbers for six elements."""
    even, odd = w.let(d[4] - d[2]), w.let(d[3] - d[1])
    twice = w.let(odd + odd)
    values = (
        even + (d[0] - d[2]) * four,
        (d[3] + d[4]) - (d[1] + d[2]) * four,
        (d[4] - d[3]) - (d[2] - d[1]) * four,
        even + twice,
        even - twice,
        (d[5] - d[3]) - odd * four,
    )
    return [w.let(v) for v in values]


def place_of(w, tile, band: Band):
    """Output row (behind the band's first) and column of a tile's first result."""
    row, column = const(0, w.index), tile
    if band.rows > 1:
        row, column = tirx.truncdiv(tile, band.columns), tirx.truncmod(tile, band.columns)
    return (
        w.let(tirx.min(row * TILE, w.stride(band.last))) if band.rows > 1 else row,
        w.let(tirx.min(column * TILE, w.stride(band.edge))),
    )


@dataclass(frozen=True)
class Product:
    """36 matrix products: tiles (36, T, C) times weights (36, M / width, C, width) to (36, T', M).

    ``height`` tiles by ``width`` channels of sums are in registers.
    """

    channels: int
    outputs: int
    width: int
    height: int

    def emit(self, context: Context, tiles: Tensor, weights: Tensor, target: Tensor, part_: tuple[int, int],
             macs: int) -> None:  # fmt: skip
        """For ``part_``: the first tile and how many; reads and writes whole heights of tiles."""
        c, width, m = self.channels, self.width, self.outputs
        (begin, count), room, space = part_, target.storage.type.shape[1], tiles.storage.type.shape[1]
        w = context.writer()
        pv, pu = w.tensor(tiles.place(begin * c), "int16"), w.tensor(weights.place(), "int16")
        to = w.tensor(target.place(), "int32")
        zeros = w.table(np.zeros(self.height * width), "int32")
        # Sixteen terms at once load in pairs, where registers hold them.
        step = 16 if c % 16 == 0 and width == 8 else 8
        with (
            w.outer() as position,
            w.loop(w.size(m // width)) as block,
            w.loop(w.size(-(-count // self.height))) as high,
        ):
            acc = w.array("int32", self.height * width)
            for i in range(0, self.height * width, 4):
                # Zeros from memory, as LDP takes two.
                w.store(acc, i, w.load(zeros, i, 4))
            x = w.let((position * w.stride(space) + high * self.height) * c)
            y = w.let((position * m + block * width) * c)
            with w.loop(w.size(c // step)) as body:
                self._body(w, pv, x + body * step, pu, y + body * (step * width), acc, step)
            out = w.let((position * w.stride(room) + high * self.height) * m + block * width)
            for r in range(self.height):
                for q in range(0, width, 4):
                    w.store(to, out + r * m + q, acc.at(r * width + q, 4))
        context.add("winograd_products", w, POSITIONS, macs)

    def _body(self, w, pv, x, pu, y, acc, count: int) -> None:
        """``count`` terms of every sum."""
        for first in range(0, count, 8):
            rows = [w.load(pv, x + (r * self.channels + first), 8) for r in range(self.height)]
            for k in range(8):
                for half in range(0, self.width, 8):
                    weights = w.load(pu, y + ((first + k) * self.width + half), 8)
                    for q in (0, 4):
                        for r in range(self.height):
                            place = r * self.width + half + q
                            value = w.isa.multiply_long(part(weights, q, 4), spread(rows[r], k, 4))
                            w.store(acc, place, acc.at(place, 4) + value)


class Results:
    """Sums (36, T, M) back to 4x4 results each, and the elementwise part behind them."""

    def __init__(self, context: Context, group: Group, y: Tensor, leaves: dict[int, Tensor], sums: Tensor):
        self.context, self.group, self.y, self.leaves, self.sums = context, group, y, leaves, sums
        self.elements = Elements(group, y.storage)

    def emit(self, band: Band, first: int, count: int, start: np.ndarray) -> None:
        """Channels ``first .. first + count - 1``; ``start`` int32 (C,): what is added to each sum."""
        w = self.context.writer()
        y = self.y
        ps = w.tensor(self.sums.place(), "int32")
        pb = w.table(start, "int32")
        factors = w.load(w.table(np.array([4, 2, _signed(_NINTH), 0]), "int32"), 0, 4)
        pointers = {k: w.tensor(self._origin(t, band), t.storage.dtype) for k, t in self.leaves.items()}
        py = w.tensor(self._origin(y, band), y.storage.dtype)
        with w.outer() as tile, w.loop(w.size(count // 4)) as quad:
            place = place_of(w, tile, band)
            at = w.let(tile * count + quad * 4)
            channel = w.let(quad * 4 + (w.stride(first) if first else 0))
            bias = w.load(pb, channel, 4)
            bases = {k: _base(w, t, place, channel) for k, t in self.leaves.items()}
            to = _base(w, y, place, channel)
            apart = self.sums.storage.type.shape[1] * count
            results = dict(_results(w, ps, at, apart, factors, bias))
            w.pixels = TILE
            for i in range(TILE):
                pixels = [(i, j) for j in range(TILE)]
                vector = w.let(joined(*[results[p] for p in pixels]))
                known = {id(self.group.anchor): self.elements.accumulator(vector)}
                for key, tensor in self.leaves.items():
                    at = [bases[key] + _behind(tensor, p) for p in pixels]
                    read = load_pixels(w, pointers[key], at, 4, 4)
                    known[key] = leaf(read, tensor.storage.offset, tensor.storage.type.dtype)
                stored = self.elements.stored(w, known, channel, 4 * TILE)
                store_pixels(w, py, [to + _behind(y, p) for p in pixels], stored, 4)
        self.context.add("winograd_results", w, band.tiles)

    def _origin(self, tensor: Tensor, band: Band):
        return tensor.place(tensor.storage.origin + band.first * strides(tensor.storage)[0])


def _base(w, tensor: Tensor, place, channel):
    """Index of a tile's first result behind the tensor's origin."""
    row, pixel, _ = strides(tensor.storage)
    return w.let(place[0] * row + place[1] * pixel + channel)


def _behind(tensor: Tensor, pixel: tuple[int, int]) -> int:
    """Elements from a tile's first result to another."""
    row, across, _ = strides(tensor.storage)
    return pixel[0] * row + pixel[1] * across


def _results(w, ps, at, apart: int, factors, bias):
    """The 16 results of a tile for four channels: ((row, column), int32x4)."""
    lines = []
    for j in range(WINDOW):
        column = [w.load(ps, at + (i * WINDOW + j) * apart, 4) for i in range(WINDOW)]
        lines.append(_results_line(w, column, factors))
    for i in range(TILE):
        for j, value in enumerate(_results_line(w, [line[i] for line in lines], factors)):
            exact = (value * spread(factors, 2)) >> const(_TWOS[i] + _TWOS[j], "int32x4")
            yield (i, j), w.let(bias + exact)


def _results_line(w, m, factors):
    """Four numbers for six: 24, 12, 6 and 6 times the results."""
    four, two = spread(factors, 0), spread(factors, 1)
    s, d = w.let(m[1] + m[2]), w.let(m[1] - m[2])
    t, u = w.let(m[3] + m[4]), w.let(m[3] - m[4])
    return [w.let(v) for v in ((m[0] + t) - s * four, u - d * two, t - s, (m[5] - d) + u * two)]


def _signed(value: int) -> int:
    """A word's bits as a signed number."""
    return value - (1 << 32) if value >= 1 << 31 else value
