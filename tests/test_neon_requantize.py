"""Scalings: exact wherever they are found, and found where quantized networks put their thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.frontends.tflite_fixed import multiply, quantize_multiplier
from gatewright.compiler.frontends.tflite_requantize import staircase
from gatewright.compiler.ir.graph import Const, input_of
from gatewright.compiler.ir.ops import Conv2d, Threshold
from gatewright.compiler.ir.types import Int
from gatewright.compiler.neon.floats import float_scaling
from gatewright.compiler.neon.lines import line_of
from gatewright.compiler.neon.requantize import Scaling, scaling
from gatewright.compiler.neon.rescale import choose


def counted(t, bias, points):
    """The reference: results for ``points`` (n, rows)."""
    return bias + np.stack([np.searchsorted(r, p, side="right") for r, p in zip(t, points.T, strict=True)], 1)


def points_of(t, x):
    """Both ends, both sides of every threshold, and what lies anywhere between: (n, rows)."""
    near = np.concatenate([t + d for d in (-2, -1, 0, 1)], axis=1)
    anywhere = np.random.default_rng(0).integers(x.lo, x.hi + 1, (len(t), 200))
    ends = np.full((len(t), 2), [x.lo, x.hi])
    return np.clip(np.concatenate([near, anywhere, ends], axis=1), x.lo, x.hi).T


def assert_exact(found, t, bias, x):
    """At all x where there are few, else at those that tell."""
    points = points_of(t, x)
    if x.levels < 3000:
        points = np.repeat(np.arange(x.lo, x.hi + 1)[:, None], len(t), axis=1)
    np.testing.assert_array_equal(found.apply(points), counted(t, bias, points))


def rounded(x, low, count, scale, offset):
    """Thresholds of ``clip(floor(x * scale + offset + 1/2))``, rows of scales and offsets, (rows, count)."""
    results = np.arange(low + 1, low + count + 1)
    t = np.ceil((results - 0.5 - offset[:, None]) / scale[:, None])
    return np.clip(t, x.lo - 1, x.hi + 1).astype(np.int64)


@st.composite
def lines(draw):
    """(x, bias, thresholds) of rounded lines, now and then with a threshold moved."""
    bits = draw(st.sampled_from([2, 3, 4, 7, 8]))
    magnitude = draw(st.sampled_from([20, 127, 1000, 30000, 2**18, 2**24, 2**29, 2**31]))
    x = Int(draw(st.sampled_from([-magnitude, 0, -magnitude // 3])), magnitude)
    low = draw(st.sampled_from([0, -(2 ** (bits - 1)), -3, 7]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 4))
    scale = 2**bits / (x.hi - x.lo) * np.exp(rng.uniform(-2, 2, rows))
    offset = rng.uniform(-1, 1, rows) * draw(st.sampled_from([0, 1, 2**bits]))
    t = rounded(x, low, 2**bits - 1, scale, offset)
    if draw(st.integers(0, 4)) == 4:
        t[0, rng.integers(t.shape[1])] += rng.integers(-2, 3)
        t = np.sort(t, axis=1)
    return x, low, t


@settings(max_examples=150)
@given(lines())
def test_whatever_is_found_is_exact(case):
    """Every form of scaling, on lines and on what nearly is one."""
    x, low, t = case
    for found in (
        scaling(t, low, x, shifts=False),
        scaling(t, low, x),
        scaling(t, low, x, exceptions=True),
        float_scaling(t, low, x, None),
    ):
        if found is not None:
            assert_exact(found, t, low, x)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 15, 40]))
def test_staircases_that_are_no_line(seed, count):
    """Thresholds anywhere give a form that is exact, or none."""
    rng = np.random.default_rng(seed)
    x = Int(-500, 700)
    t = np.sort(rng.integers(-510, 710, (3, count)), axis=1)
    for found in (scaling(t, -3, x), scaling(t, -3, x, exceptions=True), float_scaling(t, -3, x, None)):
        if found is not None:
            assert_exact(found, t, -3, x)


def node_of(t, x, bias=0, step=1):
    """A threshold of an input with as many channels as ``t`` has rows."""
    return Threshold(bias, step)(input_of("x", (len(t),), x.lo, x.hi, x.step), Const(t))


@pytest.mark.parametrize("low", [-128, 0])
@pytest.mark.parametrize("multiplier", [0.0104, 0.00234, 0.000921])
def test_tflite_takes_a_product_and_a_shift(low, multiplier):
    """What TensorFlow Lite rounds twice costs no addition: its offset is a whole number."""
    x = Int(-(2**17), 2**17)
    t = np.stack([tflite_row(multiplier * f, low, x) for f in (1, 0.7, 0.31)])
    found = choose(node_of(t, x, low))
    assert isinstance(found, Scaling)
    assert (found.left, found.early.shape[1], found.low) == (0, 0, 0)
    assert_exact(found, t, 0, x)


def tflite_row(multiplier, low, x):
    """Thresholds of TensorFlow Lite's rescaling by a real number, the zero point at the lowest result."""
    fixed = quantize_multiplier(multiplier)

    def code_of(v):
        return np.clip(multiply(v, *fixed) + low, low, low + 255)

    return staircase(code_of, (low, low + 255), 1, x.lo, x.hi)[0]


