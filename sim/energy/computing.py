"""What units that compute give for what they take, exactly: codes (beats, lanes) in, codes out."""

from types import SimpleNamespace

import numpy as np

from ...hw.design import Instance
from .words import fields, lane_words, mask, signed

Codes = np.ndarray


def elements(codes: Codes, bits: int, is_signed: int) -> np.ndarray:
    """Codes as integers."""
    return signed(codes, bits) if is_signed else codes


def pooled_sums(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_sum_pool."""
    p = unit.p
    values = elements(x, p.X_BITS, p.X_SIGNED).reshape(-1, p.TAPS, p.C // p.PE, p.PE)
    return (values.sum(1).reshape(-1, p.PE) & mask(p.ACC_BITS),)


def pooled_maxima(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_max_pool."""
    p = unit.p
    values = elements(x, p.BITS, p.SIGNED).reshape(-1, p.TAPS, p.C // p.PE, p.PE)
    return (values.max(1).reshape(-1, p.PE) & mask(p.BITS),)


def largest(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_arg_max."""
    p = unit.p
    return (elements(x, p.BITS, p.SIGNED).reshape(-1, p.C).argmax(1)[:, None],)


def scaled(codes: Codes, p: SimpleNamespace, side: str) -> np.ndarray:
    """An operand of gw_binary, times its factor and with its offset."""
    of = {name: getattr(p, f"{side}_{name}") for name in ("BITS", "SIGNED", "FACTOR", "OFFSET")}
    return of["FACTOR"] * elements(codes, of["BITS"], of["SIGNED"]) + of["OFFSET"]


def joined_elements(unit: Instance, a: Codes, b: Codes) -> tuple[Codes]:
    """gw_binary."""
    p = unit.p
    a, b = scaled(a, p, "A"), scaled(b, p, "B")
    return ((a * b if p.OP else a + b) & mask(p.OUT_BITS),)


def looked_up(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_lookup."""
    p = unit.p
    folds = p.C // p.PE
    tables = lane_words(unit.memories["TABLE"]()).reshape(-1, folds, 1 << p.X_BITS)
    lanes = np.zeros(p.PE, np.int64) if len(tables) == 1 else np.arange(p.PE)
    return (tables[lanes, fold_of(len(x), folds), x],)


def fold_of(beats: int, folds: int) -> np.ndarray:
    """Which of a vector's beats each beat is, as a column."""
    return (np.arange(beats) % folds)[:, None]


def searched(unit: Instance, x: Codes) -> tuple[list[Codes], list[Codes]]:
    """gw_threshold's binary search: for each stage the thresholds read and the decisions so far."""
    p = unit.p
    folds = p.C // p.PE
    roms = unit.memories["TABLE"]().words
    values = elements(x, p.X_BITS, p.X_SIGNED)
    found = np.zeros_like(x)
    limits, decisions = [], []
    for stage in range(p.STAGES):
        rom = np.array(roms[stage * p.PE : (stage + 1) * p.PE], dtype=np.int64)
        limit = rom[np.arange(p.PE), (fold_of(len(x), folds) << stage) + found]
        limits.append(limit)
        found = 2 * found + (values >= elements(limit, p.X_BITS + 1, p.X_SIGNED))
        decisions.append(found)
    return limits, decisions


def thresholds(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_threshold."""
    p = unit.p
    return (p.BIAS + (searched(unit, x)[1][-1] << p.SHIFT) & mask(p.OUT_BITS),)


def line(unit: Instance, x: Codes) -> tuple[np.ndarray, np.ndarray]:
    """gw_requantize's products m*x, and their sums with the offsets modulo 2**ACC_BITS, by beat and lane."""
    p = unit.p
    folds = p.C // p.PE
    fold = fold_of(len(x), folds)[:, 0]
    m = signed(fields(unit.memories["FACTORS"]().words, p.PE, p.M_BITS), p.M_BITS)[fold]
    b = signed(fields(unit.memories["OFFSETS"]().words, p.PE, p.ACC_BITS), p.ACC_BITS)[fold]
    products = m * elements(x, p.X_BITS, p.X_SIGNED)
    return products, signed(products + b & mask(p.ACC_BITS), p.ACC_BITS)


def bent(unit: Instance, sums: np.ndarray) -> np.ndarray:
    """gw_requantize's sums with their knee, if it has one."""
    p = unit.p
    if not p.D_BITS:
        return sums
    drops = fields(unit.memories["DROPS"]().words, p.PE, p.D_BITS)[fold_of(len(sums), p.C // p.PE)[:, 0]]
    return sums + ((2 * p.KNEE + 1) << (p.SHIFT - 1)) - np.where(sums < 0, drops, 0)


def requantized(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_requantize."""
    p = unit.p
    counts = np.clip(bent(unit, line(unit, x)[1]) >> p.SHIFT, 0, p.TOP)
    return (p.BIAS + counts & mask(p.OUT_BITS),)
