"""Transitions inside units of activations, thresholds and scaled sums, for whole pieces of work in a row.

Each function takes the tally, the instance and the codes of its input (beats, lanes), and adds what moves.
"""

from types import SimpleNamespace

import numpy as np

from ...hw.design import Instance
from ...hw.units.lanes import LANE_DIGITS
from ...hw.units.ram import clog2
from .computing import bent, elements, fold_of, line, searched
from .lanes import digits
from .tally import Tally
from .words import fields, flips, mask, signed

# So few factors a lane leave digits of them constant.
_FEW_FACTORS = 2


def vector_folds(t: Tally, beats: int, folds: int, clocks: int) -> None:
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
    roms = unit.memories["TABLE"]().words
    bits = p.X_BITS + 1
    vector_folds(t, len(x), p.C // p.PE, (read + 1) * (p.STAGES - 1))
    values = elements(x, p.X_BITS, p.X_SIGNED)
    for stage, (limit, now) in enumerate(zip(limits, found, strict=True)):
        t.kept(x, p.X_BITS, read + (stage < p.STAGES - 1))
        words = (p.C // p.PE) << stage
        if words > 1:
            own = np.array(roms[stage * p.PE : (stage + 1) * p.PE], dtype=np.int64)
            own &= _distinct(own, bits)[:, None]
            address = (fold_of(len(x), p.C // p.PE) << stage) + (now >> 1)
            if p.ROM_STYLE == 1 and words > 64:
                t.kept(t.wired(own[np.arange(p.PE), address], bits), bits)
            else:
                t.kept(t.table(own, address, bits), bits, read - 1)
        t.chain(values & mask(bits), ~signed(limit, bits) & mask(bits), bits, 1)
        t.made(now & 1, 1)
        t.kept(now >> 1, stage, read + 1)
    t.made(p.BIAS + (found[-1] << p.SHIFT), p.OUT_BITS)


def _distinct(roms: np.ndarray, bits: int) -> np.ndarray:
    """For each ROM, a row of words, a mask of the bits that are not the same as a higher one in all of them:
    synthesis keeps one of equal registers."""
    masks = []
    for words in roms:
        columns = {(words >> k & 1).tobytes(): k for k in range(bits)}
        masks.append(sum(1 << k for k in columns.values()))
    return np.array(masks, dtype=np.int64)


def requantize(t: Tally, unit: Instance, x: np.ndarray) -> None:
    """gw_requantize: a product, its sum with an offset, and a clamp."""
    p = unit.p
    folds = p.C // p.PE
    t.merges = folds <= _FEW_FACTORS
    lead = 2 if folds > 1 else 1
    fold = fold_of(len(x), folds)[:, 0]
    vector_folds(t, len(x), folds, lead + (p.M_BITS + 1) // 2 if p.LANE == LANE_DIGITS else lead)
    t.kept(x, p.X_BITS, lead)
    products, sums = line(unit, x)
    m = fields(unit.memories["FACTORS"]().words, p.PE, p.M_BITS)[fold]
    b = fields(unit.memories["OFFSETS"]().words, p.PE, p.ACC_BITS)[fold]
    if folds > 1:
        for words, bits in ((m, p.M_BITS), (b, p.ACC_BITS)):
            _read(t, words, folds, bits, p.ROM_STYLE)
    if p.LANE == LANE_DIGITS:
        values = elements(x, p.X_BITS, p.X_SIGNED)
        t.added(values, 2 * values, p.X_BITS + 2)
        for lane in range(p.PE):
            own = slice(lane, lane + 1)
            made, carry = digits(t, values[:, own, None], signed(m, p.M_BITS)[:, own, None], _operands(p))
            products[:, own] = made + carry
        t.added(b & mask(p.ACC_BITS), products & mask(p.ACC_BITS), p.ACC_BITS)
    else:
        _multiply_add(t, p, elements(x, p.X_BITS, p.X_SIGNED), signed(m, p.M_BITS), b)
    bowed = bent(unit, sums)
    if p.D_BITS:
        t.added(sums, bowed - sums, p.ACC_BITS)
        t.logic += flips(bowed - sums, p.ACC_BITS)
    clamped(t, bowed >> p.SHIFT, p.ACC_BITS - p.SHIFT, p.TOP)


def _multiply_add(t: Tally, p: SimpleNamespace, x: np.ndarray, m: np.ndarray, b: np.ndarray) -> None:
    """gw_multiply_add: products of parts, the highest and the lowest side by side, and their sums."""
    full = mask(p.ACC_BITS)

    def part(left: np.ndarray, right: np.ndarray, bits: int) -> np.ndarray:
        return t.kept(t.wired(left * right, bits), bits)

    x_high, m_high = p.X_BITS - p.X_LOW, p.M_BITS - p.M_LOW
    high = part(x >> p.X_LOW, m >> p.M_LOW, x_high + m_high) << (p.X_LOW + p.M_LOW)
    crosses = []
    if p.X_LOW:
        crosses.append(part(x & mask(p.X_LOW), m >> p.M_LOW, p.X_LOW + m_high) << p.M_LOW)
    if p.M_LOW:
        crosses.append(part(x >> p.X_LOW, m & mask(p.M_LOW), x_high + p.M_LOW + 1) << p.X_LOW)
    if p.X_LOW and p.M_LOW:
        high = high | part(x & mask(p.X_LOW), m & mask(p.M_LOW), p.X_LOW + p.M_LOW + 1)
    sums = t.added(b & full, high & full, p.ACC_BITS)
    if crosses:
        both = (
            t.added(crosses[0], crosses[1], p.ACC_BITS)
            if len(crosses) > 1
            else t.kept(crosses[0], p.ACC_BITS)
        )
        t.added(sums & full, both & full, p.ACC_BITS)


def _read(t: Tally, words: np.ndarray, count: int, bits: int, style: int) -> None:
    """Words of a ROM of ``count`` words, as they are read, and a second register behind the first."""
    if style == 1:
        t.kept(t.wired(words, bits), bits)
        return
    moved = t.once(words, bits) if count <= 8 else flips(words, bits)
    t.register += 2 * moved
    t.local += moved


def _operands(p: SimpleNamespace) -> SimpleNamespace:
    """What gw_lane_digit is told of gw_requantize's operands."""
    return SimpleNamespace(X_BITS=p.X_BITS, X_SIGNED=p.X_SIGNED, W_BITS=p.M_BITS)


def clamped(t: Tally, values: np.ndarray, bits: int, top: int) -> None:
    """Whether a value is beyond the ends, and what is left of it."""
    high = clog2(top + 1)
    above = ((values >> high) > 0).astype(np.int64)
    t.wired(above, 1)
    t.made(np.clip(values, 0, top), high)
