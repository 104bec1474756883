"""Transitions inside a unit, summed up as its registers and adders are gone through word by word."""

from dataclasses import dataclass

import numpy as np

from ...hw.units.ram import clog2
from .words import carry_flips, flips

# ROMs of so few words have equal columns in numbers.
_FEW_WORDS = 8


@dataclass
class Tally:
    """Transitions of a unit's own nets.

    Attributes:
        six: whether LUTs have six inputs and adders are LUTs under a carry chain (Xilinx).
        merges: whether words have equal bits in numbers, as where weights are constants: of equal registers
            synthesis keeps one.
        register: of outputs of registers.
        local: of nets inside a logic cell: a LUT's output that only the register beside it reads, a carry, a
            LUT below a wide multiplexer.
        logic: of other outputs of LUTs, and of multipliers.
        steps: clocks in which the unit's own control moved, times the bits that move with it.
        shown: changes of the output's wires where these also show what is no beat, as partial sums; else 0.
    """

    six: bool = False
    merges: bool = False
    register: float = 0
    local: float = 0
    logic: float = 0
    steps: float = 0
    shown: float = 0

    def kept(self, codes: np.ndarray, bits: int, clocks: int = 1) -> np.ndarray:
        """Words that pass through so many registers, one after the other."""
        self.register += clocks * (self.once(codes, bits) if self.merges and bits else flips(codes, bits))
        return codes

    def once(self, codes: np.ndarray, bits: int) -> int:
        """Changes of words of which equal bits are one register: synthesis keeps one of equals."""
        planes = (codes.reshape(len(codes), -1, 1) >> np.arange(bits) & 1).astype(np.uint8)
        columns = np.packbits(planes.reshape(len(codes), -1), axis=0).T
        _, places = np.unique(columns, axis=0, return_index=True)
        return flips(planes.reshape(len(codes), -1)[:, places].astype(np.int64), 1)

    def made(self, codes: np.ndarray, bits: int) -> np.ndarray:
        """Words that a LUT a bit makes for a register."""
        moved = self.once(codes, bits) if self.merges else flips(codes, bits)
        self.register += moved
        self.local += moved
        return codes

    def counted(self, steps: float, count: int) -> None:
        """gw_counter: so many steps of a counter of ``count`` values."""
        values = np.arange(count)
        moved = int(np.bitwise_count(values ^ (values + 1) % count).sum()) * steps / count
        self.register += moved
        self.local += moved

    def table(self, words: np.ndarray, address: np.ndarray, bits: int) -> np.ndarray:
        """A ROM in LUTs with a register: what is read, and behind the first LUTs, of four address bits, what
        the others choose from, a bit at a time.

        Args:
            words: (lanes, words), each lane's own ROM.
            address: (clocks, lanes).
        """
        lanes, count = np.arange(len(words)), words.shape[1]
        for low in range(4, clog2(count)):
            size = 1 << low
            spare = -count % size
            parts = np.pad(words, ((0, 0), (0, spare))).reshape(len(words), -1, size)
            self.wired(
                parts[lanes[:, None], np.arange(parts.shape[1]), address[:, :, None] & (size - 1)], bits
            )
        read = words[lanes, address]
        moved = self.once(read, bits) if count <= _FEW_WORDS else flips(read, bits)
        self.register += moved
        self.local += moved
        return read

    def wired(self, codes: np.ndarray, bits: int) -> np.ndarray:
        """Words on wires between LUTs."""
        self.logic += flips(codes, bits)
        return codes

    def chain(self, a: np.ndarray, b: np.ndarray, bits: int, carry: np.ndarray | int = 0) -> np.ndarray:
        """An adder's carries; the sum is returned, nothing of it counted."""
        self.local += carry_flips(a, b, bits, carry)
        if self.six:
            self.local += flips(a ^ b, bits)
        return a + b + carry

    def added(self, a: np.ndarray, b: np.ndarray, bits: int, carry: np.ndarray | int = 0) -> np.ndarray:
        """An adder with a register behind it."""
        return self.made(self.chain(a, b, bits, carry), bits)

    def tree(
        self, terms: np.ndarray, bits: int, carries: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | int]:
        """gw_adder_tree on the last axis of ``terms``: the sum and the carry that is left over."""
        while terms.shape[-1] > 1:
            pairs = terms.shape[-1] // 2
            bits += 1
            carry: np.ndarray | int = 0
            if carries is not None:
                carry = carries[..., 0 : 2 * pairs : 2]
                carries = self.kept(
                    np.concatenate([carries[..., 1 : 2 * pairs : 2], carries[..., 2 * pairs :]], axis=-1), 1
                )
            sums = self.added(terms[..., 0 : 2 * pairs : 2], terms[..., 1 : 2 * pairs : 2], bits, carry)
            odd = self.kept(terms[..., 2 * pairs :], bits)
            terms = np.concatenate([sums, odd], axis=-1)
        return terms[..., 0], 0 if carries is None else carries[..., 0]

    def threes(self, terms: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, int]:
        """gw_tree_three on the last axis of ``terms``: the two terms that are left, and their bits."""
        while terms.shape[-1] > 2:
            count = terms.shape[-1]
            whole = count // 3 * 3
            bits += 2
            a, b, c = (terms[..., k:whole:3] for k in range(3))
            parts = [self.three(a, b, c, bits)]
            if count % 3 == 2:
                parts.append(self.added(terms[..., -2:-1], terms[..., -1:], bits))
            elif count % 3 == 1:
                parts.append(self.kept(terms[..., -1:], bits))
            terms = np.concatenate(parts, axis=-1)
        return terms[..., 0], terms[..., 1] if terms.shape[-1] > 1 else terms[..., 0] * 0, bits

    def three(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, bits: int) -> np.ndarray:
        """An adder of three operands with a register behind it: what a bit of all three makes, the carries of
        each bit, and the chain over both."""
        ones, twos = a ^ b ^ c, (a & b) | (a & c) | (b & c)
        self.logic += flips(twos, bits)
        self.local += flips(ones, bits)
        return self.made(self.chain(ones, 2 * twos, bits), bits)
