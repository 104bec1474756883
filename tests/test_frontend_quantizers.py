"""Our quantizers against qonnx's own functions, for random parameters and every rounding mode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.multithreshold import multithreshold
from qonnx.custom_op.general.quant import quant

from gatewright.compiler.frontends.quantizers import (
    ROUNDING_MODES,
    BipolarQuantizer,
    integer_quantizer,
    threshold_quantizer,
)  # fmt: skip
from gatewright.errors import GraphError


def f32(*values) -> np.ndarray:
    """A float32 array; a single value has no axis."""
    return np.array(values[0] if len(values) == 1 else values, dtype=np.float32)


def quantizer(scale=1.0, zero=0, bits=4, signed=True, narrow=False, rounding="ROUND"):
    """A QONNX Quant with defaults."""
    return integer_quantizer(f32(scale), f32(zero), f32(bits), signed, narrow, rounding)


def samples(scale: float, seed: int) -> np.ndarray:
    """Floats around every half step, their neighbours, and some far off."""
    steps = f32(np.arange(-40, 41) / 2) * f32(scale)
    near = [steps, np.nextafter(steps, f32(np.inf)), np.nextafter(steps, f32(-np.inf))]
    return np.concatenate(
        [*near, np.random.default_rng(seed).normal(scale=9 * scale, size=60).astype(np.float32)]
    )


@given(
    st.floats(2**-12, 64, width=32), st.integers(-9, 9), st.integers(1, 9), st.booleans(), st.booleans(),
    st.sampled_from(ROUNDING_MODES),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_int_quantizer_equals_qonnx(scale, zero, bits, signed, narrow, rounding):
    """scale * code is qonnx's float, bit for bit, and the codes span the declared range."""
    if bits == 1:
        zero, narrow = 0, narrow and signed
    q = quantizer(scale, zero, bits, signed, narrow, rounding)
    x = samples(scale, bits)
    expected = quant(x, f32(scale), f32(zero), f32(bits), signed, narrow, rounding)
    codes = q.codes(x)
    np.testing.assert_array_equal((codes * np.float64(f32(scale))).astype(np.float32), expected)
    assert q.lo <= codes.min()
    assert codes.max() <= q.hi
    assert not ((codes - q.lo) % q.step).any()


def test_zero_points_of_channels_equal_qonnx():
    """Each column has its own zero point; codes are less by it."""
    zero, x = f32(3, 0, 11, 15), samples(0.3, 1).reshape(-1, 1) * f32(1, 1, 1, 1)
    q = quantizer(0.3, zero, 4, False, rounding="FLOOR")
    codes = q.codes(x)
    assert (q.lo, q.hi) == (-15, 15)
    np.testing.assert_array_equal(codes.min(axis=0), [-3, 0, -11, -15])
    expected = quant(x, f32(0.3), zero, f32(4), False, False, "FLOOR")
    np.testing.assert_array_equal((codes * np.float64(f32(0.3))).astype(np.float32), expected)


def test_32_bit_codes_equal_qonnx():
    """Bias quantizers have 32 bits, more than float32 carries; clipping still agrees."""
    x = f32(-3e9, -2.2e9, -1.5, 0.5, 1.5, 2.1e9, 3e9)
    codes = quantizer(1.0, 0, 32, True, True).codes(x)
    np.testing.assert_array_equal(
        codes.astype(np.float32), quant(x, f32(1), f32(0), f32(32), True, True, "ROUND")
    )


def test_bipolar_quantizer_equals_qonnx():
    """Zero, also a negative zero, is +1."""
    x = f32(-1, -0.0, 0.0, 1e-40, -1e-40)
    codes = BipolarQuantizer(f32(0.5), -1, 1, 2).codes(x)
    np.testing.assert_array_equal(codes * 0.5, binary_quant(x, f32(0.5)))
    np.testing.assert_array_equal(codes, [-1, 1, 1, 1, -1])


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (2.0, -1.0), (0.5, -2.0), (0.25, 0.125)])
def test_threshold_quantizer_equals_qonnx(scale, bias):
    """MultiThreshold with unsorted rows, per channel."""
    rng = np.random.default_rng(1)
    t = rng.normal(size=(3, 5)).astype(np.float32)
    x = np.concatenate([rng.normal(size=(40, 3)).astype(np.float32), t.T])
    q = threshold_quantizer(t, scale, bias)
    np.testing.assert_array_equal(q.codes(x) * np.float64(q.scale.item()), multithreshold(x, t, scale, bias))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantizer(scale=0.0),
         r"scales must be finite and above 0, not 0\.0\. Export the trained .* again\."),
        (lambda: quantizer(scale=-2.0), r"scales must be finite and above 0, not -2\.0\. .*"),
        (lambda: quantizer(scale=np.nan), r"scales must be finite and above 0, not nan\. .*"),
        (lambda: quantizer(scale=np.inf), r"scales must be finite and above 0, not inf\. .*"),
        (lambda: quantizer(bits=2.5), r"the bit width must be one whole number, not 2\.5"),
        (lambda: quantizer(bits=np.nan), r"the bit width must be one whole number, not nan"),
        (lambda: quantizer(bits=[2, 3]), r"the bit width must be one whole number, not 2 of them"),
        (lambda: quantizer(bits=33), r"the bit width must be 1 to 32, not 33"),
        (lambda: quantizer(bits=0), r"the bit width must be 1 to 32, not 0"),
        (lambda: quantizer(zero=0.5), r"zero points must be whole numbers, not 0\.5\. Export with .*"),
        (lambda: quantizer(zero=[1, 2.5]), r"zero points must be whole numbers, not 2\.5\. Export with .*"),
        (lambda: quantizer(zero=np.zeros(0)), r"zero points must be given, but are none"),
        (lambda: quantizer(zero=2**23), r"zero points must stay within 23 bits, not 8388608"),
        (lambda: quantizer(zero=1, bits=1), r"a signed 1-bit quantizer must have zero point 0, not 1"),
        (lambda: quantizer(bits=1, signed=False, narrow=True),
         r"a quantizer must have at least two codes, but 1 bit, unsigned, narrow has one"),
        (lambda: quantizer(rounding="NEAREST"),
         r"rounding_mode must be one of ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP, .*, not 'NEAREST'"),
        (lambda: threshold_quantizer(f32([[0.0]]), 0.0, 0.0),
         r"out_scale must be above 0 and finite, not 0\.0"),
        (lambda: threshold_quantizer(f32([[np.nan]]), 1.0, 0.0),
         r"thresholds must be numbers, not NaN"),
        (lambda: threshold_quantizer(f32([[0.0]]), 1.0, 0.3),
         r"out_bias must be a whole number of halves of out_scale, not 0\.3 for 1\.0, or no integer .*"),
    ],
)  # fmt: skip
def test_messages(call, message):
    """Each refusal names the rule and the value."""
    with pytest.raises(GraphError, match=f"^{message}$"):
        call()
