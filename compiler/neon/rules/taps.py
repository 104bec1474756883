"""How a depthwise tile's sums are made: by SMULL, SMLAL and SADDW, by SDOT, or in 32 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tvm import tirx

from ..builder import const
from ..isa import Core, cast, joined, part, reinterpret
from ..program import Storage

if TYPE_CHECKING:
    from .depthwise import Layer

# SDOT takes four bytes a lane.
_QUAD = 4
# Pixels of 16 channels whose sums, inputs and weights 32 registers hold.
_WHOLE = (4, 5)
# Sums that a tile keeps in registers besides its zipped inputs, as vectors of 16 channels.
_KEPT = 4
# Instructions, about: a tile's factors and shifts; functions, start and store of 16 sums.
_CONSTANTS, _FINISH = 12, 24


def maker_for(
    core: Core, layer: Layer, weights: np.ndarray, storage: Storage,
    kernel: str | None = None, size: tuple[int, int] | None = None,
):  # fmt: skip
    """The fastest way for these operands.

    Args:
        weights: int64 (KH, KW, channels).
        storage: of the input.
        kernel: "long" to leave SDOT out.
        size: rows and pixels of a tile, instead of those that an estimate finds; SDOT alone takes two rows.
    """
    narrow = storage.dtype == "int8" and weights.min() >= -128 and weights.max() <= 127
    if narrow and core.dot and layer.kernel != (1, 1) and kernel != "long":
        return _Dot(core, layer, weights, storage, size)
    return (_Long if narrow else _Wide)(core, layer, weights, storage, size and (1, size[1]))


class _Maker:
    """Sums of a tile; inputs are read once for all pixels that they belong to."""

    def __init__(self, core: Core, layer: Layer, weights: np.ndarray, storage: Storage, size=None):
        self.core, self.layer, self.weights, self.storage = core, layer, weights, storage
        self._size = size and (min(size[0], layer.rows), min(size[1], layer.pixels))

    def _by_tile(self) -> np.ndarray:
        """Weights (vectors of channels, KH * KW, lanes), padded by zeros."""
        layer = self.layer
        flat = self.weights.reshape(-1, layer.channels)
        flat = np.pad(flat, ((0, 0), (0, max(layer.lanes - layer.channels, 0))))
        return np.stack([flat[:, s : s + layer.lanes] for s in layer.starts])

    def tile(self) -> tuple[int, int]:
        """Rows and pixels of a tile."""
        return self._size or self._best()

    def _best(self) -> tuple[int, int]:
        """As many pixels as registers have room for with their inputs."""
        most = (2 if self.core.wide else 1) * 16 // self.layer.lanes
        return 1, min(most, self.layer.pixels)

    def _input(self, w, px, at, known: dict, down: int, across: int):
        """A pixel's channels, loaded where a tile first needs it."""
        if (down, across) not in known:
            layer = self.layer
            lanes, place = layer.lanes, at + layer.place(down, across)
            if layer.multiplier > 1:
                few = max(lanes // layer.multiplier, 4)
                order = [const(i // layer.multiplier) for i in range(lanes)]
                x = w.load(px, place, few)
                known[down, across] = w.let(tirx.Shuffle([x] * (lanes // few), order))
            else:
                known[down, across] = w.load(px, place, lanes)
        return known[down, across]

    def _taps(self):
        """(number, row, column) of the kernel's taps."""
        kh, kw = self.layer.kernel
        return [(u * kw + v, u, v) for u in range(kh) for v in range(kw)]

    def _source(self, pixel: tuple[int, int], u: int, v: int) -> tuple[int, int]:
        """Row and column of the input that a tap of a tile's pixel meets."""
        (sy, sx), (dy, dx) = self.layer.strides, self.layer.dilations
        return pixel[0] * sy + u * dy, pixel[1] * sx + v * dx


class _Long(_Maker):
    """Groups of products that fit 16 bits are added up there, then widened."""

    name = "depthwise"

    def _best(self) -> tuple[int, int]:
        """Fewest tiles to a row; of as many, the smaller spill less. As counted under qemu."""
        layer = self.layer
        if not self.core.wide or layer.lanes < 16:
            return super()._best()
        return 1, min(layer.pixels, min(_WHOLE, key=lambda n: (-(-layer.pixels // n), n)))

    def table(self, w):
        """The weights' pointer."""
        return w.table(self._by_tile(), "int8")

    def groups(self) -> list[list[tuple[int, int, int]]]:
        """Neighbouring taps whose products' sum always fits 16 bits."""
        s = self.storage
        ends = [s.type.dtype.lo - s.offset, s.type.dtype.hi - s.offset, s.fill - s.offset]
        least, most = min(ends), max(ends)
        found: list[list] = []
        low_ = high_ = 0
        for tap in self._taps():
            products = np.stack([self.weights[tap[1], tap[2]] * e for e in (least, most)])
            low_, high_ = low_ + products.min(0), high_ + products.max(0)
            if not found or np.min(low_) < -(2**15) or np.max(high_) >= 2**15:
                found.append([])
                low_, high_ = products.min(0), products.max(0)
            found[-1].append(tap)
        return found

    def sums(self, w, px, at, pw, tile, begin, size: tuple[int, int]):
        """Each pixel's sums, int32 vectors of the layer's lanes: {(row, column): vector}."""
        layer, lanes = self.layer, self.layer.lanes
        taps = layer.kernel[0] * layer.kernel[1]
        pixels = [(r, c) for r in range(size[0]) for c in range(size[1])]
        base, known = w.let(tile * (taps * lanes)), {}
        acc = dict.fromkeys(pixels, begin)
        for group in self.groups():
            weights = [w.load(pw, base + number * lanes, lanes) for number, _, _ in group]
            for p in pixels:
                total = None
                for weight, (_, u, v) in zip(weights, group, strict=True):
                    down, across = self._source(p, u, v)
                    x = self._input(w, px, at, known, down, across)
                    product = cast(x, "int16") * cast(weight, "int16")
                    total = product if total is None else total + product
                acc[p] = w.let(acc[p] + cast(total, "int32"))
        return acc


class _Wide(_Maker):
    """Products of 16-bit operands, added up in 32 bits."""

    name = "depthwise_wide"

    def table(self, w):
        """The weights' pointer."""
        return w.table(self._by_tile(), "int16")

    def sums(self, w, px, at, pw, tile, begin, size: tuple[int, int]):
        """As ``_Long.sums``."""
        lanes, acc, known = self.layer.lanes, {}, {}
        taps = self._taps()
        base = w.let(tile * (len(taps) * lanes))
        for number, u, v in taps:
            weight = cast(w.load(pw, base + number * lanes, lanes), "int32")
            for p in range(size[1]):
                x = cast(self._input(w, px, at, known, *self._source((0, p), u, v)), "int16")
                acc[0, p] = w.let(acc.get((0, p), begin) + cast(x, "int32") * weight)
        return acc


class _Dot(_Maker):
    """Four rows of the input to a lane: zipped once for every pixel and row of a tile that they belong to."""

    name = "depthwise_dot"

    def _best(self) -> tuple[int, int]:
        """The tile that needs the fewest instructions."""
        layer = self.layer
        most = _KEPT * 16 // layer.lanes
        sizes = [(r, p) for r in (1, 2) for p in range(1, most // r + 1)]
        fit = [(r, p) for r, p in sizes if r <= layer.rows and p <= layer.pixels]
        return min(fit, key=self._cost)

    def _cost(self, size: tuple[int, int]) -> int:
        high, wide = size
        whole, rest = divmod(self.layer.pixels, wide)
        row = whole * self._tile_cost(high, wide) + (self._tile_cost(high, rest) if rest else 0)
        return -(-self.layer.rows // high) * row

    def _tile_cost(self, high: int, wide: int) -> int:
        """Instructions of a tile: loads, zips, SDOTs, weights and constants."""
        lines = self._lines(high)
        columns = len(
            {self._source((0, p), 0, v)[1] for p in range(wide) for v in range(self.layer.kernel[1])}
        )
        quads = -(-len(lines) // _QUAD)
        meets = len(self._met(lines, high)) * self.layer.kernel[1]
        return (
            columns * (len(lines) + 8 * quads) + meets * (4 * high * wide // high + 2) + 12 + 26 * high * wide
        )

    def _lines(self, high: int) -> list[int]:
        """Rows of the input that a tile meets."""
        return sorted(
            {self._source((r, 0), u, 0)[0] for r in range(high) for u in range(self.layer.kernel[0])}
        )

    def _met(self, lines: list[int], high: int) -> list[tuple[int, int]]:
        """(four of these rows, row of the tile) that have taps in common."""
        quads = -(-len(lines) // _QUAD)
        return [(k, r) for k in range(quads) for r in range(high) if any(self._rows(lines, k, r))]

    def _rows(self, lines: list[int], quad: int, row: int) -> list[int | None]:
        """For each of a quad's rows, which row of the kernel meets it from this row of the tile, counted from
        1; else 0."""
        of = {self._source((row, 0), u, 0)[0]: u + 1 for u in range(self.layer.kernel[0])}
        return [of.get(line, 0) for line in (lines[quad * _QUAD :] + [-1] * _QUAD)[:_QUAD]]

    def table(self, w):
        """The weights' pointer: (vectors, lanes / 4, columns of the kernel, meetings, 4 channels, 4 rows)."""
        layer, high = self.layer, self.tile()[0]
        lines = self._lines(high)
        rows = np.array([self._rows(lines, k, r) for k, r in self._met(lines, high)])
        flat = self._by_tile().reshape(-1, *layer.kernel, layer.lanes)
        flat = np.pad(flat, ((0, 0), (1, 0), (0, 0), (0, 0)))
        packed = flat[:, rows].reshape(len(flat), *rows.shape, layer.kernel[1], layer.lanes // 4, 4)
        return w.table(packed.transpose(0, 4, 3, 1, 5, 2), "int8")

    def sums(self, w, px, at, pw, tile, begin, size: tuple[int, int]):
        """As ``_Long.sums``."""
        layer, (high, wide) = self.layer, size
        lines, known = self._lines(high), {}
        met = self._met(lines, high)
        sources = {p: [self._source((0, p), 0, v)[1] for v in range(layer.kernel[1])] for p in range(wide)}
        columns = sorted({c for s in sources.values() for c in s})
        paired = {c: self._paired(w, px, at, known, lines, c) for c in columns}
        meeting = len(met) * layer.kernel[1]
        base = w.let(tile * (layer.lanes * 4 * meeting))
        parts: dict[tuple[int, int], list] = {(r, p): [] for r in range(high) for p in range(wide)}
        for q in range(layer.lanes // 4):
            zipped = {c: [_quad(w, pair, q) for pair in paired[c]] for c in columns}
            acc = {key: part(begin, 4 * q, 4) for key in parts}
            for v in range(layer.kernel[1]):
                for n, (k, r) in enumerate(met):
                    weight = w.load(pw, base + ((q * layer.kernel[1] + v) * len(met) + n) * 16, 16)
                    for p in range(wide):
                        acc[r, p] = w.isa.dot(acc[r, p], weight, zipped[sources[p][v]][k])
            for key, value in acc.items():
                parts[key].append(w.let(value))
        return {key: w.let(joined(*values)) for key, values in parts.items()}

    def _paired(self, w, px, at, known: dict, lines: list[int], column: int):
        """For every four rows of a column: (rows 0 and 1, rows 2 and 3) as zipped bytes, both in halves."""
        found = []
        for k in range(0, len(lines), _QUAD):
            x = [self._input(w, px, at, known, line, column) for line in lines[k : k + _QUAD]]
            # What stands for rows beyond the last meets weights of 0.
            x += [x[-1]] * (_QUAD - len(x))
            found.append((_zipped(w, x[0], x[1]), _zipped(w, x[2], x[3])))
        return found


def _zipped(w, a, b) -> list:
    """Elements of two vectors in turn, as vectors of 16 bytes (ZIP1, ZIP2)."""
    lanes = a.ty.dtype.lanes
    order = [const(i // 2 + i % 2 * lanes) for i in range(2 * lanes)]
    per = 128 // a.ty.dtype.bits
    return [w.let(tirx.Shuffle([a, b], order[i : i + per])) for i in range(0, 2 * lanes, per)]


def _quad(w, pair, q: int):
    """The four channels ``q``, four bytes each."""
    first, second = (reinterpret(half[q // 2], "int16x8") for half in pair)
    order = [const(4 * (q % 2) + i // 2 + i % 2 * 8) for i in range(8)]
    return w.let(reinterpret(tirx.Shuffle([first, second], order), "int8x16"))
