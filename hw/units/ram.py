"""What Yosys takes for memories: ``gw_ram`` (which has no stream, so it is no Unit) and block RAMs."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..design import Resources


def clog2(n: int) -> int:
    """Bits that count n things: the smallest b with 2**b >= n."""
    return (n - 1).bit_length()


@dataclass(frozen=True)
class _Family:
    """RAM of a family.

    ``blocks``: words of one block by width; ``cost`` of a block and ``small_cost`` of one LUT RAM, in
    Yosys's units, decide between them, with ``mux_cost`` of a bit between rows of LUT RAM; ``small``: width,
    words and LUTs of a LUT RAM.
    """

    blocks: Mapping[int, int]
    cost: int
    bram: float = 1
    small: tuple[tuple[int, int, int], ...] = ()
    small_cost: int = 4
    mux_cost: float = 0.5


_18K = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
_RAM = {
    "ecp5": _Family(_18K, 128, small=((4, 16, 6),)),
    "ice40": _Family({2: 2048, 4: 1024, 8: 512, 16: 256}, 64),
    "gowin": _Family(_18K, 128, small=((4, 16, 4),)),
    "xc7": _Family(_18K, 129, 0.5, ((6, 32, 4), (3, 64, 4)), 8, 0),
    "xcup": _Family(_18K, 129, 0.5, ((14, 32, 8), (7, 64, 8)), 16, 0),
}


def _up(a: int, b: int) -> int:
    return -(-a // b)


def in_blocks(words: int, bits: int, style: int, family: str) -> bool:
    """Whether ``gw_ram`` with this RAM_STYLE becomes block RAM."""
    if style == 1:
        return True
    ram = _RAM[family]
    if not ram.small:
        return words * bits > _block_count(ram, words, bits) * ram.cost
    if style == 2:
        return False
    small = min(
        _up(bits, w) * _up(words, d) * ram.small_cost + (_up(words, d) - 1) * bits * ram.mux_cost
        for w, d, _ in ram.small
    )
    return small >= _block_count(ram, words, bits) * ram.cost


def rom_blocks(words: int, bits: int, family: str, ports: int = 1) -> float:
    """Block RAMs of a ROM read through so many ports, in the shape that needs fewest; halves of a BRAM36 on
    Xilinx.

    Yosys 0.70 fills blocks across the rows of them: a ROM as deep as r blocks is one of r * bits columns.
    Of two ports each is at most half as wide as a block's only one.
    """
    ram = _RAM[family]
    widest = max(ram.blocks) // ports
    return ram.bram * min(_up(bits * _up(words, d), w) for w, d in ram.blocks.items() if w <= widest)


def _block_count(ram: _Family, words: int, bits: int) -> int:
    return min(_up(bits, w) * _up(words, d) for w, d in ram.blocks.items())


def ram_resources(words: int, bits: int, style: int, family: str) -> Resources:
    """Resources of ``gw_ram``: blocks, or LUT RAM (registers on iCE40) and its read register.

    LUTs include the multiplexers between rows of LUT RAM, but none between blocks (each unit's fit does).
    """
    ram = _RAM[family]
    if in_blocks(words, bits, style, family):
        return Resources(bram=_block_count(ram, words, bits) * ram.bram, stored_bits=words * bits)
    if not ram.small:
        return Resources(lut=0.8 * words * bits, ff=words * bits + bits)
    lut = min(_up(bits, w) * _up(words, d) * luts + (_up(words, d) - 1) * bits for w, d, luts in ram.small)
    return Resources(lut=lut, ff=bits)
