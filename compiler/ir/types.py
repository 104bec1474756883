"""Value ranges and tensor types; bit widths follow from ranges and are never stored."""

from dataclasses import dataclass
from math import gcd

import numpy as np

from ...errors import GraphError

# Evaluation runs in int64, so no reachable value may leave it; thresholds need one value above ``hi``.
LIMIT = 2**62
# Elements of a tensor; no frame of a real network comes near, and files may claim anything.
MAX_SIZE = 2**31


@dataclass(frozen=True)
class Int:
    """The integers ``lo, lo + step, ..., hi``.

    ``Int(-1, 1, 2)`` is the bipolar type {-1, +1}. A range of a single value keeps step 1.

    Raises:
        GraphError: bounds out of order, outside 62 bits, or not a whole number of steps apart.
    """

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self):
        if self.step < 1 or self.lo > self.hi or (self.hi - self.lo) % self.step:
            raise GraphError(
                f"type: a range must run upward in whole steps, not {self.lo}..{self.hi} by {self.step}"
            )
        if self.lo < -LIMIT or self.hi > LIMIT:
            raise GraphError(
                f"type: values must stay within 62 bits, not {self.lo}..{self.hi}. "
                "Use fewer bits or a smaller layer."
            )

    @property
    def bipolar(self) -> bool:
        """Whether the values are exactly {-1, +1}; hardware then carries one bit, 1 for +1."""
        return (self.lo, self.hi, self.step) == (-1, 1, 2)

    @property
    def signed(self) -> bool:
        """Whether the code is two's complement (a bipolar code is a plain bit)."""
        return self.lo < 0 and not self.bipolar

    @property
    def bits(self) -> int:
        """Bits of the hardware code: two's complement when signed, else unsigned; at least 1."""
        if self.bipolar:
            return 1
        if self.signed:
            return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1
        return max(self.hi.bit_length(), 1)

    @property
    def levels(self) -> int:
        """How many values there are."""
        return (self.hi - self.lo) // self.step + 1

    @property
    def magnitude(self) -> int:
        """The largest absolute value."""
        return max(abs(self.lo), abs(self.hi))

    def contains(self, values: np.ndarray) -> bool:
        """Whether every element is one of these integers."""
        v = np.asarray(values)
        if v.size == 0:
            return True
        if v.min() < self.lo or v.max() > self.hi:
            return False
        return self.step == 1 or not np.any((v - self.lo) % self.step)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Integers to hardware codes, uint64 in ``[0, 2**bits)``."""
        v = np.asarray(values, dtype=np.int64)
        if self.bipolar:
            return (v > 0).astype(np.uint64)
        return v.astype(np.uint64) & np.uint64((1 << self.bits) - 1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Hardware codes to integers, int64."""
        c = np.asarray(codes, dtype=np.uint64).astype(np.int64)
        if self.bipolar:
            return 2 * c - 1
        if self.signed:
            return c - ((c >> (self.bits - 1)) << self.bits)
        return c

    def __str__(self) -> str:
        if self.bipolar:
            return "bipolar"
        by = f" by {self.step}" if self.step != 1 else ""
        return f"[{self.lo}..{self.hi}{by}]"


def range_of(values: np.ndarray) -> Int:
    """The narrowest type of a constant array; {-1, +1} arrays come out bipolar."""
    v = np.asarray(values)
    if v.size == 0:
        return Int(0, 0)
    lo, hi = int(v.min()), int(v.max())
    if (lo, hi) == (-1, 1) and not np.any(v == 0):
        return Int(-1, 1, 2)
    return Int(lo, hi)


def hull(*ranges: Int) -> Int:
    """The narrowest range that holds every value of all ``ranges``, in their common step."""
    lo, hi = min(r.lo for r in ranges), max(r.hi for r in ranges)
    step = gcd(*(r.lo - lo for r in ranges), *(r.step for r in ranges if r.levels > 1))
    return Int(lo, hi, step or 1)


@dataclass(frozen=True)
class TensorType:
    """Shape (without the batch axis) and value range of a tensor; images are (H, W, C)."""

    shape: tuple[int, ...]
    dtype: Int

    def __post_init__(self):
        if any(not isinstance(d, int) or d < 1 for d in self.shape):
            raise GraphError(f"type: every dimension must be a positive integer, not {self.shape}")
        if self.size > MAX_SIZE:
            raise GraphError(f"type: a tensor must have at most {MAX_SIZE} elements, not shape {self.shape}")

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
