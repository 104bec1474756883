"""What moves in gw_sliding_window beside its beats: indices, addresses and steps that each read moves."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ...hw.units.ram import clog2
from ...hw.units.sliding_window import out_size, ring_beats
from .tally import Tally
from .words import flips, mask

# Clocks that are gone through; the others of a frame are taken to move as much.
_MOST_CLOCKS = 1500


@dataclass(frozen=True)
class Reads:
    """Beats in the order in which they are read: ``level`` of the loop that counts on behind each, row and
    column of its pixel, index in the stream (borders too), what it ``releases``, and whether it is border."""

    level: np.ndarray
    y: np.ndarray
    x: np.ndarray
    index: np.ndarray
    releases: np.ndarray
    pad: np.ndarray


def reads(p: SimpleNamespace, count: int) -> Reads:
    """The first ``count`` beats of frames in a row."""
    rows, cols = out_size(p)
    chunks = p.C // p.SIMD
    number = np.arange(count)
    places, left = [], number
    for size in (chunks, p.KW, p.KH, cols, rows):
        places.append(left % size)
        left = left // size
    c, kx, ky, ox, oy = places
    ends = np.cumprod(
        [place == n - 1 for place, n in zip(places, (chunks, p.KW, p.KH, cols, rows), strict=True)], 0
    )
    level = ends.sum(0)
    y, x = oy * p.SH - p.PT + ky * p.DH, ox * p.SW - p.PL + kx * p.DW
    index = (y * p.W + x + left * p.H * p.W) * chunks + c
    return Reads(level, y, x, index, _released(p, level, ox, oy), (y < 0) | (y >= p.H) | (x < 0) | (x >= p.W))


def _released(p: SimpleNamespace, level: np.ndarray, ox: np.ndarray, oy: np.ndarray) -> np.ndarray:
    """Beats that each read gives free, as in the RTL."""
    rows, cols = out_size(p)
    chunks = p.C // p.SIMD
    free_cols = min(cols, min(p.SH, p.H) * p.W // p.SW + 1)
    free_rows = min(rows, (p.H * p.W - (free_cols - 1) * p.SW) // (p.SH * p.W) + 1)
    early_rows = oy < free_rows - 1
    early_cols = (ox < free_cols - 1) & (oy < free_rows)
    row = p.SH * p.W * chunks - (free_cols - 1) * p.SW * chunks
    frame = p.H * p.W * chunks - (free_rows - 1) * p.SH * p.W * chunks - (free_cols - 1) * p.SW * chunks
    return np.select(
        [level == 5, (level == 4) & early_rows, (level == 3) & early_cols], [frame, row, p.SW * chunks], 0
    )


def control(t: Tally, p: SimpleNamespace, beats_in: int, beats_out: int) -> None:
    """Adds what moves while ``beats_in`` beats are written and ``beats_out`` are read."""
    rows, cols = out_size(p)
    chunks, ring = p.C // p.SIMD, ring_beats(p)
    for steps, count in zip(
        beats_out // np.cumprod([1, chunks, p.KW, p.KH, cols]), (chunks, p.KW, p.KH, cols, rows), strict=True
    ):
        t.counted(int(steps), count)
    t.counted(beats_in, ring)
    part = Tally(t.six)
    count = min(beats_out, _MOST_CLOCKS)
    found = reads(p, count + 1)
    reach = ring + (p.H + p.PT + p.PB + 1) * p.W * chunks + (p.PL + p.PR + 1) * chunks
    _steps(part, p, found, clog2(reach + 1) + 1, clog2(ring))
    _levels(part, found, clog2(reach + 1) + 1, ring - 1 - (p.PT * p.W + p.PL) * chunks)
    for name in ("register", "local", "logic"):
        setattr(t, name, getattr(t, name) + getattr(part, name) * beats_out / count)
    t.steps += beats_out


def _steps(t: Tally, p: SimpleNamespace, found: Reads, index_bits: int, address_bits: int) -> None:
    """Steps to the next beat, which loops choose, and what they are added to: rows, columns and addresses."""
    ring = ring_beats(p)
    waits = np.where(found.index == found.index[0], 0, found.index)  # a frame's first beat waits for index 0
    address, y, x = found.index % ring, found.y, found.x
    x_bits, y_bits = clog2(p.W + p.PL + p.PR + 1) + 1, clog2(p.H + p.PT + p.PB + 1) + 1
    jump = np.diff(found.index) % ring
    for steps, bits in (
        (np.diff(waits), index_bits), (found.releases[:-1], index_bits), (jump, address_bits),
        (np.diff(x), x_bits), (np.diff(y), y_bits),
    ):  # fmt: skip
        moved = t.once(steps[:, None], bits)
        t.register += moved
        t.local += moved
    t.wired(found.level, 3)
    for values, bits in ((x, x_bits), (y, y_bits)):
        t.added(values[:-1] & mask(bits), np.diff(values) & mask(bits), bits)
    total = t.chain(address[:-1], jump, address_bits + 1)
    t.wired(total, address_bits + 1)
    t.chain(total, np.full_like(total, -ring & mask(address_bits + 1)), address_bits + 1)
    t.made(address, address_bits)
    t.made(found.pad.astype(np.int64), 1)


def _levels(t: Tally, found: Reads, bits: int, room: int) -> None:
    """How far the writer is ahead, and the room that is left, clock by clock."""
    waits = np.where(found.index == found.index[0], 0, found.index)
    steps, releases = np.diff(waits).tolist(), found.releases.tolist()
    free = (found.pad & (np.arange(len(found.pad)) > 0)).tolist()
    ahead, place, seen = -1, 0, []
    while place < len(steps) and len(seen) < 2 * _MOST_CLOCKS:
        reading, writing = ahead >= 0 or free[place], room >= 0
        seen.append((ahead, room, steps[place] * reading, releases[place] * reading, writing))
        ahead += writing - steps[place] * reading
        room += releases[place] * reading - writing
        place += reading
    table = np.array(seen, dtype=np.int64)
    scale = len(steps) / max(len(table), 1) if place >= len(steps) else 1.0
    part = Tally(t.six)
    for values, moves in ((table[:, 0], table[:, 2]), (table[:, 1], table[:, 3])):
        part.logic += t.once(moves[:, None], bits)
        between = part.chain(values & mask(bits), moves & mask(bits), bits)
        part.wired(between, bits)
        part.added(values & mask(bits), table[:, 4], bits)
    part.logic += flips(table[:, 4], 1)
    for name in ("register", "local", "logic"):
        setattr(t, name, getattr(t, name) + getattr(part, name) * min(scale, 1.0))
