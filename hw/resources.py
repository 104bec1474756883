"""What a unit takes of an FPGA, in parts and in all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .estimates.fit import fit


@dataclass(frozen=True)
class Resources:
    """FPGA resources; ``bram`` counts the family's own block (ECP5 DP16KD 18 kbit, iCE40 EBR 4 kbit,
    Gowin BSRAM 18 kbit, Xilinx BRAM36 with halves for a BRAM18). ``stored_bits`` of an estimate are those
    that the memories in these blocks hold; it is no resource, and no part of a comparison."""

    lut: float = 0
    ff: float = 0
    bram: float = 0
    dsp: float = 0
    stored_bits: int = field(default=0, compare=False)

    def times(self, count: float) -> "Resources":
        """So many of them."""
        return Resources(
            self.lut * count, self.ff * count, self.bram * count, self.dsp * count,
            round(self.stored_bits * count),
        )  # fmt: skip

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.lut + other.lut, self.ff + other.ff, self.bram + other.bram, self.dsp + other.dsp,
            self.stored_bits + other.stored_bits,
        )  # fmt: skip


Parts = Mapping[str, Resources]
"""What each structural part of a unit takes, before calibration."""


def calibrated(module: str, parts: Parts, family: str) -> Resources:
    """What the parts of a unit sum up to, each by its factors of LUTs and registers."""
    return scaled(parts, fit(family).get("units", {}).get(module.removesuffix("_fed"), {}))


def scaled(parts: Parts, factors: Mapping[str, tuple[float, float]]) -> Resources:
    """The sum of parts, each by its factors of LUTs and registers; 1 where there are none."""
    lut = ff = bram = dsp = 0.0
    stored_bits = 0
    for name, part in parts.items():
        of_lut, of_ff = factors.get(name, (1.0, 1.0))
        lut += part.lut * of_lut
        ff += part.ff * of_ff
        bram += part.bram
        dsp += part.dsp
        stored_bits += part.stored_bits
    return Resources(lut, ff, bram, dsp, stored_bits)
