"""What units of products and of distances give for what they take, exactly: codes (beats, lanes)."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ...hw.design import Instance
from ...hw.units.lanes import (
    COUNTING,
    LANE_ADDER,
    LANE_BOOTH,
    LANE_MINIMUM,
    LANE_PAIR,
    LANE_SIGN_W,
    LANE_SIGN_X,
    LANE_XNOR,
)
from ...hw.units.matrix_product import SIGN, SIGNED
from ...hw.units.matrix_vector import booth_start, minimum_start
from .computing import Codes, elements
from .words import fields, mask, signed

# Elements of a block of distances that are worked out at once.
_AT_ONCE = 1 << 22


def bipolar(codes: np.ndarray) -> np.ndarray:
    """Codes 0 and 1 as -1 and +1."""
    return 2 * codes - 1


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a @ b`` of integers, by floats where those hold every sum."""
    most = float(np.abs(a).max(initial=0)) * float(np.abs(b).max(initial=0)) * a.shape[-1]
    if most < 2**53:
        return np.rint(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return a @ b


def distances(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """-sum |x - w|: (vectors, MW) and (MW, MH) to (vectors, MH)."""
    step = max(1, _AT_ONCE // w.size)
    parts = [-np.abs(x[n : n + step, :, None] - w).sum(1) for n in range(0, len(x), step)]
    return np.concatenate(parts)


def weight_codes(unit: Instance) -> np.ndarray:
    """The words of gw_matrix_vector's ROM, in the order in which they are read: (words, PE, SIMD)."""
    p = unit.p
    return fields(unit.memories["WEIGHTS"]().words, p.PE * p.SIMD, p.W_BITS).reshape(-1, p.PE, p.SIMD)


def as_weights(codes: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    """Codes of gw_matrix_vector's weights as integers; those of LANE 6 as the multiplier takes them."""
    if p.LANE in (LANE_SIGN_W, *COUNTING):
        return bipolar(codes)
    if p.LANE in (LANE_ADDER, LANE_MINIMUM) and not p.X_SIGNED:
        return codes
    return signed(codes, p.W_BITS)


def as_elements(codes: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    """Codes of gw_matrix_vector's vectors as integers."""
    return bipolar(codes) if p.LANE in (LANE_SIGN_X, *COUNTING) else elements(codes, p.X_BITS, p.X_SIGNED)


def weights(unit: Instance) -> np.ndarray:
    """gw_matrix_vector's matrices: (GROUPS, MW, MH)."""
    p = unit.p
    w = as_weights(weight_codes(unit), p)
    if p.LANE == LANE_PAIR:
        w[:, 1::2] += w[:, 0 : p.PE - 1 : 2] < 0
    w = w.reshape(p.GROUPS, p.MH // p.PE, p.MW // p.SIMD, p.PE, p.SIMD)
    return w.transpose(0, 2, 4, 1, 3).reshape(p.GROUPS, p.MW, p.MH)


def biases(unit: Instance) -> np.ndarray:
    """What gw_matrix_vector's sums start with: (GROUPS, MH) codes; for lanes that count, of counts if a bit
    leaves, else of sums."""
    p = unit.p
    if not p.HAS_BIAS:
        return np.zeros((p.GROUPS, p.MH), np.int64)
    return fields(unit.memories["BIAS"]().words, p.PE, p.ACC_BITS).reshape(p.GROUPS, p.MH)


def vector_sums(unit: Instance, x: np.ndarray) -> np.ndarray:
    """gw_matrix_vector's sums of vectors (N, MW), the first of which is for the first matrix: (N, MH)."""
    p = unit.p
    w, start = weights(unit), biases(unit)
    if p.LANE == LANE_MINIMUM:
        start = start - minimum_start(w, p.SIMD, p.X_BITS, p.W_BITS, bool(p.X_SIGNED))
    if p.LANE == LANE_BOOTH:
        start = start - booth_start(p.MW, p.X_BITS, p.W_BITS)
    sums = np.empty((len(x), p.MH), np.int64)
    for group in range(p.GROUPS):
        rows = x[group :: p.GROUPS]
        adds = p.LANE in (LANE_ADDER, LANE_MINIMUM)
        made = distances(rows, w[group]) if adds else exact_product(rows, w[group])
        if p.LANE in COUNTING and p.TOP_BIT:
            made = (made + p.MW) // 2
        sums[group :: p.GROUPS] = made + start[group]
    return sums & mask(p.ACC_BITS)


def matrix_vector(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_matrix_vector."""
    p = unit.p
    sums = vector_sums(unit, as_elements(x, p).reshape(-1, p.MW))
    return ((sums >> (p.ACC_BITS - 1) if p.TOP_BIT else sums).reshape(-1, p.PE),)


def depthwise_operands(unit: Instance, x: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gw_depthwise's elements (windows, TAPS, C), weights (TAPS, C*K) and start values (C*K,)."""
    p = unit.p
    of_signs = p.LANE in (LANE_SIGN_X, LANE_XNOR)
    values = bipolar(x) if of_signs else elements(x, p.X_BITS, p.X_SIGNED)
    codes = fields(unit.memories["WEIGHTS"]().words, p.PE * p.K, p.W_BITS).reshape(p.TAPS, p.C * p.K)
    w = bipolar(codes) if p.LANE in (LANE_SIGN_W, LANE_XNOR) else signed(codes, p.W_BITS)
    start = np.zeros(p.C * p.K, np.int64)
    if p.HAS_BIAS:
        start = fields(unit.memories["BIAS"]().words, p.PE * p.K, p.ACC_BITS).reshape(-1)
    return values.reshape(-1, p.TAPS, p.C), w, start


def depthwise(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_depthwise."""
    p = unit.p
    values, w, start = depthwise_operands(unit, x)
    sums = sum(np.repeat(values[:, tap], p.K, axis=1) * w[tap] for tap in range(p.TAPS)) + start
    return (sums.reshape(-1, p.PE * p.K) & mask(p.ACC_BITS),)


def of_kind(codes: np.ndarray, bits: int, kind: int) -> np.ndarray:
    """Codes of gw_matrix_product's operands as integers."""
    return bipolar(codes) if kind == SIGN else signed(codes, bits) if kind == SIGNED else codes


def matrix_product(unit: Instance, a: Codes, b: Codes) -> tuple[Codes]:
    """gw_matrix_product."""
    p = unit.p
    left = of_kind(a, p.A_BITS, p.A_KIND).reshape(-1, p.M, p.K)
    right = of_kind(b, p.B_BITS, p.B_KIND).reshape(-1, p.K, p.N)
    return ((exact_product(left, right) & mask(p.ACC_BITS)).reshape(-1, p.PE),)


@dataclass(frozen=True)
class Sum:
    """A sum of gw_constant_matrix as it goes through its adder: codes (beats,) of ``bits`` bits, and for how
    many clocks more it is kept."""

    a: np.ndarray
    b: np.ndarray
    minus: bool
    value: np.ndarray
    bits: int
    keep: int


def constant_sums(unit: Instance, x: Codes) -> tuple[list[Sum], list[np.ndarray]]:
    """The sums in gw_constant_matrix for its vectors x, and its outputs before a clamp, as integers."""
    p = unit.p
    values = {n * p.X_BITS: x[:, n] for n in range(p.MW)}
    made = []
    for word in _table(p.SUMS, 84):
        a, b = (_operand(word >> low, values, p) for low in (0, 28))
        minus, bits, keep = bool(word >> 83), word >> 72 & 63, word >> 78 & 31
        value = (a - b if minus else a + b) & mask(bits)
        values[word >> 56 & 0xFFFF] = value
        made.append(Sum(a, b, minus, value, bits, keep))
    outputs = []
    for word in _table(p.OUTPUTS, 64):
        value = _operand(word, values, p) if word >> 16 & 63 else np.zeros(len(x), np.int64)
        offset = signed(np.int64(word >> 32 & 0xFFFFFFFF), 32)
        outputs.append(offset - value if word >> 28 & 1 else offset + value)
    return made, outputs


def _table(table: int, bits: int) -> list[int]:
    """The words of one of gw_constant_matrix's tables, above which stands a digit."""
    return [table >> place & ((1 << bits) - 1) for place in range(0, table.bit_length() - 3, bits)]


def _operand(word: int, values: dict[int, np.ndarray], p: SimpleNamespace) -> np.ndarray:
    """An operand of the tables, shifted, as an integer: the latest value that starts at or before its place,
    as it is kept."""
    at, bits = word & 0xFFFF, word >> 16 & 63
    if at < p.MW * p.X_BITS * (1 + p.INPUT_KEEP):
        start = at % (p.MW * p.X_BITS)
    else:
        start = max(place for place in values if place <= at)
    code = values[start] & mask(bits)
    return (signed(code, bits) if word >> 22 & 1 else code) << (word >> 23 & 31)


def constant_matrix_outputs(unit: Instance, x: Codes) -> tuple[Codes]:
    """gw_constant_matrix."""
    p = unit.p
    sums = np.stack(constant_sums(unit, x)[1], axis=1)
    if p.CLAMP:
        sums = p.BIAS + np.clip(signed(sums & mask(p.SUM_BITS), p.SUM_BITS) >> p.SHIFT, 0, p.TOP)
    return (sums & mask(p.OUT_BITS),)
