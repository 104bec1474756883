"""Float chains end in exact thresholds: against brute force over every sum and every nearby float."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.frontends.chain import (
    AddStep,
    Chain,
    ClipStep,
    DivStep,
    LeakyStep,
    MulStep,
    ScaleStep,
    flipped,
)  # fmt: skip
from gatewright.compiler.frontends.quantizers import (
    BipolarQuantizer,
    IntQuantizer,
    Quantizer,
    ThresholdQuantizer,
)
from gatewright.compiler.frontends.staircase import float_of_key, input_staircase, staircase
from gatewright.errors import GraphError

CHANNELS = 3
ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


def floats(low: float, high: float, signed: bool = True):
    """float32 values of a magnitude between the bounds."""
    magnitude = st.floats(low, high, width=32)
    return st.builds(lambda m, s: m * s, magnitude, st.sampled_from([-1, 1])) if signed else magnitude


@st.composite
def params(draw, elements, dtype=np.float32) -> np.ndarray:
    """One parameter for all channels or one each."""
    count = draw(st.sampled_from([1, CHANNELS]))
    return np.array(draw(st.lists(elements, min_size=count, max_size=count)), dtype=dtype)


@st.composite
def steps(draw):
    """A random float step, falling or constant in some channels at times."""
    kind = draw(st.sampled_from([AddStep, MulStep, DivStep, ClipStep, LeakyStep]))
    if kind is AddStep:
        return AddStep((draw(params(st.floats(-50, 50, width=32))),))
    if kind is MulStep:
        return MulStep((draw(params(st.one_of(floats(2**-6, 8.0), st.just(0.0)))),))
    if kind is DivStep:
        return DivStep((draw(params(floats(2**-6, 8.0))),))
    if kind is LeakyStep:
        return LeakyStep((draw(params(floats(0.0, 1.0, signed=False))),))
    low = draw(st.floats(-20, 5, width=32))
    return ClipStep((np.array([low], np.float32), np.array([low + draw(st.floats(0, 40))], np.float32)))


@st.composite
def quantizers(draw) -> Quantizer:
    """A quantizer of any kind that QONNX has."""
    scale = draw(params(floats(2**-7, 4.0, signed=False)))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return BipolarQuantizer(scale, -1, 1, 2)
    if kind == 1:
        rows = draw(
            st.lists(st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3), min_size=1, max_size=1)
        )
        return ThresholdQuantizer(scale, -3, 3, 2, np.sort(np.array(rows, np.float32), axis=1))
    bits, zero = draw(st.integers(2, 5)), draw(st.integers(-3, 3))
    lo = draw(st.sampled_from([0, -(2 ** (bits - 1)), 1 - 2 ** (bits - 1)]))
    return IntQuantizer(scale, lo - zero, lo + 2**bits - 2 - zero, 1, zero, draw(st.sampled_from(ROUNDINGS)))


@st.composite
def chains(draw) -> Chain:
    """A scale, at times negative, and up to five float steps."""
    scale = draw(params(floats(2**-8, 2.0), np.float64))
    return Chain((ScaleStep((scale,)), *draw(st.lists(steps(), max_size=5))))


def rising(chain: Chain) -> Chain:
    """The chain of the negated integers in the channels where it falls."""
    return flipped(chain, np.where(chain.direction() < 0, -1, 1).reshape(-1))


@given(chains(), quantizers(), st.integers(-900, 900), st.integers(0, 900))
@settings(max_examples=150, deadline=None)
def test_thresholds_equal_brute_force(chain, quantizer, lo, width):
    """For every sum in the range, the thresholds reached give the quantizer's own code."""
    chain, hi = rising(chain), lo + width
    t = np.broadcast_to(
        staircase(chain, quantizer, lo, hi, 1), (CHANNELS, (quantizer.hi - quantizer.lo) // quantizer.step)
    )
    x = np.arange(lo, hi + 1)
    wide = chain.moved(lambda p: p[:, None])
    expected = np.broadcast_to(
        quantizer.moved(lambda p: p[:, None]).codes(wide.apply(x[None])), (CHANNELS, len(x))
    )
    count = (x[None, :, None] >= t[:, None, :]).sum(-1)
    np.testing.assert_array_equal(quantizer.lo + quantizer.step * count, expected)
    assert t.min(initial=lo) >= lo
    assert t.max(initial=lo) <= hi + 1


def test_large_range_is_bisected():
    """A 40-bit range, far too large for brute force, still gives the float's own steps."""
    chain = Chain((ScaleStep((np.array([2.0**-30]),)), AddStep((np.array([0.25], np.float32),))))
    t = staircase(chain, IntQuantizer(np.array([1.0], np.float32), -8, 7), -(2**40), 2**40, 1)
    for code, at in zip(range(-7, 8), t[0], strict=True):
        y = chain.apply(np.array([at - 1, at]))
        assert np.round(y[0]) < code <= np.round(y[1]), code


def test_constant_channel():
    """A channel that batch norm has switched off keeps its one code."""
    chain = Chain(
        (
            ScaleStep((np.ones(1),)),
            MulStep((np.array([0, 1], np.float32),)),
            AddStep((np.array([2.2], np.float32),)),
        )
    )
    t = staircase(chain, IntQuantizer(np.array([1.0], np.float32), 0, 3), -5, 5, 1)
    np.testing.assert_array_equal(t, [[-5, -5, 6], [-1, 0, 1]])


@given(st.lists(steps(), max_size=4), quantizers())
@settings(max_examples=100, deadline=None)
def test_input_thresholds_at_float_neighbours(inner, quantizer):
    """Each threshold and the float just below it, and random floats, get the source's codes."""
    chain = Chain(tuple(inner))
    direction = np.broadcast_to(chain.direction(), (CHANNELS,))
    sign = np.where(direction < 0, -1, 1)
    lo, _hi, t = input_staircase(chain, quantizer, sign, 1)
    t = np.broadcast_to(t, (CHANNELS, t.shape[-1]))
    below = np.nextafter(t, np.float32(-np.inf), dtype=np.float32)
    random = np.random.default_rng(0).normal(scale=30, size=(CHANNELS, 50)).astype(np.float32)
    x = np.concatenate([t, below, random], axis=1)
    x = np.where(np.isfinite(x), x, np.float32(0))
    codes = quantizer.moved(lambda p: p[:, None]).codes(chain.moved(lambda p: p[:, None]).apply(x))
    count = (x[:, :, None] >= t[:, None, :]).sum(-1)
    np.testing.assert_array_equal(lo + quantizer.step * count, sign[:, None] * codes)


def test_keys_order_floats():
    """Neighbouring keys are neighbouring floats, through zero, up to both infinities."""
    keys = np.concatenate([np.arange(-5, 6), [0x7F7FFFFF, 0x7F800000, -0x7F800000, 0x3F800000]])
    values = float_of_key(keys)
    assert values[-1] == 1
    assert values[-3] == np.inf
    assert values[-2] == -np.inf
    np.testing.assert_array_equal(np.nextafter(values[:10], np.float32(np.inf)), values[1:11])


class Bump(ScaleStep):
    """A step that claims to rise but turns down at 10."""

    def apply(self, x):
        """x up to 10, then falling."""
        return np.where(x > 10, 20 - x, x).astype(np.float32)


@pytest.mark.parametrize("hi", [100, 100_000])
def test_chain_that_turns_is_refused(hi):
    """Small ranges are checked completely, large ones at thresholds, ends and points between."""
    chain = Chain((Bump((np.ones(1),)),))
    message = (
        r"^the values between two quantizers must rise or fall with the sum, but these do both\. "
        r"Only monotone functions become thresholds\.$"
    )
    with pytest.raises(GraphError, match=message):
        staircase(chain, IntQuantizer(np.ones(1, np.float32), 0, 15), 5, hi, 1)


def test_too_many_levels():
    """Quantizers that no table could hold are refused before bisection."""
    with pytest.raises(
        GraphError,
        match=r"^a quantizer must have at most 4194304 thresholds over all channels, not 16777215\. Use",
    ):
        staircase(
            Chain((ScaleStep((np.ones(1),)),)), IntQuantizer(np.ones(1, np.float32), 0, 2**24 - 1), 0, 9, 1
        )


def test_too_wide_sums():
    """Beyond 53 bits float64 could not tell sums apart."""
    with pytest.raises(
        GraphError,
        match=r"^sums must stay within 53 bits, not 0\.\.9007199254740992\. Use fewer bits or .* layer\.$",
    ):
        staircase(Chain((ScaleStep((np.ones(1),)),)), IntQuantizer(np.ones(1, np.float32), 0, 3), 0, 2**53, 1)


def test_overflow_times_zero():
    """A channel switched off by a factor of 0 is constant, even where its floats have overflowed."""
    big, zero = np.array([1e30], np.float32), np.zeros(1, np.float32)
    chain = Chain((ScaleStep((np.array([1e30]),)), MulStep((big,)), MulStep((zero,)), LeakyStep((zero,))))
    t = staircase(chain, IntQuantizer(np.ones(1, np.float32), 0, 3), -100, 100, 1)
    np.testing.assert_array_equal(t, [[101, 101, 101]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameter_that_is_no_number(value):
    """NaN and infinity in a step's parameter are refused under the step's name."""
    with pytest.raises(GraphError, match=r"^mul: constants must be finite, but hold NaN or infinity$"):
        MulStep((np.array([value], np.float32),))
