"""Small integers whose sum or product sorts all pairs of two operands as a function of them does.

A function F of pairs is thresholds on S where every S of a code is below every S of a higher code. That
is checked for all pairs; nothing here relies on how F came about.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from .lines import Line, line_between

# Cuts after which the ratio of two factors is given up; each cut rules a fraction of small terms out.
_MAX_CUTS = 64
_MAX_FACTOR = 2**14
# Sizes of tables tried between one power of two and the next.
_PER_OCTAVE = 8
# Factors tried where only one of the operands needs a table.
_MAX_TABLE_FACTOR = 2**10


# Weights of pairs whose sum of S must be above 0, and is not; and the pairs, int64.
Fault = tuple[tuple[int, ...], np.ndarray]


class Pairs:
    """A function of pairs ``F (La, Lb)``, sorted by its codes, for one channel.

    Each code above the lowest has a threshold of its own; so codes should be consecutive where they can.
    """

    def __init__(self, codes: np.ndarray):
        self.codes = codes
        flat = codes.ravel()
        self.order = np.argsort(flat, kind="stable")
        ordered = flat[self.order]
        self.starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
        self.values = ordered[self.starts]

    def gaps(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Between each code and the next, the largest S below and the smallest S above; None where the
        two overlap somewhere."""
        ordered = sums.ravel()[self.order]
        least = np.minimum.reduceat(ordered, self.starts)
        most = np.maximum.reduceat(ordered, self.starts)
        below = np.maximum.accumulate(most)[:-1]
        above = np.minimum.accumulate(least[::-1])[::-1][1:]
        return (below, above) if (below < above).all() else None

    def clash(self, sums: np.ndarray) -> Fault:
        """Two pairs that ``sums`` puts in the wrong order: the one of the higher code must be above."""
        ordered = sums.ravel()[self.order]
        below = np.maximum.accumulate(np.maximum.reduceat(ordered, self.starts))[:-1]
        least = np.minimum.reduceat(ordered, self.starts)
        above = np.minimum.accumulate(least[::-1])[::-1][1:]
        gap = int(np.argmax(below - above))
        return (1, -1), np.array([self._above(ordered, gap), self._below(ordered, gap)])

    def bend(self, sums: np.ndarray, below: np.ndarray, above: np.ndarray) -> Fault | None:
        """Four pairs that keep thresholds off any line; None where a line runs through all gaps."""
        if len(self.values) == 1:
            return None
        # The gap in which each threshold is, one for each step from the lowest code to the highest.
        which = np.searchsorted(self.values, np.arange(self.values[0] + 1, self.values[-1] + 1)) - 1
        line = line_between(below[which], above[which])
        if isinstance(line, Line):
            return None
        ordered = sums.ravel()[self.order]
        (i, j), (p, q) = line.rising, line.flat
        # (below[i] - above[j]) / (i - j) must be below (above[p] - below[q]) / (p - q).
        weights = (i - j, j - i, q - p, p - q)
        at = (self._above(ordered, which[p]), self._below(ordered, which[q]),
              self._below(ordered, which[i]), self._above(ordered, which[j]))  # fmt: skip
        return weights, np.array(at)

    def _above(self, ordered: np.ndarray, gap: int) -> int:
        """The pair of the smallest S among the codes above a gap."""
        start = self.starts[gap + 1]
        return int(self.order[start + int(np.argmin(ordered[start:]))])

    def _below(self, ordered: np.ndarray, gap: int) -> int:
        return int(self.order[int(np.argmax(ordered[: self.starts[gap + 1]]))])


def direction(codes: np.ndarray, axis: int) -> int:
    """1 where codes never fall along the axis, -1 where they never rise, 0 where they do both."""
    steps = np.diff(codes, axis=axis)
    return 1 if (steps >= 0).all() else -1 if (steps <= 0).all() else 0


def linear_factors(pairs: Pairs, a: np.ndarray, b: np.ndarray) -> tuple[int, int] | None:
    """Small ``(m, n)`` for which F is thresholds on ``m * a + n * b``; None where there are none.

    They are the smallest for which the thresholds can be on a line, or else the smallest of all. The
    ratios that sort two pairs rightly, or bend no line, are those on one side of a fraction. So each
    fault that a ratio has cuts the open interval, and the simplest fraction left is tried next.

    Args:
        a, b: the operands' values, ascending, int64 (La,) and (Lb,).
    """
    signs = direction(pairs.codes, 0), direction(pairs.codes, 1)
    if 0 in signs:
        return None
    a, b = a * signs[0], b * signs[1]
    low, high, found = Fraction(0), None, None
    for _ in range(_MAX_CUTS):
        ratio = simplest_between(low, high)
        m, n = ratio.numerator, ratio.denominator
        if max(m, n) > _MAX_FACTOR:
            break
        sums = (m * a)[:, None] + n * b
        gaps = pairs.gaps(sums)
        if gaps is not None and found is None:
            found = signs[0] * m, signs[1] * n
        fault = pairs.clash(sums) if gaps is None else pairs.bend(sums, *gaps)
        if fault is None:
            return signs[0] * m, signs[1] * n
        # m * da + n * db must be above 0, and is not.
        da, db = (sum(w * int(v[i]) for w, i in zip(fault[0], at, strict=True))
                  for v, at in zip((a, b), np.divmod(fault[1], len(b)), strict=True))  # fmt: skip
        if da > 0 > db:
            low = max(low, Fraction(-db, da))
        elif da < 0 < db:
            high = min(high or Fraction(db, -da), Fraction(db, -da))
        else:
            break
        if high is not None and low >= high:
            break
    return found


