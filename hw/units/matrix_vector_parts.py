"""What gw_matrix_vector takes: lanes, sums, buffer, ROMs and what steers them."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources
from .binary import digits
from .fabric import LUT6, adder, adders, rom, tree
from .known_lanes import MOST_WORDS, known_lanes
from .lanes import (
    COUNTING,
    LANE_ADDER,
    LANE_BOOTH,
    LANE_DIGITS,
    LANE_MINIMUM,
    LANE_MULTIPLY,
    LANE_PAIR,
    LANE_SIGN_W,
    LANE_SIGN_X,
    LANE_XNOR,
    LANE_XNOR6,
    lane_resources,
    levels_of_three,
    soft_products,
)
from .lut_rom import MOST_BITS, changing
from .ram import clog2, ram_resources

# What is left of LUTs and registers, lane by lane, when a single ROM word makes all weights constants: rows
# then share terms and sums. Measured with random weights.
_CONSTANT = (
    (0.9, 1.0), (0.3, 0.45), (0.3, 0.41), (0.55, 0.86), (0.49, 0.58), (0.55, 0.86), (0.9, 1.0), (0.9, 1.0),
    (0.9, 1.0), (0.9, 1.0),
)  # fmt: skip
# As in gw_lane_buffer.
_REGISTER_BITS = 128


def behind(p: SimpleNamespace) -> int:
    """Clocks from the last slot of a sum to its result."""
    if p.LANE == LANE_XNOR6:
        return 6 + clog2(-(-p.SIMD // 18))
    if p.LANE == LANE_MINIMUM:
        return 5 + levels_of_three(p.SIMD)
    if p.LANE == LANE_BOOTH:
        return 4 + (p.W_BITS + 1) // 2 + levels_of_three(p.SIMD)
    terms = -(-p.SIMD // 4) if p.LANE == LANE_XNOR else p.SIMD
    lane = 1 + clog2(terms)
    if p.LANE == LANE_DIGITS:
        lane += 1 + (p.W_BITS + 1) // 2 - 1  # 3x of every element, then a digit a clock
    return 3 + lane


def buffer_resources(p: SimpleNamespace, family: str) -> Resources:
    """gw_lane_buffer, and for lane 1 the triples and one more register. Xilinx makes three registers behind
    each other, and the inner ones of a ring, a shift register in a LUT."""
    bits, slots = p.SIMD * p.X_BITS, p.MW // p.SIMD
    six, digits = family in LUT6, p.LANE == LANE_DIGITS
    if p.MH == p.PE:
        used = Resources(lut=bits) if six else Resources(ff=(3 + digits) * bits)
    elif slots <= 2 or slots * bits <= _REGISTER_BITS:
        behind = Resources(lut=bits) if six and digits else Resources(ff=(2 + digits) * bits)
        ring = (
            Resources(lut=2 * bits, ff=bits)
            if six and slots > 3
            else Resources(bits * (slots > 1), slots * bits)
        )
        used = ring + behind
    else:
        used = Resources(ff=(1 + digits) * bits + clog2(slots)) + ram_resources(slots, bits, 0, family)
    if digits and p.W_BITS > 3:
        # Its lowest bit is the element's, and of one bit both are.
        wide = 0 if p.X_BITS == 1 and not p.X_SIGNED else p.X_BITS + 1
        used += Resources(lut=p.SIMD * adder(wide, family), ff=p.SIMD * wide)
    return used


def sums_resources(bits: int, slots: int, carry: int, family: str) -> Resources:
    """A row of gw_accumulator: with several slots a carry cell or LUT chooses and adds where the family has a
    twin for that, else a LUT chooses before another adds."""
    choose = bits if slots > 1 and family in ("ice40", "gowin") else 0
    return Resources(lut=adder(bits + carry, family) + choose, ff=bits)


def matrix_vector_parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """Sums of what the RTL is written as."""
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    words, starts = slots * folds * p.GROUPS, folds * p.GROUPS
    counters = clog2(slots) + clog2(words) + clog2(folds) * (p.GROUPS > 1) + clog2(starts) * p.HAS_BIAS
    weights = rom(words, p.PE * p.SIMD * p.W_BITS, p.ROM_STYLE, True, family, _words(contents, "WEIGHTS"))
    parts = _lanes(p, family, weights, contents) | {
        "buffer": buffer_resources(p, family),
        "counters": Resources(lut=2 * counters, ff=counters),
        "addresses": Resources(ff=clog2(words) * (2 if p.LANE == LANE_DIGITS else 1)),
        "control": Resources(lut=6, ff=float(folds > 1)),
        "valid": Resources(ff=behind(p) + 1),
        "weights": weights,
    }
    if slots > 1:
        flags = behind(p)
        copies = p.PE if family == "ecp5" else 1  # of the flag of a sum's first term
        parts["flags"] = Resources(lut=2, ff=1) if family in LUT6 else Resources(ff=2 * flags - 1 + copies)
    if p.HAS_BIAS:
        style = 2 if p.ROM_STYLE == 2 else 0
        known = _words(contents, "BIAS")
        parts["biases"] = rom(starts, p.PE * p.ACC_BITS, style, True, family, known)
    if p.LANE in COUNTING and not p.TOP_BIT and words > 1:
        doubled = Resources(lut=adder(p.ACC_BITS, family), ff=p.ACC_BITS)
        parts["doubled"] = doubled.times(p.PE * p.HAS_BIAS)
    return parts


def _lanes(p: SimpleNamespace, family: str, weights: Resources, contents: Contents) -> dict[str, Resources]:
    """The lanes and their accumulators; of ``weights`` in block RAM tools know no more than constant bits."""
    words = p.MW // p.SIMD * (p.MH // p.PE) * p.GROUPS
    known, starts = None, [0] * p.PE
    if words <= MOST_WORDS and "WEIGHTS" in contents and not weights.bram:
        if words == 1 and "BIAS" in contents:
            (word,) = contents["BIAS"].words
            starts = [(word >> k * p.ACC_BITS) & ((1 << p.ACC_BITS) - 1) for k in range(p.PE)]
        known = known_lanes(p, contents["WEIGHTS"].words, starts, family)
        if known is not None and words == 1:
            return known
    carry = p.LANE in (LANE_SIGN_W, LANE_SIGN_X, LANE_ADDER) or (p.LANE == LANE_DIGITS and p.W_BITS <= 2)
    slots = p.MW // p.SIMD
    sums = sums_resources(p.ACC_BITS, slots, int(carry), family)
    if p.TOP_BIT and slots == 1:
        sums = Resources(lut=sums.lut, ff=1)
    row = lane_resources(p, family)
    name = f"lanes_{p.LANE}" + ("_dsp" if row.dsp else "")
    if words > 1:
        if p.LANE in (LANE_MULTIPLY, LANE_PAIR) and not row.dsp and words <= MOST_WORDS:
            known = _few_products(p, row.times(p.PE), contents, family)
        return (known or {name: row.times(p.PE)}) | {"sums": sums.times(p.PE)}
    of_lut, of_ff = _CONSTANT[p.LANE]
    if "WEIGHTS" in contents:  # equal rows are made once, and so are sums that begin alike
        ((word,), bits) = contents["WEIGHTS"].words, p.SIMD * p.W_BITS
        rows = [(word >> k * bits) & ((1 << bits) - 1) for k in range(p.PE)]
        begun = len(set(zip(rows, starts, strict=True))) / p.PE
        if p.LANE == LANE_MULTIPLY and not row.dsp:
            of_lut, of_ff = of_lut * len(set(rows)) / p.PE, of_ff * len(set(rows)) / p.PE
            sums = Resources(lut=sums.lut * of_lut, ff=sums.ff * of_ff).times(p.PE)
            return {"constant_products": _constant_products(p, word, family), "sums_constant": sums}
        sums = sums.times(begun)
        row = Resources(lut=row.lut * len(set(rows)) / p.PE, ff=row.ff * len(set(rows)) / p.PE, dsp=row.dsp)
    row = Resources(lut=row.lut * of_lut, ff=row.ff * of_ff, dsp=row.dsp)
    sums = Resources(lut=sums.lut * of_lut, ff=sums.ff * of_ff)
    return {f"{name}_constant": row.times(p.PE), "sums_constant": sums.times(p.PE)}


def _few_products(
    p: SimpleNamespace, whole: Resources, contents: Contents, family: str
) -> dict[str, Resources] | None:
    """Lanes of multipliers in LUTs whose few weights are known: bits that never change cost little, and those
    of an element of one bit are the same in all rows."""
    if "WEIGHTS" not in contents:
        return None
    words, bits = contents["WEIGHTS"].words, p.PE * p.SIMD * p.W_BITS
    products, ff = p.PE * soft_products(p, family), whole.ff
    if p.X_BITS == 1 and not p.X_SIGNED:
        terms = {(k // p.W_BITS % p.SIMD, tuple(word >> k & 1 for word in words)) for k in range(bits)}
        left = sum(0 in column and 1 in column for _, column in terms)
        if family == "ice40":  # there registers of equal terms are one
            ff -= max(bits - len(terms), 0)
    else:
        left = products * changing(words, bits) / bits
    return {f"lanes_{p.LANE}_few": Resources(lut=whole.lut - products + min(left, products), ff=ff)}


def _constant_products(p: SimpleNamespace, word: int, family: str) -> Resources:
    """Products by constants in LUTs, a sum for each further digit, and the trees that add them up."""
    half = 1 << p.W_BITS - 1
    codes = [(word >> k * p.W_BITS) & (2 * half - 1) for k in range(p.PE * p.SIMD)]
    sums = sum(max(digits((code ^ half) - half) - 1, 0) for code in codes)
    widths, ff = tree(p.SIMD, p.X_BITS + p.W_BITS, False, p.ACC_BITS)
    lut = sums * adder(p.X_BITS + 2, family) + p.PE * adders(widths, family)
    return Resources(lut=lut, ff=sum((p.X_BITS + p.W_BITS) * (code != 0) for code in codes) + p.PE * ff)


def looks(p: SimpleNamespace) -> tuple[str, ...]:
    """Memories in LUTs, and weights that are constants."""
    slots, folds = p.MW // p.SIMD, p.MH // p.PE
    words = slots * folds * p.GROUPS
    found = []
    if words * p.PE * p.SIMD * p.W_BITS <= MOST_BITS:
        found.append("WEIGHTS")
    if p.HAS_BIAS and folds * p.GROUPS * p.PE * p.ACC_BITS <= MOST_BITS:
        found.append("BIAS")
    return tuple(found)


def _words(contents: Contents, name: str) -> tuple | None:
    return contents[name].words if name in contents else None
