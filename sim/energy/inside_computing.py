"""Transitions inside units that compute element by element, or over a window, for whole pieces of work.

Each function takes the tally, the instance and the codes of its inputs (beats, lanes), and adds what moves.
"""

import numpy as np

from ...hw.design import Instance
from ...hw.units.ram import clog2
from .computing import elements, fold_of, scaled
from .inside_activation import clamped, vector_folds
from .matrices import constant_sums
from .tally import Tally
from .words import flips, lane_words, mask, signed

# As in gw_turn and gw_max_pool: from so many words on they live in a RAM.
_FOLD_RAM = 5
# Comparisons of so few bits are in LUTs alone.
_LUT_COMPARE = 4


def lookup(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_lookup: a ROM a lane and its second register."""
    p = unit.p
    folds = p.C // p.PE
    vector_folds(t, len(x), folds, 0)
    tables = lane_words(unit.memories["TABLE"]()).reshape(-1, folds, 1 << p.X_BITS)
    lanes = np.zeros(p.PE, np.int64) if len(tables) == 1 else np.arange(p.PE)
    fold = fold_of(len(x), folds)
    read = tables[lanes, fold, x]
    if p.ROM_STYLE == 1:
        t.wired(read, p.OUT_BITS)
    else:
        t.table(tables.reshape(len(tables), -1)[lanes], (fold << p.X_BITS) + x, p.OUT_BITS)
    t.kept(read, p.OUT_BITS)


def binary(t: Tally, unit: Instance, a: np.ndarray, b: np.ndarray) -> None:
    """gw_binary: both operands, what their constants make of them, and the outcome."""
    p = unit.p
    plain = (p.A_FACTOR, p.B_FACTOR, p.A_OFFSET, p.B_OFFSET) == (1, 1, 0, 0)
    t.kept(a, p.A_BITS)
    t.kept(b, p.B_BITS)
    left, right = scaled(a, p, "A"), scaled(b, p, "B")
    if not plain:
        for side, codes, value in (("A", a, left), ("B", b, right)):
            bits, factor, offset = (getattr(p, f"{side}_{k}") for k in ("TERM", "FACTOR", "OFFSET"))
            t.made(value, bits)
            _constant_adders(t, codes, bits, factor, offset)
    t.steps += len(a)
    if p.OP:
        t.kept(t.wired(left * right, p.OUT_BITS), p.OUT_BITS)
    else:
        t.added(left, right, p.OUT_BITS)


def _constant_adders(t: Tally, codes: np.ndarray, bits: int, factor: int, offset: int) -> None:
    """The adders of a product with a constant: one a signed digit but the first, and one for an offset."""
    digit, value, place = factor, np.zeros_like(codes), 0
    while digit:
        if digit & 1:
            sign = 2 - (digit & 3)
            term = sign * (codes << place)
            if np.any(value):
                t.chain(value & mask(bits), term & mask(bits), bits)
                t.wired(value, bits)
            value = value + term
            digit -= sign
        digit, place = digit >> 1, place + 1
    if offset:
        t.chain(value & mask(bits), np.full_like(value, offset & mask(bits)), bits)


def sum_pool(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_sum_pool: sums that come round."""
    p = unit.p
    folds = p.C // p.PE
    t.kept(x, p.X_BITS)
    values = elements(x, p.X_BITS, p.X_SIGNED).reshape(-1, p.TAPS, folds, p.PE)
    reached = np.cumsum(values, axis=1)
    base = np.concatenate([np.zeros_like(reached[:, :1]), reached[:, :-1]], axis=1)
    flat = (-1, p.PE)
    t.wired(t.kept(t.chain(base.reshape(flat), values.reshape(flat), p.ACC_BITS), p.ACC_BITS), p.ACC_BITS)
    t.shown += flips(reached.reshape(flat), p.ACC_BITS)
    _rounds(t, len(x), folds, p.TAPS)
    if p.TAPS > 1:
        _turned(t, reached.reshape(flat), p.ACC_BITS, folds)
        if not t.six:
            t.logic += flips(base.reshape(flat), p.ACC_BITS)
    t.steps += len(x)


def _rounds(t: Tally, beats: int, folds: int, taps: int) -> None:
    """Counters of the beats of a pixel and of the pixels of a window, and of a RAM's addresses."""
    for steps, count in ((beats, folds), (beats // folds, taps)):
        t.counted(steps, count)
    if folds >= _FOLD_RAM:
        t.counted(2 * beats, folds)


def _turned(t: Tally, words: np.ndarray, bits: int, folds: int) -> None:
    """gw_turn: words that come round in registers, or in a RAM with a register."""
    t.register += (1 if folds >= _FOLD_RAM else folds) * flips(words, bits)


def max_pool(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_max_pool: maxima that come round."""
    p = unit.p
    folds = p.C // p.PE
    t.kept(x, p.BITS)
    values = elements(x, p.BITS, p.SIGNED).reshape(-1, p.TAPS, folds, p.PE)
    best = np.maximum.accumulate(values, axis=1)
    old = np.concatenate([best[-1:, -1:].repeat(len(best), 0), best[:, :-1]], axis=1)
    flat = (-1, p.PE)
    t.wired(t.kept(best.reshape(flat), p.BITS), p.BITS)
    t.shown += flips(best.reshape(flat), p.BITS)
    _rounds(t, len(x), folds, p.TAPS)
    least = -(1 << (p.BITS - 1)) if p.SIGNED else 0
    if p.BITS > _LUT_COMPARE:
        t.chain(values.reshape(flat) - least, ~(old.reshape(flat) - least) & mask(p.BITS), p.BITS)
    t.wired((values > old).astype(np.int64).reshape(flat), 1)
    if p.BITS <= _LUT_COMPARE:  # no carry chain: upper halves equal, greater, lower halves greater
        high, old_high, low, old_low = values >> 2, old >> 2, values & 3, old & 3
        for part in (high == old_high, high > old_high, low > old_low):
            t.wired(part.astype(np.int64).reshape(flat), 1)
    if p.TAPS > 1:
        _turned(t, best.reshape(flat), p.BITS, folds)
    t.steps += len(x)


def arg_max(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_arg_max: a tree of comparisons over the lanes, then the best so far."""
    p = unit.p
    keys = elements(x, p.BITS, p.SIGNED) + ((1 << (p.BITS - 1)) if p.SIGNED else 0)
    places = np.broadcast_to(np.arange(p.PE), keys.shape)
    level = 0
    while keys.shape[1] > 1:
        level += 1
        pairs = keys.shape[1] // 2
        a, b = keys[:, 0 : 2 * pairs : 2], keys[:, 1 : 2 * pairs : 2]
        larger = b > a
        t.chain(a, t.wired(~b & mask(p.BITS), p.BITS), p.BITS)
        t.wired(larger.astype(np.int64), 1)
        chosen = np.where(larger, places[:, 1 : 2 * pairs : 2], places[:, 0 : 2 * pairs : 2])
        keys = np.concatenate(
            [t.made(np.maximum(a, b), p.BITS), t.kept(keys[:, 2 * pairs :], p.BITS)], axis=1
        )
        places = np.concatenate([t.made(chosen, level), places[:, 2 * pairs :]], axis=1)
    if p.C > p.PE:
        folds = p.C // p.PE
        best = np.maximum.accumulate(keys.reshape(-1, folds), axis=1).reshape(-1)
        t.made(best, p.BITS)
        t.chain(np.roll(best, 1), t.wired(~keys[:, 0] & mask(p.BITS), p.BITS), p.BITS)
        chosen = np.arange(len(x)) % folds * p.PE
        t.made(chosen, clog2(p.C))
        t.kept(np.where(keys[:, 0] == best, chosen, 0), clog2(p.C))
        t.counted(len(x), folds)
    t.steps += len(x)


def constant_matrix(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_constant_matrix: inputs, the sums of its graph, each for as long as it is kept, and the outputs."""
    p = unit.p
    t.kept(x, p.X_BITS, 1 + p.INPUT_KEEP)
    made, outputs = constant_sums(unit, x)
    for each in made:
        b = ~each.b if each.minus else each.b
        t.added(each.a & mask(each.bits), b & mask(each.bits), each.bits, int(each.minus))
        t.kept(each.value, each.bits, each.keep)
    low = p.SHIFT * p.CLAMP
    for value in outputs:
        if p.OFFSETS:
            t.made(value >> low, p.SUM_BITS - low)
        if p.CLAMP:
            clamped(t, signed(value & mask(p.SUM_BITS), p.SUM_BITS) >> p.SHIFT, p.SUM_BITS - p.SHIFT, p.TOP)
    t.steps += len(x)
