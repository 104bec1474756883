"""Lanes: one row of products, or of distances, and their sum; what each way takes on each FPGA family."""

from types import SimpleNamespace

from ..design import Resources
from .fabric import LUT6, adder, adders, product, tree
from .ram import clog2

LANE_MULTIPLY, LANE_DIGITS, LANE_SIGN_W, LANE_XNOR, LANE_SIGN_X, LANE_XNOR6, LANE_PAIR = range(7)
LANE_ADDER, LANE_MINIMUM, LANE_BOOTH = 7, 8, 9
COUNTING = (LANE_XNOR, LANE_XNOR6)  # lanes that add how many pairs of bits are equal


def _wanted(p: SimpleNamespace) -> int:
    """Bits of a sum that somebody reads."""
    return getattr(p, "ACC_BITS", 64)


def _multiply_row(p: SimpleNamespace, family: str) -> Resources:
    most = _wanted(p)
    widths, ff = tree(p.SIMD, min(p.X_BITS + p.W_BITS, most), False, most)
    one = product(p.X_BITS, p.W_BITS, family, bool(p.X_SIGNED), most=most)
    lut = adders(widths, family) + p.SIMD * one.lut
    return Resources(lut=lut, ff=p.SIMD * min(one.ff, most) + ff, dsp=p.SIMD * one.dsp)


def soft_products(p: SimpleNamespace, family: str) -> float:
    """LUTs of one row's multipliers of lanes 0 and 6, without the trees behind them."""
    if p.LANE == LANE_PAIR:
        pair = 2 * p.W_BITS + p.X_BITS
        return p.SIMD / 2 * product(p.X_BITS, pair, family, bool(p.X_SIGNED), same=p.X_BITS - 1).lut
    return p.SIMD * product(p.X_BITS, p.W_BITS, family, bool(p.X_SIGNED), most=_wanted(p)).lut


def _pair_row(p: SimpleNamespace, family: str) -> Resources:
    """Half of what two rows take; every second one's tree has carries, and so has its accumulator."""
    bits = p.X_BITS + p.W_BITS
    (plain, ff), (carried, carried_ff) = tree(p.SIMD, bits, False), tree(p.SIMD, bits, True)
    one = product(p.X_BITS, p.W_BITS + bits, family, bool(p.X_SIGNED), same=p.X_BITS - 1)
    lut = adders(plain, family) + adders(carried, family) + 1 + p.SIMD * one.lut
    return Resources(lut=lut / 2, ff=(p.SIMD * one.ff + ff + carried_ff) / 2, dsp=p.SIMD * one.dsp / 2)


def _digit_row(p: SimpleNamespace, family: str) -> Resources:
    x, digits = p.X_BITS + 2, (p.W_BITS + 1) // 2
    one = p.X_BITS == 1 and not p.X_SIGNED  # three times such an element takes two bits
    lut = ff = 0.0
    for d in range(digits):
        one_bit = d == digits - 1 and p.W_BITS % 2 == 1
        bits = x - (2 - (d == 0 and not p.X_SIGNED) if one_bit else one if d else p.X_SIGNED)
        most = max(_wanted(p) - max(p.W_BITS - 2 * (d + 1), 0), 1)
        bits = min(bits, most)
        widths, tree_ff = tree(p.SIMD, bits, d == 0, most)
        five_inputs = d > 0 and not one_bit and not one and family not in LUT6
        lut += adders(widths, family) + p.SIMD * (2 * bits - 2 if five_inputs else bits)
        ff += tree_ff + p.SIMD * (bits + (d == 0))
        if d:
            value = min(x + clog2(p.SIMD) + 2 * (d - 1), most)
            lut += adder(value + (d == 1), family)
            ff += min(value + 2, most) + (d - 1) * min(x + clog2(p.SIMD), most)
    return Resources(lut=lut, ff=ff)


def _sign_row(p: SimpleNamespace, family: str) -> Resources:
    bits = p.W_BITS if p.LANE == LANE_SIGN_X else p.X_BITS + 1 - p.X_SIGNED
    most = _wanted(p)
    bits = min(bits, most)
    widths, _ = tree(p.SIMD, bits, True, most)
    _, ff = tree(p.SIMD, bits, False, most)
    # Carry bits, less by half a level; those of lane 4 come from x, once for all rows.
    carries = (2 * p.SIMD - 1) / (p.PE if p.LANE == LANE_SIGN_X else 1)
    made = bits - (p.LANE != LANE_SIGN_X and not p.X_SIGNED)  # the highest is the carry's register
    return Resources(lut=adders(widths, family) + p.SIMD * made, ff=p.SIMD * made + carries + ff)


