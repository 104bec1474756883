"""gw_turn, which sums that come round wait in; it has no stream, so it is no Unit."""

from ..design import Resources
from .fabric import LUT6
from .ram import clog2, ram_resources

FOLD_RAM = 5  # from this many words on they live in a RAM


def turn_resources(fold: int, bits: int, family: str) -> Resources:
    """Resources of ``gw_turn`` for ``fold`` words of ``bits``."""
    if fold >= FOLD_RAM:
        addresses = Resources(lut=4 * clog2(fold), ff=2 * clog2(fold))
        return addresses + ram_resources(fold, bits, 0, family)
    if fold > 2 and family in LUT6:  # shift registers in LUTs
        return Resources(lut=bits)
    return Resources(ff=fold * bits)
