"""Transitions inside units of products and of distances, for whole pieces of work in a row.

Each function takes the tally, the instance and the codes of its inputs (beats, lanes), and adds what moves.
"""

from types import SimpleNamespace

import numpy as np

from ...errors import LoweringError
from ...hw.design import Instance
from ...hw.units.lanes import (
    COUNTING,
    LANE_DIGITS,
    LANE_SIGN_W,
    LANE_XNOR,
)
from ...hw.units.matrix_product import UNSIGNED, lane_bits
from ...hw.units.ram import clog2
from .lanes import ROWS
from .matrices import as_elements, as_weights, biases, depthwise_operands, of_kind, weight_codes
from .tally import Tally
from .words import fields, flips, mask

# As in gw_lane_buffer: up to so many bits are a ring of registers.
_RING_BITS = 128
# As in gw_turn: from so many words on they live in a RAM.
_FOLD_RAM = 5
# Rows of lanes that are gone through; the others of a unit move as much on the average.
MOST_ROWS = 8


def matrix_vector(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_matrix_vector: beat by beat, all slots of PE rows, then of the next."""
    p = unit.p
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    if p.LANE not in ROWS:
        raise LoweringError(
            f"energy: a lane must be one of {', '.join(map(str, ROWS))}, not {p.LANE} ({unit.name}). "
            "Fold it with one that a rule chooses."
        )
    vectors = x.reshape(-1, 1, slots, p.SIMD)
    codes = np.broadcast_to(vectors, (len(vectors), folds, slots, p.SIMD)).reshape(-1, p.SIMD)
    words = weight_codes(unit)
    order = np.arange(len(codes)) % len(words)
    _buffer(t, codes, p.X_BITS, slots, folds, p.LANE == LANE_DIGITS)
    _rom(t, words.reshape(len(words), -1), order, p.W_BITS, p.ROM_STYLE)
    _sequence(t, len(codes), slots, len(words), 1 + (p.LANE == LANE_DIGITS), unit.latency - slots)
    rows = np.arange(min(p.PE, MOST_ROWS))
    share = Tally(t.six, merges=len(words) == 1)
    w = as_weights(words[:, rows], p)[order]
    start = biases(unit).reshape(-1, p.PE)[:, rows]
    _rows(share, as_elements(codes, p)[:, None], w, start, slots, p)
    _add(t, share, p.PE / len(rows))


def _sequence(t: Tally, beats: int, slots: int, words: int, late: int, flags: int) -> None:
    """Counters of slots and of the ROM's words, that address ``late`` clocks later, and marks of the first
    and the last slot, which so many registers carry."""
    t.counted(beats, slots)
    t.counted(beats, words)
    t.kept(np.arange(beats) % words, clog2(words), late)
    if slots > 1:
        t.register += 4 * flags * beats / slots
    t.steps += beats


def _add(t: Tally, share: Tally, times: float) -> None:
    t.shown += share.shown * times
    t.register += share.register * times
    t.local += share.local * times
    t.logic += share.logic * times


def _buffer(t: Tally, codes: np.ndarray, bits: int, slots: int, folds: int, triples: bool) -> None:
    """gw_lane_buffer, and for LANE 1 three times every element and one more register."""
    ring = slots if slots <= 2 or slots * codes.shape[1] * bits <= _RING_BITS else 0
    if folds == 1 or ring == 1:
        t.kept(codes, bits, 3)
    elif ring:
        moved = flips(codes, bits)
        t.register += (ring + 2) * moved
        t.local += moved
    else:
        t.kept(codes, bits, 2)
    if triples:
        t.kept(codes, bits)
        t.added(codes, 2 * codes, bits + 2)


def _rom(t: Tally, words: np.ndarray, order: np.ndarray, bits: int, style: int) -> None:
    """gw_rom with two registers, read in ``order``; the first is a block RAM's own, or behind LUTs."""
    if len(words) == 1:
        return
    if style == 1:
        t.kept(t.wired(words[order], bits), bits)
    else:
        address = np.broadcast_to(order[:, None], (len(order), words.shape[1]))
        t.kept(t.table(words.T, address, bits), bits)


def _rows(t: Tally, x: np.ndarray, w: np.ndarray, start: np.ndarray, slots: int, p: SimpleNamespace) -> None:
    """Lanes, accumulators of some rows: x (clocks, 1, SIMD), w (clocks, rows, SIMD), start (words, rows)."""
    sums, carry = ROWS[p.LANE](t, x, w, p)
    if p.LANE in COUNTING and not p.TOP_BIT:
        sums = 2 * sums
        start = start - p.MW
    first = start[np.arange(len(sums) // slots) % len(start)]
    if len(start) > 1:
        t.kept(t.made(first, p.ACC_BITS), p.ACC_BITS)
    accumulate(t, sums + carry, first, slots, p.ACC_BITS, p.ACC_BITS - 1 if p.TOP_BIT else 0)


def accumulate(
    t: Tally, addends: np.ndarray, first: np.ndarray, slots: int, bits: int, lowest: int = 0
) -> None:
    """gw_accumulator: addends (clocks, rows), start values by sum and row; bits from ``lowest`` on leave."""
    steps = addends.reshape(-1, slots, addends.shape[1])
    reached = first[:, None] + np.cumsum(steps, axis=1)
    base = np.concatenate([first[:, None], reached[:, :-1]], axis=1).reshape(addends.shape)
    t.added(base & mask(bits), addends & mask(bits), bits)
    t.shown += flips(reached.reshape(addends.shape) >> lowest, bits - lowest)
    if slots > 1 and not t.six:
        t.logic += flips(base, bits)


def depthwise(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_depthwise: all channels of a tap, then of the next, with sums that come round."""
    p = unit.p
    folds, lanes = p.C // p.PE, p.PE * p.K
    t.kept(x, p.X_BITS, 2)
    if p.LANE == LANE_DIGITS:
        t.added(x, 2 * x, p.X_BITS + 2)
    words = fields(unit.memories["WEIGHTS"]().words, lanes, p.W_BITS)
    order = np.arange(len(x)) % len(words)
    _rom(t, words, order, p.W_BITS, p.ROM_STYLE)
    t.counted(len(x), len(words))
    t.counted(len(x), folds)
    t.counted(len(x) // folds, p.TAPS)
    if folds >= _FOLD_RAM and p.TAPS > 1:
        t.counted(2 * len(x), folds)
    t.steps += len(x)
    values, w, start = depthwise_operands(unit, x)
    beats = np.repeat(values.reshape(-1, p.PE), p.K, axis=1).reshape(-1, lanes, 1)
    weights = w.reshape(-1, lanes, 1)[order]
    products = np.empty((len(x), lanes), np.int64)
    own = SimpleNamespace(**vars(p) | {"SIMD": 1} | _lane_of(p))
    for lane in range(lanes):
        sums, carry = ROWS[own.LANE](t, beats[:, lane : lane + 1], weights[:, lane : lane + 1], own)
        products[:, lane : lane + 1] = sums + carry
    _rounds(t, p, products.reshape(-1, p.TAPS, folds, lanes), start.reshape(folds, lanes))


def _rounds(t: Tally, p: SimpleNamespace, steps: np.ndarray, start: np.ndarray) -> None:
    """gw_depthwise's sums, which come round: steps (windows, TAPS, folds, lanes), start (folds, lanes)."""
    folds, lanes = start.shape
    reached = start + np.cumsum(steps, axis=1)
    base = np.concatenate([np.broadcast_to(start, reached[:, :1].shape), reached[:, :-1]], 1)
    base, made, steps = (each.reshape(-1, lanes) for each in (base, reached, steps))
    sums = t.chain(base & mask(p.ACC_BITS), steps & mask(p.ACC_BITS), p.ACC_BITS)
    t.shown += flips(sums, p.ACC_BITS)
    if p.TAPS > 1:
        t.wired(t.kept(sums, p.ACC_BITS), p.ACC_BITS)
        t.register += (1 if folds >= _FOLD_RAM else folds) * flips(made, p.ACC_BITS)
        if not t.six:
            t.logic += flips(base, p.ACC_BITS)
    else:
        t.made(sums, p.ACC_BITS)
    if p.HAS_BIAS and folds > 1:
        t.kept(start[np.arange(len(steps)) % folds], p.ACC_BITS, 2)


def _lane_of(p: SimpleNamespace) -> dict[str, int]:
    """What lane gw_depthwise has: of two signs, one gives +1 or -1 the other's sign."""
    return {"LANE": LANE_SIGN_W, "X_BITS": 2, "X_SIGNED": 1} if p.LANE == LANE_XNOR else {}


def matrix_product(t: Tally, unit: Instance, a: np.ndarray, b: np.ndarray) -> None:
    """gw_matrix_product: rows of A, each with all columns of B, which lies in a buffer."""
    p = unit.p
    slots, folds = p.K // p.SIMD, p.N // p.PE
    rows = a.reshape(-1, 1, slots, p.SIMD)
    codes = np.broadcast_to(rows, (len(rows), folds, slots, p.SIMD)).reshape(-1, p.SIMD)
    _buffer(t, codes, p.A_BITS, slots, folds, p.LANE == LANE_DIGITS)
    words = b.reshape(-1, slots, p.SIMD, folds, p.PE).transpose(0, 3, 1, 4, 2)
    read = np.broadcast_to(words[:, None], (len(words), p.M, *words.shape[1:])).reshape(-1, p.PE, p.SIMD)
    t.kept(t.wired(read, p.B_BITS), p.B_BITS, 3 if p.LANE == LANE_DIGITS else 2)
    _sequence(t, len(codes), slots, slots * folds, 1, unit.latency - p.K * folds - slots)
    t.counted(2 * len(b), slots * folds)
    t.steps += len(b)
    own = SimpleNamespace(
        LANE=p.LANE, X_BITS=lane_bits(p.A_BITS, p.A_KIND, False), X_SIGNED=int(p.A_KIND != UNSIGNED),
        W_BITS=lane_bits(p.B_BITS, p.B_KIND, True),
    )  # fmt: skip
    x, w = of_kind(codes, p.A_BITS, p.A_KIND)[:, None], of_kind(read, p.B_BITS, p.B_KIND)
    sums, carry = ROWS[p.LANE](t, x, w, own)
    accumulate(t, sums + carry, np.zeros((len(sums) // slots, p.PE), np.int64), slots, p.ACC_BITS)
