"""Thresholds on a line: such a row is one multiplication, one addition and one shift in hardware."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Line:
    """The real numbers ``slope * k + offset``, k = 0, 1, ..."""

    slope: Fraction
    offset: Fraction

    def ceilings(self, count: int) -> np.ndarray:
        """The least integers from the line on, for k = 0..count-1."""
        scale = self.slope.denominator * self.offset.denominator
        slope, offset = int(self.slope * scale), int(self.offset * scale)
        return np.array([-(-(slope * k + offset) // scale) for k in range(count)], dtype=np.int64)


@dataclass(frozen=True)
class Bend:
    """Why there is no line: its slope must be above one that two ``(i, j)`` give, and below another's.

    Attributes:
        rising: i > j, the slope is above ``(below[i] - above[j]) / (i - j)``.
        flat: i > j, the slope is below ``(above[i] - below[j]) / (i - j)``.
    """

    rising: tuple[int, int]
    flat: tuple[int, int]


def line_between(below: np.ndarray, above: np.ndarray) -> Line | Bend:
    """A line that at each k runs above ``below[k]`` and not above ``above[k]``, in the middle of all.

    There is one if no two points ask for contradicting slopes.

    Args:
        below, above: int64 (N,), of less than 2^50, ``below < above``.
    """
    count = len(below)
    if count == 1:
        return Line(Fraction(0), Fraction(int(below[0]) + int(above[0]), 2))
    k = np.arange(count)
    apart = k[:, None] - k
    later = apart > 0
    apart = np.where(later, apart, 1)
    rises = np.where(later, (below[:, None] - above) / apart, -np.inf)
    falls = np.where(later, (above[:, None] - below) / apart, np.inf)
    rising = tuple(map(int, np.unravel_index(np.argmax(rises), rises.shape)))
    flat = tuple(map(int, np.unravel_index(np.argmin(falls), falls.shape)))
    least = Fraction(int(below[rising[0]] - above[rising[1]]), rising[0] - rising[1])
    most = Fraction(int(above[flat[0]] - below[flat[1]]), flat[0] - flat[1])
    if least >= most:
        return Bend(rising, flat)
    slope = (max(least, Fraction(0)) + most) / 2
    # Offsets in units of the slope's denominator, so that they are whole numbers.
    unit = slope.denominator
    points = [slope.numerator * i for i in range(count)]
    low = max(int(b) * unit - p for b, p in zip(below, points, strict=True))
    high = min(int(a) * unit - p for a, p in zip(above, points, strict=True))
    return Line(slope, Fraction(low + high, 2 * unit))


def on_lines(thresholds: np.ndarray, lo: int, hi: int) -> bool:
    """Whether each row is on a line, but for thresholds that all or none of ``lo..hi`` reach."""
    for row in thresholds:
        inside = row[(row > lo) & (row <= hi)]
        if len(inside) and isinstance(line_between(inside - 1, inside), Bend):
            return False
    return True
