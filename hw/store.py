"""ROMs outside of units: each holds some columns of one unit's memory, or of two units' memories."""

from collections.abc import Sequence
from dataclasses import dataclass

from .design import Instance, Memory, Resources
from .units.fabric import adder, rom
from .units.ram import clog2, rom_blocks


@dataclass(frozen=True)
class Columns:
    """Bits ``low`` to ``low + bits - 1`` of all ``words`` words, each ``width`` wide, of the memory that
    parameter ``param`` names of the instance at ``place`` in a design."""

    place: int
    param: str
    words: int
    width: int
    low: int
    bits: int


@dataclass(frozen=True)
class Store:
    """A ROM: ``gw_rom`` for one part, ``gw_rom_pair`` for two, the second's words from ``base`` on.

    ``layer`` names the graph nodes that it serves, for reports; ``name`` is a legal Verilog identifier.
    """

    name: str
    parts: tuple[Columns, ...]
    base: int = 0
    layer: str = ""

    @property
    def module(self) -> str:
        """The RTL module that it is an instance of."""
        return "gw_rom_pair" if len(self.parts) > 1 else "gw_rom"

    @property
    def bits(self) -> int:
        """Width of its words: that of the wider part."""
        return max(part.bits for part in self.parts)

    def resources(self, family: str) -> Resources:
        """Estimated resources on ``family``."""
        if len(self.parts) == 1:
            return rom(self.parts[0].words, self.bits, 1, True, family)
        second = self.parts[1]
        words = self.base + second.words
        return Resources(
            lut=base_lut(self.base, second.words, family),
            ff=sum(part.bits for part in self.parts),
            bram=rom_blocks(words, self.bits, family, ports=2),
            stored_bits=sum(part.words * part.bits for part in self.parts),
        )

    def memory(self, instances: Sequence[Instance]) -> Memory:
        """Its contents, from those of the design's ``instances``."""
        words: list[int] = []
        for part in self.parts:
            mask = (1 << part.bits) - 1
            own = instances[part.place].memories[part.param]().words
            words += [0] * (self.base - len(words) if words else 0)
            words += [(word >> part.low) & mask for word in own]
        return Memory(tuple(words), self.bits)


def base_lut(base: int, words: int, family: str) -> int:
    """LUTs of the adder that leads to ``words`` words from ``base`` on, if it needs one."""
    if base % (1 << clog2(words)) == 0:
        return 0
    zeros = (base & -base).bit_length() - 1
    return adder(clog2(base + words) - zeros, family)
