"""Transitions in rows of lanes: operands in, the rows' sums out, word by word as the RTL has them.

Elements are x, int64 (clocks, 1, SIMD), weights w (clocks, PE, SIMD); sums are (clocks, PE).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace

import numpy as np

from ...hw.units.lanes import (
    LANE_ADDER,
    LANE_DIGITS,
    LANE_MINIMUM,
    LANE_MULTIPLY,
    LANE_PAIR,
    LANE_SIGN_W,
    LANE_SIGN_X,
    LANE_XNOR,
    LANE_XNOR6,
)
from .tally import Tally
from .words import flips, mask, signed

Sums = tuple[np.ndarray, np.ndarray | int]


def clog2(n: int) -> int:
    """Bits that count n things."""
    return (n - 1).bit_length()


def multiply(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_multiply: products leave multiplier blocks over wires, to registers."""
    bits = p.X_BITS + p.W_BITS
    products = t.kept(t.wired(x * w, bits), bits)
    return t.tree(products, bits)


def pair(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_pair: two rows in one multiplication, of which the second's products lack a borrow."""
    bits = p.X_BITS + p.W_BITS
    both = x * ((w[:, 1::2] << bits) + w[:, 0::2])
    low = t.kept(t.wired(both & mask(bits), bits), bits)
    high = t.kept(t.wired(both >> bits, bits), bits)
    borrow = low >> (bits - 1) & 1
    first, _ = t.tree(signed(low, bits), bits)
    second, carry = t.tree(high, bits, borrow)
    sums, carries = np.zeros(w.shape[:2], np.int64), np.zeros(w.shape[:2], np.int64)
    sums[:, 0::2], sums[:, 1::2], carries[:, 1::2] = first, second, carry
    return sums, carries


def digits(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_digit: for each two bits of a weight a row of multiples of x and its tree, then their sum."""
    count, simd = (p.W_BITS + 1) // 2, x.shape[-1]
    lowest, m_bits = 2 - p.W_BITS % 2, p.X_BITS + 2
    code = [
        w >> max(p.W_BITS - 2 * (d + 1), 0) & (3 if d < count - 1 else mask(lowest)) for d in range(count)
    ]
    if count == 1 and lowest == 1:
        code[0] = code[0] * 3
    high, low = code[0] >> 1, code[0] & 1
    terms = [np.where(high, np.where(low, ~x, ~(2 * x)), np.where(low, x, 0)), *(c * x for c in code[1:])]
    t.made(np.concatenate(terms, axis=-1), m_bits)
    value, carry = t.tree(terms[0], m_bits, t.kept(high, 1))
    s_bits = m_bits + clog2(simd)
    for d in range(1, count):
        if d < count - 1 or lowest == 2:  # of five inputs
            _below_wide(t, code[d], x, m_bits)
        part, _ = t.tree(terms[d], m_bits)
        t.kept(part, s_bits, d - 1)
        shift, h_bits = lowest if d == count - 1 else 2, s_bits + 2 * (d - 1)
        above = t.added(value, part >> shift, h_bits, carry)
        value, carry = (above << shift) + (t.kept(part, shift) & mask(shift)), 0
    return value, carry


def _below_wide(t: Tally, code: np.ndarray, x: np.ndarray, bits: int) -> None:
    """The two LUTs below a multiplexer of five inputs, one for each value of the digit's higher bit."""
    if not t.six:
        low = code & 1
        t.local += flips(low * x, bits) + flips((2 + low) * x, bits)


def sign_of_weight(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_sign: x or its complement, and a one for each complement; w is -1 or +1."""
    bits = p.X_BITS + 1 - p.X_SIGNED
    minus = w < 0
    terms = t.made(np.where(minus, ~x, x), bits)
    return t.tree(terms, bits, t.kept(minus.astype(np.int64), 1))


def sign_of_element(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_sign, where x is -1 or +1; all rows have the same ones."""
    minus = np.broadcast_to(x < 0, w.shape)
    terms = t.made(np.where(minus, ~w, w), p.W_BITS)
    rows = w.shape[1]
    ones = t.kept(minus[:, :1].astype(np.int64), 1)
    shared = Tally()
    _, carry = shared.tree(np.zeros_like(ones), 1, ones)
    t.register += shared.register
    alone = Tally(t.six)
    sums, _ = alone.tree(terms, p.W_BITS, np.broadcast_to(ones, w.shape))
    t.register += alone.register - rows * shared.register
    t.local += alone.local
    t.logic += alone.logic
    return sums, np.broadcast_to(carry, sums.shape)


def equal_bits(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_xnor: counts of four pairs of bits, of eight inputs each, and their tree; x, w are bipolar."""
    equal = (x == w).astype(np.int64)
    spare = -equal.shape[-1] % 4
    equal = np.concatenate([equal, np.zeros((*equal.shape[:-1], spare), np.int64)], axis=-1)
    fours = equal.reshape(*equal.shape[:-1], -1, 4)
    t.logic += flips(fours, 1)
    counts = t.made(fours.sum(-1), 3)
    return t.tree(counts, 3)


def equal_bits_six(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_xnor6: counts of three pairs of bits, their low and high bits counted by sixes."""
    equal = (x == w).astype(np.int64)
    spare = -equal.shape[-1] % 18
    equal = np.concatenate([equal, np.zeros((*equal.shape[:-1], spare), np.int64)], axis=-1)
    triples = t.made(equal.reshape(*equal.shape[:-1], -1, 6, 3).sum(-1), 2)
    ones, twos = t.made((triples & 1).sum(-1), 3), t.made((triples >> 1).sum(-1), 3)
    t.chain(ones >> 1, twos, 4)
    return t.tree(t.made(ones + 2 * twos, 5), 5)


def adders(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_adder: differences and their signs, then adders that complement what is not negative."""
    bits = max(p.X_BITS, p.W_BITS)
    least = -(1 << (bits - 1)) if p.X_SIGNED else 0
    x, w = x - least, w - least
    t.chain(x, ~w & mask(bits), bits, 1)
    differences = t.made(x - w, bits + 1)
    flip = (differences >= 0).astype(np.int64)
    code = differences & mask(bits)
    terms = np.where(flip, code ^ mask(bits), code) - (1 << bits)  # their highest bit is always 1
    simd = x.shape[-1]
    if simd == 1:
        return t.wired(terms, bits)[..., 0], flip[..., 0]
    pairs = simd // 2
    a, b = terms[..., 0 : 2 * pairs : 2], terms[..., 1 : 2 * pairs : 2]
    if t.six:
        t.local += flips(b, bits)
        t.logic += flips(a, bits)
    sums = t.added(a, b, bits + 1, flip[..., 0 : 2 * pairs : 2])
    ones = np.concatenate([flip[..., 1 : 2 * pairs : 2], flip[..., 2 * pairs :]], axis=-1)
    first = np.concatenate([sums, t.made(terms[..., 2 * pairs :], bits + 1)], axis=-1)
    return t.tree(first, bits + 1, t.kept(ones, 1))


def minima(t: Tally, x: np.ndarray, w: np.ndarray, p: SimpleNamespace) -> Sums:
    """gw_lane_minimum and gw_minus_sum: the smaller ones of pairs, twice their sum less that of x."""
    bits, simd = max(p.X_BITS, p.W_BITS), x.shape[-1]
    least = -(1 << (bits - 1)) if p.X_SIGNED else 0
    x, w = x - least, w - least
    a, b, _ = t.threes(x, bits)
    wide = bits + clog2(simd)
    less = ~t.added(a, b, wide)
    t.local += flips(x - w, bits) / 2  # the comparison's chain has two bits a step
    smaller = t.made(np.minimum(x, w), bits)
    a, b, _ = t.threes(smaller, bits)
    high = t.three(a, b, less >> 1, wide)
    return 2 * high + (t.kept(less, 1) & 1), 0


ROWS: Mapping[int, Callable[[Tally, np.ndarray, np.ndarray, SimpleNamespace], Sums]] = MappingProxyType(
    {
        LANE_MULTIPLY: multiply,
        LANE_DIGITS: digits,
        LANE_SIGN_W: sign_of_weight,
        LANE_XNOR: equal_bits,
        LANE_SIGN_X: sign_of_element,
        LANE_XNOR6: equal_bits_six,
        LANE_PAIR: pair,
        LANE_ADDER: adders,
        LANE_MINIMUM: minima,
    }
)