@pytest.mark.parametrize("count", [15, 255])
@pytest.mark.parametrize("magnitude", [300, 40000, 2**18])
def test_batch_norms_take_a_shift_in_front(count, magnitude):
    """Offsets with a fraction in every row."""
    rng = np.random.default_rng(count)
    x = Int(-magnitude, magnitude)
    scale = count / magnitude * rng.uniform(0.4, 1.5, 16)
    t = rounded(x, -8, count, scale, rng.uniform(-0.5, 0.5, 16) * count)
    found = choose(node_of(t, x, -8))
    assert isinstance(found, Scaling)
    assert found.early.shape[1] == 0
    assert_exact(found, t, -8, x)


def test_wide_sums_take_64_bits():
    """Where 32 bits leave no room for the fraction."""
    rng = np.random.default_rng(5)
    x = Int(-(2**22), 2**22)
    t = rounded(x, -128, 255, 255 / x.hi * rng.uniform(0.4, 1.5, 8), rng.uniform(-60, 60, 8))
    assert scaling(t, -128, x) is None
    assert_exact(line_of(node_of(t, x, -128), 32), t, 0, x)


def test_few_thresholds_are_compared():
    """A line costs more than a comparison or two, the more so where many lanes fit a register."""
    x = Int(-100, 100)
    t = np.arange(-20, 20, 10)[None]
    assert line_of(node_of(t[:, :3], x), 32) is None
    assert line_of(node_of(t, x), 8) is None
    assert line_of(node_of(t, x), 32) is not None
    assert line_of(node_of(np.array([[0] * 40]), Int(-1, 1, 2)), 32) is None


def test_results_far_from_zero_are_counts():
    """Bytes come from 16-bit lanes: what lies beyond them, or in larger steps, is counted from 0."""
    x = Int(-3000, 3000)
    t = rounded(x, 0, 15, np.full(4, 0.003), np.array([7.1, 7.2, 7.3, 7.7]))
    assert choose(node_of(t, x, 1000)).low == 1000
    assert choose(node_of(t, x, 32600)).low == 0
    assert choose(node_of(t, x, -8, 3)).low == 0


def test_a_channel_is_judged_by_what_reaches_it():
    """Thresholds that weights cannot reach bind nothing: the row counts as one that never changes."""
    x = input_of("x", (4, 4, 2), -8, 7)
    y = Conv2d()(x, Const(np.array([[[[1, 100], [1, 100]]]])))
    t = np.stack([np.arange(-7, 8) * 1000 + 333, np.arange(-7, 8) * 100 + 3])
    node = Threshold(-7)(y, Const(t))
    found = choose(node)
    points = np.stack([np.arange(-16, 15), np.arange(-16, 15) * 100], axis=1)
    np.testing.assert_array_equal(found.apply(points), counted(t, found.low, points))
