"""The search for small factors: simplest fractions, smallest factors, even thresholds."""

from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewright.compiler.passes.lines import line_between, on_lines
from gatewright.compiler.passes.pair_search import (
    Pairs,
    linear_factors,
    narrow_tables,
    placed,
    product_zeros,
    simplest_between,
)


@given(st.fractions(0, 20, max_denominator=30), st.fractions(0, 20, max_denominator=30))
def test_simplest_fraction(low, high):
    """No fraction with a smaller denominator, or the same and a smaller numerator, lies in between."""
    assume(low < high)
    found = simplest_between(low, high)
    assert low < found < high
    for n in range(1, found.denominator + 1):
        first = (low * n).numerator // (low * n).denominator + 1
        if Fraction(first, n) < high:
            assert (found.denominator, found.numerator) == (n, first)
            break
    assert simplest_between(low, None) > low


@given(st.integers(0, 2**32 - 1))
def test_linear_factors_are_the_smallest(seed):
    """The same as trying all small factors gives: with thresholds on a line, else with any."""
    rng = np.random.default_rng(seed)
    a, b = np.arange(-3, 4) * rng.integers(1, 3), np.arange(0, 6)
    noise = rng.normal(0, rng.choice([0, 0.05]), (7, 6))
    pairs = Pairs(np.rint(rng.uniform(0.1, 1) * a[:, None] + rng.uniform(0.1, 1) * b + noise).astype(int))
    assume(len(pairs.values) > 1)
    sums = {(m, n): m * a[:, None] + n * b for n in range(1, 40) for m in range(1, 40)}
    sorting = [key for key, s in sums.items() if pairs.gaps(s) is not None]
    straight = [key for key in sorting if pairs.bend(sums[key], *pairs.gaps(sums[key])) is None]
    assert linear_factors(pairs, a, b) == next(iter(straight + sorting), None)


def test_lines_between():
    """A line above each of one row and not above another; or slopes that contradict each other."""
    line = line_between(np.array([0, 10, 20]), np.array([5, 15, 25]))
    assert (line.slope, line.offset) == (10, Fraction(5, 2))
    assert list(line.ceilings(3)) == [3, 13, 23]
    bend = line_between(np.array([0, 10, 11]), np.array([1, 12, 13]))
    assert (bend.rising, bend.flat) == ((1, 0), (2, 1))
    assert line_between(np.array([4]), np.array([9])).ceilings(1) == [7]


@given(st.integers(0, 2**32 - 1))
def test_lines_stay_between(seed):
    """Wherever a line is known to fit, one is found, and its ceilings lie in every gap."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 50) * np.arange(rng.integers(1, 30)) + rng.uniform(-50, 50)
    below = np.ceil(points).astype(int) - rng.integers(1, 4, len(points))
    above = np.ceil(points).astype(int) + rng.integers(0, 4, len(points))
    ceilings = line_between(below, above).ceilings(len(points))
    assert (below < ceilings).all()
    assert (ceilings <= above).all()


def test_rows_on_lines():
    """Thresholds out of reach, on either side, are on any line."""
    assert on_lines(np.array([[-99, -99, 3, 8, 13, 99]]), -5, 20)
    assert not on_lines(np.array([[3, 8, 13], [3, 8, 15]]), -5, 20)


def test_placed_thresholds_lie_on_a_line():
    """Codes out of reach are at the ends; a gap keeps what no line fits in its middle."""
    a = np.arange(16)
    pairs = Pairs((a[:, None] * 10 + a * 10 + 5) // 40 + 2)
    rows = placed(pairs, a[:, None] * 10 + a * 10, 12, (-999, 999))
    assert list(rows[:2]) == [-999, -999]
    assert list(rows[-3:]) == [999, 999, 999]
    assert set(np.diff(rows[2:-3])) == {40}
    bent = Pairs(np.array([[0, 1, 1, 2, 3]]))
    assert list(placed(bent, np.array([[0, 7, 20, 25, 28]]), 3, (-9, 99))) == [4, 23, 27]


def test_searches_give_up():
    """Codes that no sum, product or pair of narrower tables sorts."""
    a = np.arange(4)
    pairs = Pairs(a[:, None] ^ a)
    assert linear_factors(pairs, a, a) is None
    assert product_zeros(pairs, a, a) is None
    assert narrow_tables(pairs, a, a, 0) is None