def simplest_between(low: Fraction, high: Fraction | None) -> Fraction:
    """The fraction of the smallest terms in the open interval; ``high`` None stands for infinity."""
    whole = low.numerator // low.denominator
    if high is None or whole + 1 < high:
        return Fraction(whole + 1)
    # Both lie in [whole, whole + 1]: the reciprocal of what is behind the point, in the swapped interval.
    rest = low - whole
    upper = 1 / rest if rest else None
    return whole + 1 / simplest_between(1 / (high - whole), upper)


def narrow_tables(
    pairs: Pairs, f: np.ndarray, g: np.ndarray, slope: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Tables ``f', g'`` of few bits for which F, given as thresholds on ``f + g``, is thresholds on
    ``f' + g'``; None where none was found of half the range.

    Rounded multiples of ``f`` and ``g`` are tried, the coarsest first, and checked for all pairs.

    Args:
        f, g: int64 (La,) and (Lb,).
        slope: the factor, where one of the two is a factor times its operand; it becomes a smaller one.
            0 where neither is.
    """
    span = int(np.ptp(f)) + int(np.ptp(g))
    for scale in _scales(span, len(pairs.values), abs(slope)):
        narrow = _rounded(f, scale), _rounded(g, scale)
        if pairs.gaps(narrow[0][:, None] + narrow[1]) is not None:
            return narrow
    return None


def _scales(span: int, codes: int, slope: int) -> Iterator[float]:
    """Factors that leave between one step for each code and half the span, ascending."""
    if slope:
        for factor in range(1, min(slope // 2, _MAX_TABLE_FACTOR)):
            yield factor / slope
        return
    total = float(codes)
    while total < span / 2:
        yield total / span
        total *= 2 ** (1 / _PER_OCTAVE)


def _rounded(values: np.ndarray, scale: float) -> np.ndarray:
    return np.rint((values - values.min()) * scale).astype(np.int64)


def product_zeros(pairs: Pairs, a: np.ndarray, b: np.ndarray) -> tuple[int, int, int] | None:
    """``(zero of a, zero of b, sign)`` for which F is thresholds on ``sign * (a - zero) * (b - zero)``.

    A product is constant where one factor is 0: only such values are tried, 0 itself before others.
    """
    zeros = [_zeros(pairs.codes, a), _zeros(pairs.codes.T, b)]
    for za in zeros[0]:
        for zb in zeros[1]:
            product = (a - za)[:, None] * (b - zb)
            for sign in (1, -1):
                if pairs.gaps(sign * product) is not None:
                    return za, zb, sign
    return None


def _zeros(codes: np.ndarray, values: np.ndarray) -> list[int]:
    """0, and the middle one of the values for which all codes of a row are the same."""
    constant = values[(codes == codes[:, :1]).all(axis=1)]
    middle = [int(constant[len(constant) // 2])] if len(constant) else []
    return [0, *(z for z in middle if z)]


def placed(pairs: Pairs, sums: np.ndarray, top: int, ends: tuple[int, int]) -> np.ndarray:
    """The thresholds on ``sums`` at which F reaches 1, 2, ..., ``top``: on a line where gaps allow it.

    Args:
        sums: S for all pairs, (La, Lb), which ``gaps`` accepts.
        ends: what stands for thresholds that are always reached, and never.
    """
    below, above = pairs.gaps(sums)
    # The smallest code that there is from each on.
    index = np.searchsorted(pairs.values, np.arange(1, top + 1))
    inside = (index > 0) & (index < len(pairs.values))
    at = index[inside] - 1
    thresholds = np.where(index == 0, *ends)
    if inside.any():
        line = line_between(below[at], above[at])
        if isinstance(line, Line):
            thresholds[inside] = line.ceilings(len(at))
        else:
            thresholds[inside] = (below[at] + above[at] + 1) // 2
    return thresholds
