"""What adders and ROMs take on each FPGA family; the units' estimates are sums of these."""

from collections.abc import Iterable, Sequence

from ..design import Resources
from .lut_rom import changing, lut_rom
from .ram import rom_blocks
from .soft_product import soft_product

# The fewest bits of a ROM per block for which Yosys 0.70 takes block RAM of its own accord, not LUTs.
_ROM_BITS = {"ecp5": 3000, "ice40": 1500, "gowin": 3000, "xc7": 10000, "xcup": 10000}
# The sides of one DSP block's signed multiplier.
_DSP_SIDES = {"ecp5": (18, 18), "gowin": (18, 18), "ice40": (16, 16), "xc7": (25, 18), "xcup": (27, 18)}
# Fewest bits of a product for which Yosys takes a DSP block.
_DSP_BITS = {"ecp5": 0, "gowin": 0, "ice40": 11, "xc7": 9, "xcup": 9}
# Fewest bits of either operand.
_DSP_LEAST = {"gowin": 4, "xc7": 2, "xcup": 2}
# Whose blocks' registers Yosys uses behind a product.
_DSP_REGISTERS = ("ice40", "xc7")
LUT6 = ("xc7", "xcup")
# LUTs of four inputs that a word of a deep ROM's column takes where all columns share their functions of
# three address bits: what joins those, and how many there are. 8 and 12 columns of 486 to 1,452 random words
# were measured by themselves; the first figure was then set by eye, with two designs held back in sight too.
_WORD, _THIRDS = 0.093, 254


def adder(bits: int, family: str) -> int:
    """LUTs of an adder; an ECP5 CCU2C adds two bits and counts as two LUTs."""
    return bits + bits % 2 if family == "ecp5" else bits


def tree(n: int, bits: int, carry: bool, most: int = 64) -> tuple[list[int], int]:
    """``gw_adder_tree``: the widths of its adders, and its registers; sums have at most ``most`` bits."""
    adders, ff = [], 0
    while n > 1:
        pairs, n, bits = n // 2, (n + 1) // 2, min(bits + 1, most)
        adders += [bits + carry] * pairs
        ff += n * (bits + carry)
    return adders, ff


def adders(widths: Iterable[int], family: str) -> int:
    """LUTs of several adders."""
    return sum(adder(width, family) for width in widths)


def product(
    a: int, b: int, family: str, a_signed: bool = True, same: int | None = None, most: int = 64
) -> Resources:
    """The product of two operands of a and b bits by the tool's own multiplier, and its register.

    Args:
        same: bits of b that are always equal to others, in a product whose halves are then taken apart
            (``gw_lane_pair``); None for a plain one.
        most: bits of it that are read, which Yosys sees in time where it flattens first.
    """
    whole = a + (not a_signed)
    seen = a + b if family in LUT6 else min(a + b, most)
    if seen >= _DSP_BITS[family] and min(whole, b) >= _DSP_LEAST.get(family, 0):
        blocks = dsp_blocks(whole, b, family)
        wide, narrow = max(whole, b), min(whole, b)
        lut, rest = 0.0, (wide - 1) % 15
        if family == "ice40" and blocks == 2 and rest + narrow < _DSP_BITS[family]:
            blocks, lut = 1, 2.5 * rest + a + b - 15  # what is left of the wide operand goes to LUTs
        inside = blocks == 1 and family in _DSP_REGISTERS and same is None
        return Resources(lut=lut, ff=0 if inside else a + b, dsp=blocks)
    six, gowin = family in LUT6, family == "gowin"
    lut = soft_product(a, b - (same or 0), a_signed, 6 if six else 4, gowin)
    merged = a == 1 and not a_signed and not (six or gowin)  # the sign and the bit below it
    return Resources(lut=lut, ff=a + b - merged)


def dsp_blocks(a: int, b: int, family: str) -> float:
    """DSP blocks of a signed product of a by b bits; halves for Gowin's 9 x 9."""
    if family == "gowin" and max(a, b) <= 9:
        return 0.5
    wide, narrow = _DSP_SIDES[family]

    def parts(bits: int, side: int) -> int:
        return 1 if bits <= side else -(-(bits - 1) // (side - 1))

    return min(parts(a, wide) * parts(b, narrow), parts(a, narrow) * parts(b, wide))


def cuts(a: int, b: int, family: str) -> tuple[int, int]:
    """Bits of the unsigned low parts into which two signed operands of a and b bits are cut so that each
    product of parts is one DSP block's: the cut of fewest blocks; 0 for an operand that stays whole."""

    def cut(sides: tuple[int, int]) -> tuple[int, int]:
        return tuple(side - 1 if bits > side else 0 for bits, side in zip((a, b), sides, strict=True))

    wide, narrow = _DSP_SIDES[family]
    return min(cut((wide, narrow)), cut((narrow, wide)), key=lambda lows: sum(low > 0 for low in lows))


def pairs(x_bits: int, w_bits: int, x_signed: bool) -> bool:
    """Whether a DSP block of some family makes two products of x and a weight (``gw_lane_pair``)."""
    sides = x_bits + (not x_signed), 2 * w_bits + x_bits
    return any(dsp_blocks(*sides, family) == 1 for family in _DSP_SIDES)


def _in_blocks(words: int, bits: int, family: str) -> bool:
    halves = rom_blocks(words, bits, family) * (2 if family in LUT6 else 1)
    return words * bits / halves >= _ROM_BITS[family]


def _deep_column(words: int) -> int:
    """LUTs of six inputs of a column with arbitrary bits: those that hold it, four of which a slice joins,
    and from more than four on what joins those. Yosys 0.70 takes 10.1, 16.2 and 31.8 for 486, 700, 1,452."""
    leaves = -(-words // 64)
    fours = -(-leaves // 4)
    return leaves if fours == 1 else leaves + fours + -(-(fours - 1) // 3)


def rom(
    words: int, bits: int, style: int, out_reg: bool, family: str, contents: Sequence[int] | None = None
) -> Resources:
    """``gw_rom``; without ``contents``, its words, with arbitrary ones.

    Few words make few different columns, which synthesis shares; a LUT ROM of w > 16 words takes about
    2.2 LUT4 per 16 words and bit.
    """
    if words == 1:
        return Resources()
    if style == 1 or (style == 0 and _in_blocks(words, bits, family)):
        if contents is not None:
            bits = changing(contents, bits)  # tools take constant columns out
            if bits == 0:
                return Resources()
        return Resources(ff=bits * out_reg, bram=rom_blocks(words, bits, family), stored_bits=words * bits)
    if contents is not None:
        return lut_rom(contents, bits, out_reg, 6 if family in LUT6 else 4)
    columns = min(bits, 2 ** min(words, 60) - 2)
    if family in LUT6:
        luts = _deep_column(words)
    else:
        luts = 1 if words <= 16 else min(2.2 * words / 16, _WORD * words + _THIRDS / columns)
    return Resources(lut=columns * luts, ff=columns * (1 + out_reg))
