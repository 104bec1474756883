"""Transitions inside units that compute element by element, or over a window, for whole pieces of work.

Each function takes the tally, the instance and the codes of its inputs (beats, lanes), and adds what moves.
"""

from types import SimpleNamespace

import numpy as np

from ...hw.design import Instance
from ...hw.units.lanes import LANE_DIGITS
from ...hw.units.ram import clog2
from .computing import bent, elements, fold_of, line, scaled, searched
from .lanes import digits
from .matrices import constant_sums
from .tally import Tally
from .words import fields, flips, lane_words, mask, signed

# As in gw_turn and gw_max_pool: from so many words on they live in a RAM.
_FOLD_RAM = 5


def _folds(t: Tally, beats: int, folds: int, clocks: int) -> None:
    """gw_vector_pipe's counter, and delays of its value."""
    fold = np.arange(beats) % folds
    t.made(fold, clog2(folds))
    t.kept(fold, clog2(folds), clocks)
    t.steps += beats


def threshold(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_threshold: for each stage a threshold read, a comparison, and what is carried along."""
    p = unit.p
    read = 2 if p.ROM_STYLE == 1 else 1
    limits, found = searched(unit, x)
    bits = p.X_BITS + 1
    _folds(t, len(x), p.C // p.PE, (read + 1) * (p.STAGES - 1))
    values = elements(x, p.X_BITS, p.X_SIGNED)
    for stage, (limit, now) in enumerate(zip(limits, found, strict=True)):
        t.kept(x, p.X_BITS, read + (stage < p.STAGES - 1))
        words = (p.C // p.PE) << stage
        if words > 1:
            if p.ROM_STYLE == 1 and words > 64:
                t.kept(t.wired(limit, bits), bits)
            else:
                t.made(limit, bits)
                t.kept(limit, bits, read - 1)
        t.chain(values & mask(bits), ~signed(limit, bits) & mask(bits), bits, 1)
        t.made(now & 1, 1)
        t.kept(now, stage + 1, (read + 1) * (stage < p.STAGES - 1))
        if stage:
            t.kept(now >> 1, stage)
    t.made(p.BIAS + (found[-1] << p.SHIFT), p.OUT_BITS)


def requantize(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_requantize: a product, its sum with an offset, and a clamp."""
    p = unit.p
    folds = p.C // p.PE
    lead = 2 if folds > 1 else 1
    fold = fold_of(len(x), folds)[:, 0]
    _folds(t, len(x), folds, lead + (p.M_BITS + 1) // 2 if p.LANE == LANE_DIGITS else lead)
    t.kept(x, p.X_BITS, lead)
    products, sums = line(unit, x)
    m = fields(unit.memories["FACTORS"]().words, p.PE, p.M_BITS)[fold]
    b = fields(unit.memories["OFFSETS"]().words, p.PE, p.ACC_BITS)[fold]
    if folds > 1:
        for words, bits in ((m, p.M_BITS), (b, p.ACC_BITS)):
            t.kept(t.wired(words, bits) if p.ROM_STYLE == 1 else t.made(words, bits), bits)
    if p.LANE == LANE_DIGITS:
        values = elements(x, p.X_BITS, p.X_SIGNED)
        t.added(values, 2 * values, p.X_BITS + 2)
        for lane in range(p.PE):
            own = slice(lane, lane + 1)
            made, carry = digits(t, values[:, own, None], signed(m, p.M_BITS)[:, own, None], _operands(p))
            products[:, own] = made + carry
    else:
        bits = min(p.X_BITS + p.M_BITS, p.ACC_BITS)
        t.kept(t.wired(products, bits), bits)
    t.added(b & mask(p.ACC_BITS), products & mask(p.ACC_BITS), p.ACC_BITS)
    bowed = bent(unit, sums)
    if p.D_BITS:
        t.added(sums, bowed - sums, p.ACC_BITS)
        t.logic += flips(bowed - sums, p.ACC_BITS)
    _clamped(t, bowed >> p.SHIFT, p.ACC_BITS - p.SHIFT, p.TOP)


def _operands(p: SimpleNamespace) -> SimpleNamespace:
    """What gw_lane_digit is told of gw_requantize's operands."""
    return SimpleNamespace(X_BITS=p.X_BITS, X_SIGNED=p.X_SIGNED, W_BITS=p.M_BITS)


def _clamped(t: Tally, values: np.ndarray, bits: int, top: int) -> None:
    """Whether a value is beyond the ends, and what is left of it."""
    high = clog2(top + 1)
    above = ((values >> high) > 0).astype(np.int64)
    t.wired(above, 1)
    t.made(np.clip(values, 0, top), high)


def lookup(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_lookup: a ROM a lane and its second register."""
    p = unit.p
    folds = p.C // p.PE
    _folds(t, len(x), folds, 0)
    tables = lane_words(unit.memories["TABLE"]()).reshape(-1, folds, 1 << p.X_BITS)
    lanes = np.zeros(p.PE, np.int64) if len(tables) == 1 else np.arange(p.PE)
    read = tables[lanes, fold_of(len(x), folds), x]
    first = t.wired if p.ROM_STYLE == 1 else t.made
    t.kept(first(read, p.OUT_BITS), p.OUT_BITS)


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
    t.added(base.reshape(flat), values.reshape(flat), p.ACC_BITS)
    if p.TAPS > 1:
        _turned(t, reached.reshape(flat), p.ACC_BITS, folds)
        if not t.six:
            t.logic += flips(base.reshape(flat), p.ACC_BITS)
    t.steps += 2 * len(x)


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
    t.made(best.reshape(flat), p.BITS)
    least = -(1 << (p.BITS - 1)) if p.SIGNED else 0
    t.chain(values.reshape(flat) - least, ~(old.reshape(flat) - least) & mask(p.BITS), p.BITS)
    t.wired((values > old).astype(np.int64).reshape(flat), 1)
    if p.TAPS > 1:
        _turned(t, best.reshape(flat), p.BITS, folds)
    t.steps += 2 * len(x)


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
        t.chain(b, ~a & mask(p.BITS), p.BITS)
        t.wired(larger.astype(np.int64), 1)
        chosen = np.where(larger, places[:, 1 : 2 * pairs : 2], places[:, 0 : 2 * pairs : 2])
        keys = np.concatenate(
            [t.made(np.maximum(a, b), p.BITS), t.kept(keys[:, 2 * pairs :], p.BITS)], axis=1
        )
        places = np.concatenate([t.made(chosen, level), places[:, 2 * pairs :]], axis=1)
    if p.C > p.PE:
        best = np.maximum.accumulate(keys.reshape(-1, p.C // p.PE), axis=1)
        t.made(best.reshape(-1), p.BITS)
        t.chain(keys[:, 0], ~best.reshape(-1) & mask(p.BITS), p.BITS)
        t.made(np.arange(len(x)) % (p.C // p.PE) * p.PE, clog2(p.C))
    t.steps += len(x) * 2


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
            _clamped(t, signed(value & mask(p.SUM_BITS), p.SUM_BITS) >> p.SHIFT, p.SUM_BITS - p.SHIFT, p.TOP)
    t.steps += len(x)
