"""The search for small factors: simplest fractions, smallest factors, even thresholds."""

from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

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
    """Found exactly where trying all small factors finds some, and then the same."""
    rng = np.random.default_rng(seed)
    a, b = np.arange(-3, 4) * rng.integers(1, 3), np.arange(0, 6)
    total = rng.uniform(0.1, 1) * a[:, None] + rng.uniform(0.1, 1) * b + rng.normal(0, 0.05, (7, 6))
    pairs = Pairs(np.rint(total).astype(np.int64))
    assume(len(pairs.values) > 1)
    found = linear_factors(pairs, a, b)
    tried = (
        (m, n) for n in range(1, 40) for m in range(1, 40)
        if pairs.gaps(m * a[:, None] + n * b) is not None
    )  # fmt: skip
    # Codes that only one operand decides allow any ratio up to none of the other.
    assert found == next(tried, None)


def test_placed_thresholds_are_even_where_gaps_allow():
    """A sum that is thresholded on a line keeps thresholds on a line."""
    a = np.arange(16)
    pairs = Pairs((a[:, None] * 10 + a * 10 + 5) // 40)
    rows = placed(pairs, a[:, None] * 10 + a * 10, np.arange(-1, 10), (-999, 999))
    assert list(rows[:2]) == [-999, -999]
    assert list(rows[-2:]) == [999, 999]
    assert len(set(np.diff(rows[2:-2]))) <= 2


def test_searches_give_up():
    """Codes that no sum, product or pair of narrower tables sorts."""
    a = np.arange(4)
    pairs = Pairs(a[:, None] ^ a)
    assert linear_factors(pairs, a, a) is None
    assert product_zeros(pairs, a, a) is None
    assert narrow_tables(pairs, a, a, 0) is None
