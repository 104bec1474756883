"""hls4ml's names of the types that hold exactly our integers."""

import numpy as np

from ..ir.types import Int, range_of

# hls4ml takes weights of 2 signed bits for {-1, 0, 1}, and inputs and weights of one unsigned bit for signs.
_LEAST_WEIGHT_BITS = 3
_LEAST_BITS = 2


def precision(element: Int, signed: bool = False) -> str:
    """ap_int or ap_uint of the fewest bits that hold ``element``; with ``signed`` never unsigned."""
    if element.lo >= 0 and not signed:
        return f"ap_uint<{max(element.hi.bit_length(), _LEAST_BITS)}>"
    return f"ap_int<{_signed_bits(element)}>"


def weight_precision(values: np.ndarray) -> str:
    """ap_int that holds constants."""
    return f"ap_int<{max(_signed_bits(range_of(values)), _LEAST_WEIGHT_BITS)}>"


def _signed_bits(element: Int) -> int:
    below, above = -min(element.lo, -1) - 1, max(element.hi, 0)
    return max(below.bit_length(), above.bit_length(), _LEAST_BITS - 1) + 1
