"""What lanes take whose few weights are known: rows share terms and sums, and zeros cost nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

from ..design import Resources
from .fabric import LUT6, adder
from .lanes import LANE_DIGITS, LANE_SIGN_W, LANE_SIGN_X
from .ram import clog2

MOST_WORDS = 4
"""Of more words rows have little in common."""

# A term's name: the element and what is made of it; None is 0. Sums are pairs of names.
_Name = tuple | None
# The weights that an element meets in turn, one for each word.
_Codes = tuple[int, ...]


@dataclass
class _Shared:
    """LUTs, registers and bits of adders by name: each is made once."""

    luts: dict = field(default_factory=dict)
    registers: dict = field(default_factory=dict)
    adders: dict = field(default_factory=dict)

    def tree(self, terms: Sequence[_Name], bits: int, carries: bool = False) -> _Name:
        """``gw_adder_tree``: pairs are added, and one of a pair without the other waits."""
        while len(terms) > 1:
            bits += 1
            rest = []
            for k in range(0, len(terms), 2):
                pair = tuple(terms[k : k + 2])
                known = [t for t in pair if t is not None]
                name = (bits, *pair) if known else None
                if name is not None:
                    self.registers[name] = bits + carries
                if len(known) == 2:
                    self.adders[name] = bits + carries
                rest.append(name)
            terms = rest
        return terms[0]

    def parts(self, family: str) -> dict[str, Resources]:
        """What all of it takes."""
        return {
            "known_terms": Resources(lut=sum(self.luts.values())),
            "known_adders": Resources(lut=sum(adder(bits, family) for bits in self.adders.values())),
            "known_registers": Resources(ff=sum(self.registers.values())),
        }


def known_lanes(
    p: SimpleNamespace, words: Sequence[int], starts: Sequence[int], family: str
) -> dict[str, Resources] | None:
    """Parts of the lanes of a gw_matrix_vector, and of its sums where its only word is constant; None for
    lanes that are not told.

    Args:
        words: of WEIGHTS.
        starts: for each row what its sum begins with.
    """
    if p.LANE not in (LANE_DIGITS, LANE_SIGN_W, LANE_SIGN_X):
        return None
    mask = (1 << p.W_BITS) - 1
    codes = [tuple((w >> k * p.W_BITS) & mask for w in words) for k in range(p.PE * p.SIMD)]
    made, sums, seen = _Shared(), Resources(), set()
    for k, start in enumerate(starts):
        row = codes[k * p.SIMD : (k + 1) * p.SIMD]
        total, carry = (_digits(made, row, p, family), 0) if p.LANE == LANE_DIGITS else _signs(made, row, p)
        if total is not None and len(words) == 1 and (total, carry, start) not in seen:
            seen.add((total, carry, start))
            lut = adder(p.ACC_BITS, family) if start or carry else 0
            sums += Resources(lut=lut, ff=1 if p.TOP_BIT else p.ACC_BITS)
    return made.parts(family) | ({"known_sums": sums} if len(words) == 1 else {})


def known_factors(p: SimpleNamespace, words: Sequence[int], family: str) -> dict[str, Resources]:
    """Parts of the lanes of a gw_requantize that multiplies in LUTs by the factors in FACTORS' ``words``."""
    made, mask, triples = _Shared(), (1 << p.M_BITS) - 1, 0
    lane = SimpleNamespace(X_BITS=p.X_BITS, X_SIGNED=p.X_SIGNED, W_BITS=p.M_BITS, SIMD=1)
    for k in range(p.PE):
        codes = tuple((w >> k * p.M_BITS) & mask for w in words)
        places = range(0, p.M_BITS - 2, 2) if p.M_BITS % 2 == 0 else range(1, p.M_BITS - 2, 2)
        triples += any((code >> place) & 3 == 3 for code in codes for place in places)
        _digits(made, [codes], lane, family, first=k)
    sums = Resources(lut=adder(p.ACC_BITS, family), ff=p.ACC_BITS)
    triple = Resources(lut=adder(p.X_BITS + 1, family), ff=p.X_BITS + 1)
    return made.parts(family) | {"sums": sums.times(p.PE), "triples": triple.times(triples)}


def _signs(made: _Shared, row: Sequence[_Codes], p: SimpleNamespace) -> tuple[_Name, int]:
    """``gw_lane_sign``, and whether its carry is ever set: an element or its complement; of lane 4 the bits
    of a weight or their complements."""
    varies = len(row[0]) > 1
    if p.LANE == LANE_SIGN_X:
        for i, codes in enumerate(row):
            for b in range(p.W_BITS):
                bit = tuple(code >> b & 1 for code in codes)
                made.registers[i, bit] = 1
                made.luts[i, bit] = int(0 in bit)
            made.registers["minus", i] = 1
        return made.tree([(i, codes) for i, codes in enumerate(row)], p.W_BITS, True), 1
    for i, codes in enumerate(row):
        made.registers[i, codes] = p.X_BITS
        made.luts[i, codes] = p.X_BITS * (0 in codes)
        if 0 in codes and 1 in codes:
            made.registers["minus", codes] = 1
    bits = p.X_BITS + (not p.X_SIGNED)
    return made.tree([(i, codes) for i, codes in enumerate(row)], bits, varies), int(0 in row[0])


def _digits(made: _Shared, row: Sequence[_Codes], p: SimpleNamespace, family: str, first: int = 0) -> _Name:
    """``gw_lane_digit`` of elements from number ``first`` on: for each digit a tree of multiples, then
    Horner's rule."""
    value, digits = None, (p.W_BITS + 1) // 2
    for d in range(digits):
        place = max(p.W_BITS - 2 * (d + 1), 0)
        width = 2 if d < digits - 1 or p.W_BITS % 2 == 0 else 1
        bits = p.X_BITS + 2 * (d == 0 or width == 2)
        terms = []
        for i, codes in enumerate(row):
            cut = tuple((code >> place) & ((1 << width) - 1) for code in codes)
            terms.append(_multiple(made, first + i, cut, (d == 0, width), p, family))
        digit = made.tree(terms, bits)
        sized = bits + clog2(p.SIMD)
        for late in range(d - 1):
            made.registers["late", late, digit] = sized if digit else 0
        if d == 0:
            value = digit
            continue
        name = ("horner", d, value, digit) if value or digit else None
        size = p.X_BITS + 2 + clog2(p.SIMD) + 2 * (d - 1)
        if name:
            made.registers[name] = size + 2
        if value and digit:
            made.adders[name] = size
        value = name
    return value


def _multiple(
    made: _Shared, i: int, codes: _Codes, kind: tuple[bool, int], p: SimpleNamespace, family: str
) -> _Name:
    """A digit's multiple of element i, by what kind of digit it is: whether signed, and its bits. Of one code
    once and twice are the same register's bits."""
    signed, width = kind
    values = set(codes)
    if values == {0}:
        return None
    if len(values) == 1:
        (code,) = values
        minus = signed and (code >> 1 or width == 1)
        name = (i, "minus") if minus else (i, 3) if code == 3 else (i, 1)
        made.registers[name] = p.X_BITS + 2 * (name[1] == 3)
        made.luts[name] = p.X_BITS * bool(minus)
        return (i, code, signed)
    name = (i, codes, kind)
    bits = p.X_BITS + 2 * (width == 2)
    made.registers[name] = bits + signed
    made.luts[name] = bits * (2 if 3 in values and not signed and family not in LUT6 else 1)
    return name
