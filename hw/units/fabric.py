"""What adders, ROMs and buffers take on each FPGA family; the units' estimates are sums of these."""

from collections.abc import Iterable

from ..design import Resources

# Shapes (words, bits) of one block RAM, and the fewest bits of a ROM per block for which Yosys 0.70 takes
# block RAM of its own accord rather than LUTs. Xilinx counts in halves of a BRAM36.
_SHAPES = {
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    "gowin": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "xc7": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
}
_SHAPES["xcup"] = _SHAPES["xc7"]
_ROM_BITS = {"ecp5": 3000, "ice40": 1500, "gowin": 3000, "xc7": 10000, "xcup": 10000}
_RAM_BITS = {"ecp5": 1000, "ice40": 0, "gowin": 1000, "xc7": 4000, "xcup": 4000}
# LUT RAM cells: words, bits, LUTs.
_LUT_RAM = {"ecp5": (16, 4, 6), "gowin": (16, 4, 4), "xc7": (32, 6, 4), "xcup": (32, 14, 8)}
LUT6 = ("xc7", "xcup")


def clog2(n: int) -> int:
    """Bits that count n things: the smallest b with 2**b >= n."""
    return (n - 1).bit_length()


def adder(bits: int, family: str) -> int:
    """LUTs of an adder; an ECP5 CCU2C adds two bits and counts as two LUTs."""
    return bits + bits % 2 if family == "ecp5" else bits


def tree(n: int, bits: int, carry: bool) -> tuple[list[int], int]:
    """``gw_adder_tree``: the widths of its adders, and its registers."""
    adders, ff = [], 0
    while n > 1:
        pairs, n, bits = n // 2, (n + 1) // 2, bits + 1
        adders += [bits + carry] * pairs
        ff += n * (bits + carry)
    return adders, ff


def adders(widths: Iterable[int], family: str) -> int:
    """LUTs of several adders."""
    return sum(adder(width, family) for width in widths)


def blocks(words: int, bits: int, family: str) -> float:
    """Block RAMs of a memory, in the shape that needs fewest."""
    count = min(-(-words // depth) * -(-bits // width) for depth, width in _SHAPES[family])
    return count / 2 if family in LUT6 else count


def _in_blocks(words: int, bits: int, family: str, least: dict[str, int]) -> bool:
    halves = blocks(words, bits, family) * (2 if family in LUT6 else 1)
    return words * bits / halves >= least[family]


def rom(words: int, bits: int, style: int, out_reg: bool, family: str) -> Resources:
    """``gw_rom`` with arbitrary contents.

    Few words make few different columns, which synthesis shares; a LUT ROM of w > 16 words takes about
    2.2 LUT4 per 16 words and bit.
    """
    if words == 1:
        return Resources()
    if style == 1 or (style == 0 and _in_blocks(words, bits, family, _ROM_BITS)):
        return Resources(ff=bits * out_reg, bram=blocks(words, bits, family))
    columns = min(bits, 2 ** min(words, 60) - 2)
    if family in LUT6:
        luts = -(-words // 64)
    elif family == "gowin":
        luts = -(-words // 16)
    else:
        luts = 1 if words <= 16 else 2.2 * words / 16
    return Resources(lut=columns * luts, ff=columns * (1 + out_reg))


def ram(words: int, bits: int, family: str) -> Resources:
    """One write port, one synchronous read port."""
    if family not in _LUT_RAM or _in_blocks(words, bits, family, _RAM_BITS):
        return Resources(bram=blocks(words, bits, family))
    depth, width, luts = _LUT_RAM[family]
    banks = -(-words // depth)
    mux = 0 if banks == 1 else bits * (banks - 1) / (3 if family in LUT6 else 1)
    return Resources(lut=banks * -(-bits // width) * luts + mux, ff=bits)
