"""What is measured: widths, lanes, array or whole unit, family."""

from dataclasses import dataclass

from .arrays import Array

BITS = (8, 4, 16)


@dataclass(frozen=True)
class Case:
    """One design.

    Attributes:
        whole: the matrix-vector unit, not the array alone.
        small: an array of 4 rows, which is routed quickly.
        seeds: placements at most.
        toggles: whether transitions are counted.
    """

    name: str
    array: Array
    family: str
    whole: bool = False
    small: bool = False
    seeds: int = 0
    toggles: bool = False

    @property
    def routed(self) -> bool:
        """Whether nextpnr places and routes it."""
        return self.seeds > 0


def _pe(lane: str, bits: int, family: str) -> int:
    """Rows of 16 lanes: 16, where they fit. An LFE5U-85F has 156 multipliers of 18 x 18 bits, which do not
    split in two for Yosys, and 256 lanes of a 16-bit multiplier take more LUTs than it has. Of those, on xc7,
    Yosys has 4 rows in minutes."""
    if family == "xc7":
        return 4 if bits == 16 else 16
    if lane == "multiply_dsp":
        return 8
    return 8 if lane == "multiply_lut" and bits == 16 else 16


_SEEDS = 5
_LANES = {
    "xc7": ("adder", "minimum", "multiply_lut", "multiply_booth", "multiply_dsp"),
    "ecp5": ("adder", "multiply_lut", "multiply_dsp"),
}


def _cases(bits: int) -> list[Case]:
    found = []
    for family, lanes in _LANES.items():
        for lane in lanes:
            # The compiler has no rule that takes Booth's lane: it is a baseline.
            for whole in (False,) if lane == "multiply_booth" else (False, True):
                a = Array(lane, bits, _pe(lane, bits, family))
                name = f"{bits}-{lane}-{'unit' if whole else 'array'}-{family}"
                seeds = (_SEEDS if bits == 8 and not whole else 1) if family == "ecp5" else 0
                toggles = not whole and not (family == "xc7" and a.kind.dsp)
                found.append(Case(name, a, family, whole, False, seeds, toggles))
    return found


def _small_cases() -> list[Case]:
    """Transitions at 8 bits only, and one seed at 16, whose multipliers take long."""
    return [
        Case(
            f"{bits}-{lane}-small-ecp5", Array(lane, bits, pe=4), "ecp5", small=True,
            seeds=1 if bits == 16 else _SEEDS, toggles=bits == 8,
        )
        for bits in BITS
        for lane in _LANES["ecp5"]
    ]  # fmt: skip


CASES = (*(case for bits in BITS for case in _cases(bits)), *_small_cases())
