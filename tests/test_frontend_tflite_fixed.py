"""LiteRT's fixed point, written a second time in plain integers from its definition, one value at a time."""

from fractions import Fraction
from math import exp, frexp

import numpy as np
import pytest

from gatewright.compiler.frontends import tflite_softmax
from gatewright.compiler.frontends.tflite_fixed import (
    INT32_MAX,
    exp_of_negative,
    multiply,
    quantize_multiplier,
    reciprocal,
)
from gatewright.compiler.frontends.tflite_requantize import staircase
from gatewright.errors import GraphError


def half_away(x: Fraction) -> int:
    """Nearest integer, halves away from zero."""
    size = (abs(x) + Fraction(1, 2)).__floor__()
    return size if x >= 0 else -size


def half_up(x: Fraction) -> int:
    """Nearest integer, halves upward."""
    return (x + Fraction(1, 2)).__floor__()


def multiply_one(x: int, multiplier: int, shift: int) -> int:
    """Doubling high product, halves up; then a right shift, halves away from zero."""
    high = half_up(Fraction(x * 2 ** max(shift, 0) * multiplier, 2**31))
    return half_away(Fraction(high, 2 ** max(-shift, 0)))


def test_products():
    """Random values and those around every half, for shifts on both sides of zero."""
    rng = np.random.default_rng(0)
    for shift in (-31, -20, -7, -1, 0, 1, 5):
        multiplier = int(rng.integers(2**30, 2**31))
        most = 2**31 // 2 ** max(shift, 0) - 1
        x = np.concatenate([rng.integers(-most, most + 1, 300), np.arange(-100, 101)])
        expected = [multiply_one(int(v), multiplier, shift) for v in x]
        np.testing.assert_array_equal(multiply(x, multiplier, shift), expected)


def test_halves_go_where_each_rounding_sends_them():
    """0.5 and -0.5 by the first rounding (up), then by the second (away from zero)."""
    assert multiply(np.array([1, -1]), 2**30, 0).tolist() == [1, 0]
    assert multiply(np.array([2, -2]), 2**30, -1).tolist() == [1, -1]


@pytest.mark.parametrize("real", [1.0, 0.75, 1e-3, 1 - 2**-40, 3.7e4, 2.0**-31, 2.0**-33, 0.0])
def test_multipliers(real):
    """31 fractional bits of a number in 0.5..1, carried where they round to 1, none below 2^-32."""
    multiplier, shift = quantize_multiplier(real)
    if real < 2.0**-32:
        assert (multiplier, shift) == (0, 0)
        return
    assert 2**30 <= multiplier < 2**31
    exact = Fraction(real) * 2 ** (31 - shift)
    assert multiplier == half_away(exact)
    assert shift - frexp(real)[1] in (0, 1)


def test_exponents_and_reciprocals_are_close_to_the_real_ones():
    """So that no constant is wrong; bit for bit, LiteRT's own kernel is the judge elsewhere."""
    x = np.array([0, 1, 2**20, 2**24 - 1, 2**24, 2**26, 5 * 2**26 + 12345, 2**30, 31 * 2**26])
    expected = np.array([exp(-v / 2**26) * 2**31 for v in x])
    assert np.abs(exp_of_negative(-x) - expected).max() < 2**10
    sums = np.random.default_rng(0).integers(2**19, 2**29, 10000)
    scale, bits = reciprocal(sums)
    np.testing.assert_allclose(scale / 2.0 ** (31 + bits), 2.0**19 / sums * 2.0**0, rtol=1e-8)


def test_the_reciprocal_falls_between_powers_of_two():
    """All sums of up to 16 exponents; the benchmark looks at those of up to 1,024."""
    for octave in range(4):
        scale, bits = reciprocal(np.arange(2 ** (19 + octave), 2 ** (20 + octave)))
        assert (bits == octave).all()
        assert (np.diff(scale) <= 0).all()
        assert scale[0] <= INT32_MAX


def test_a_falling_requantization_is_refused():
    """The list of monotone steps is not trusted alone."""
    with pytest.raises(GraphError, match=r"^its requantization must never fall as the sum rises, but does$"):
        staircase(lambda x: np.abs(x) % 7, (0, 6), 1, -50, 50)


def test_a_rising_softmax_is_refused(monkeypatch):
    """As with every other staircase."""
    monkeypatch.setattr(tflite_softmax, "probability", lambda e, s: (s >> 15) % 200 + 0 * e)
    message = r"^its result must never rise with the sum of the exponents, but does$"
    with pytest.raises(GraphError, match=message):
        tflite_softmax._thresholds(np.array([INT32_MAX, 2**30]), 10, 10 * 2**19 + 1)
