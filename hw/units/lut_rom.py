"""What a ROM of known words takes in LUTs."""

from collections.abc import Sequence

import numpy as np

from ..design import Resources
from .ram import clog2

# Contents of more bits are not looked at.
MOST_BITS = 1 << 14


def lut_rom(words: Sequence[int], bits: int, out_reg: bool, inputs: int) -> Resources:
    """``gw_rom`` in LUTs of so many inputs: a register for each column that is different from the others and
    not constant, and LUTs for those that are no bit of the address.

    Columns of more words than a LUT tells are cut at the address's highest bit; cofactors are shared.
    """
    address = clog2(len(words))
    found = _columns(words, bits, address)
    made: dict[tuple[int, int], int] = {}
    for column in found:
        _make(column, address, inputs, made)
    return Resources(lut=sum(made.values()), ff=len(found) * (1 + out_reg))


def changing(words: Sequence[int], bits: int) -> int:
    """How many of the columns are not constant."""
    ones = zeros = 0
    for word in words:
        ones, zeros = ones | word, zeros | ~word
    return (ones & zeros & ((1 << bits) - 1)).bit_count()


def _columns(words: Sequence[int], bits: int, address: int) -> set[int]:
    """Different columns as truth tables; words beyond the last repeat those half a turn before."""
    width = -(-bits // 8)
    packed = np.frombuffer(b"".join(int(w).to_bytes(width, "little") for w in words), np.uint8)
    planes = np.unpackbits(packed.reshape(len(words), width), axis=1, bitorder="little", count=bits)
    rest = (1 << address) - len(words)
    if rest:
        planes = np.concatenate([planes, planes[len(words) - (1 << address - 1) :][:rest]])
    tables = np.packbits(planes.T, axis=1, bitorder="little")
    full = (1 << (1 << address)) - 1
    return {int.from_bytes(t.tobytes(), "little") for t in tables} - {0, full}


def _make(table: int, address: int, inputs: int, made: dict[tuple[int, int], int]) -> None:
    """Notes the LUTs of a function of ``address`` bits that ``made`` does not hold yet."""
    table, address = _less(table, address)
    if address <= 1 or (address, table) in made:
        return
    # Xilinx slices have multiplexers of two and four LUTs of six inputs beside them.
    made[address, table] = 0 if inputs == 6 and inputs < address <= inputs + 2 else 1
    if address > inputs:
        half = 1 << address - 1
        _make(table >> half, address - 1, inputs, made)
        _make(table & ((1 << half) - 1), address - 1, inputs, made)


def _less(table: int, address: int) -> tuple[int, int]:
    """A function without the highest bits that it does not depend on."""
    while address:
        half = 1 << address - 1
        low = table & ((1 << half) - 1)
        if table >> half != low:
            break
        table, address = low, address - 1
    return table, address