def _xnor_row(p: SimpleNamespace, family: str) -> Resources:
    groups = -(-p.SIMD // 4)
    widths, ff = tree(groups, 3, False)
    return Resources(lut=adders(widths, family) + groups * (5 if family in LUT6 else 7), ff=3 * groups + ff)


def _xnor6_row(p: SimpleNamespace, family: str) -> Resources:
    """Functions of six inputs are 1 LUT, or 2 to 3 of four inputs."""
    triples, groups = -(-p.SIMD // 3), -(-p.SIMD // 18)
    if triples == 1:
        return Resources(lut=2 * clog2(p.SIMD + 1), ff=3 * clog2(p.SIMD + 1))
    widths, ff = tree(groups, 5, False)
    lut = 2 * triples + 2 * (triples - triples / 6) + 3 * groups
    return Resources(
        lut=adders(widths, family) + lut * (1 if family in LUT6 else 2.5), ff=2 * triples + 11 * groups + ff
    )


def _adder_row(p: SimpleNamespace, family: str) -> Resources:
    """Differences and their signs; the first adders complement what they add, for nothing in ECP5's twin, and
    before a Xilinx carry chain one of two."""
    bits = max(p.X_BITS, p.W_BITS)
    complements = 0 if family == "ecp5" else bits if family in LUT6 else 2 * bits
    pairs, rest = p.SIMD // 2, (p.SIMD + 1) // 2
    widths, ff = tree(rest, bits + 1, True)
    first = pairs * (complements + adder(bits + 1, family))
    lut = p.SIMD * adder(bits + 1, family) + first + adders(widths, family)
    return Resources(lut=lut, ff=p.SIMD * (bits + 1) + rest * (bits + 2) + ff)


def levels_of_three(terms: int) -> int:
    """Levels of ``gw_tree_three``."""
    levels = 0
    while terms > 2:
        terms, levels = -(-terms // 3), levels + 1
    return levels


def _tree_three(terms: int, bits: int, family: str) -> Resources:
    """gw_tree_three without the last sum; three operands take a LUT of six inputs for each bit, else two."""
    each = 1 if family in LUT6 else 2
    used = Resources()
    while terms > 2:
        lut = terms // 3 * bits * each + (terms % 3 == 2) * adder(bits, family)
        terms, bits = -(-terms // 3), bits + 2
        used += Resources(lut=lut, ff=terms * bits)
    return used


def _minimum_row(p: SimpleNamespace, family: str) -> Resources:
    """Smaller ones of pairs, and their sum with what all rows share, of which this row has its part."""
    bits, each = max(p.X_BITS, p.W_BITS), 1 if family in LUT6 else 2
    high = bits + clog2(p.SIMD)
    terms = _tree_three(p.SIMD, bits, family)
    shared = Resources(lut=terms.lut + 2 * high, ff=terms.ff + high)
    return Resources(
        lut=p.SIMD * (bits + bits % 2) * each + terms.lut + high * each + shared.lut / p.PE,
        ff=p.SIMD * bits + terms.ff + high + 1 + shared.ff / p.PE,
    )


def _booth_row(p: SimpleNamespace, family: str) -> Resources:
    """A row of a product for each digit, in one LUT of six inputs a bit in the Xilinx twin, else about three;
    what waits for a later digit is in shift registers of a LUT there."""
    digits, six = (p.W_BITS + 1) // 2, family in LUT6
    bits = p.X_BITS + 2 * digits
    terms = _tree_three(p.SIMD, bits, family)
    late = sum(3 * (d > 2) + 2 * (d > 2) for d in range(digits)) if six else 0
    each = (p.X_BITS + 2) * digits * (1 if six else 3) + late
    waiting = sum(p.X_BITS + 2 + 2 * d + 3 * min(d, 2 if six else d) for d in range(digits))
    total = bits + clog2(p.SIMD)
    return Resources(
        lut=p.SIMD * each + terms.lut + adder(total, family), ff=p.SIMD * waiting + terms.ff + total
    )


_ROWS = (
    _multiply_row, _digit_row, _sign_row, _xnor_row, _sign_row, _xnor6_row, _pair_row, _adder_row,
    _minimum_row, _booth_row,
)  # fmt: skip


def lane_resources(p: SimpleNamespace, family: str) -> Resources:
    """One row of lanes: SIMD products of X_BITS (X_SIGNED) and W_BITS by LANE, and their sum."""
    return _ROWS[p.LANE](p, family)
