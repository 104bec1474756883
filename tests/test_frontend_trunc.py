"""QONNX' Trunc, old and new, zero points per channel and thresholds in any layout, as qonnx computes them."""

import numpy as np
import pytest
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

from gatewright.compiler.frontends.quantizers import ROUNDING_MODES
from gatewright.errors import GraphError
from qonnx_models import DOMAIN, Net, execute, imported, run

SHAPE = (1, 3, 4, 5)
CHANNELS = (3, 1, 1)


def random_floats(shape, seed: int, scale=4.0) -> np.ndarray:
    """Frames over the quantizers' range and beyond."""
    return np.random.default_rng(seed).normal(scale=scale, size=shape).astype(np.float32)


def check(net: Net, output: str, frames: int = 8) -> None:
    """All floats of some frames, to the last bit."""
    model = net.build(output)
    graph, seen = imported(model), set()
    for seed in range(frames):
        x = random_floats(net.shape, seed)
        expected = execute(model, x)
        np.testing.assert_array_equal(run(graph, x).astype(np.float32), expected)
        seen.update(expected.ravel().tolist())
    assert len(seen) > 2


def trunc(net: Net, x: str, scale, zero, before, out_scale, after, **attributes) -> str:
    """A Trunc node with the output's scale."""
    values = (scale, zero, float(before), out_scale, float(after))
    return net.node("Trunc", x, *(net.const(v) for v in values), domain=DOMAIN, **attributes)


@pytest.mark.parametrize("rounding", ROUNDING_MODES)
@pytest.mark.parametrize("signed", [0, 1])
def test_new_trunc_of_a_quantizer(rounding, signed):
    """Eight bits to five, clamped to fewer, with a scale that is no power of two."""
    for after, narrow in ((5, 0), (3, 1)):
        net = Net(SHAPE)
        x = net.quant("x", 0.07, 8, signed)
        check(
            net,
            trunc(net, x, 0.07, 0.0, 8, 0.56, after, rounding_mode=rounding, signed=signed, narrow=narrow),
        )


def test_new_trunc_of_sums():
    """Behind an average's sum, whose integers are wider than the declared width."""
    net = Net(SHAPE)
    w = net.const(np.ones((2, 3, 2, 2)))
    y = net.node("Conv", net.quant("x", 0.125, 6), w)
    check(net, trunc(net, y, 0.125, 0.0, 10, 2.0, 6, rounding_mode="FLOOR", signed=1))


def test_new_trunc_per_channel_and_with_a_zero_point():
    """Scales of each channel; a zero point that stays whole."""
    net = Net(SHAPE)
    scale = np.array([0.05, 0.1, 0.3], np.float32).reshape(CHANNELS)
    x = net.quant("x", scale, 8, 0, zero=16.0)
    check(net, trunc(net, x, scale, 16.0, 8, scale * 4, 6, rounding_mode="ROUND", signed=0))


def test_trunc_of_a_function():
    """Behind a function that may rise and fall."""
    net = Net(SHAPE)
    x = net.node("Abs", net.quant("x", 0.25, 6))
    check(net, net.quant(trunc(net, x, 0.25, 0.0, 6, 1.0, 4, rounding_mode="FLOOR", signed=0), 1.0, 3, 0))


@pytest.mark.parametrize("rounding", ROUNDING_MODES)
@pytest.mark.parametrize("zero", [0.0, 5.0])
def test_old_trunc(rounding, zero):
    """Of version 1 of the domain: the scale stays, and so does the zero point; against qonnx' function."""
    net = Net(SHAPE)
    x = net.quant("x", 0.07, 8, 0, zero=zero)
    operands = (0.07, zero, 8.0, 5.0)
    y = net.node("Trunc", x, *(net.const(v) for v in operands), domain=DOMAIN, rounding_mode=rounding)
    graph, inner = imported(net.build(y)), Net(SHAPE)
    quantized = inner.build(inner.quant("x", 0.07, 8, 0, zero=zero))
    for seed in range(8):
        frames = random_floats(SHAPE, seed)
        codes = execute(quantized, frames)
        expected = trunc_v1(codes, *(np.float32(v) for v in operands), rounding)
        assert np.unique(expected).size > 2
        np.testing.assert_array_equal(run(graph, frames).astype(np.float32), expected)


def test_new_trunc_equals_its_function():
    """The executor is qonnx' own function, not another reading of it."""
    net = Net(SHAPE)
    x = net.quant("x", 0.07, 8)
    model = net.build(trunc(net, x, 0.07, 0.0, 8, 0.56, 5, rounding_mode="FLOOR"))
    frames, inner = random_floats(SHAPE, 3), Net(SHAPE)
    codes = execute(inner.build(inner.quant("x", 0.07, 8)), frames)
    numbers = (np.float32(v) for v in (0.07, 0.0, 8.0))
    expected = trunc_v2(codes, *numbers, 0, 1, np.float32(0.56), np.float32(5.0), "FLOOR")
    np.testing.assert_array_equal(execute(model, frames), expected)


@pytest.mark.parametrize("scale", [0.1, np.array([0.05, 0.1, 0.3], np.float32).reshape(CHANNELS)])
def test_zero_points_per_channel(scale):
    """Of activations: each channel's codes are its own distance from the source's."""
    net = Net(SHAPE)
    x = net.quant("x", 0.03, 8, 1)
    x = net.node("Mul", x, net.const(np.array([1.0, -0.5, 2.0]).reshape(CHANNELS)))
    zero = np.array([3.0, 0.0, 9.0]).reshape(CHANNELS)
    check(net, net.quant(x, scale, 4, 0, zero=zero))


def test_zero_points_per_channel_of_weights():
    """Asymmetric weights become plain integers."""
    net = Net((1, 6))
    values = np.random.default_rng(0).normal(size=(6, 4))
    zero = np.array([3.0, 7.0, 0.0, 15.0])
    w = net.quant(net.const(values), np.array([0.25, 0.5, 0.125, 0.25]), 4, 0, zero=zero)
    check(net, net.node("MatMul", net.quant("x", 0.25, 8), w), frames=12)


LAYOUTS = {
    ("", 2): 1, ("", 3): 2, ("", 4): 1, ("", 5): 1,
    ("NC", 2): 1, ("NCW", 3): 1, ("NWC", 3): 2, ("NCHW", 4): 1, ("NHWC", 4): 3,
}  # fmt: skip


@pytest.mark.parametrize(("out_scale", "out_bias"), [(1.0, 0.0), (0.5, -2.0), (2.0, -3.0)])
@pytest.mark.parametrize(("layout", "rank"), LAYOUTS)
def test_thresholds_in_any_layout(layout, rank, out_scale, out_bias):
    """Also where the file leaves it out, and qonnx guesses."""
    net = Net((1, 3, 4, 5, 2)[:rank])
    rows = net.shape[LAYOUTS[layout, rank]]
    table = np.sort(np.random.default_rng(rank).normal(size=(rows, 3)) * 2, axis=1)
    extra = {"data_layout": layout} if layout else {}
    x = net.quant("x", 0.25, 6)
    y = net.node(
        "MultiThreshold", x, net.const(table), domain=DOMAIN, out_dtype="INT4", out_scale=out_scale,
        out_bias=out_bias, **extra,
    )  # fmt: skip
    check(net, y)


def q(net):
    """The input's quantizer."""
    return net.quant("x", 0.07, 8)


ERRORS = {
    "float input": (lambda n: trunc(n, "x", 0.07, 0.0, 8, 0.56, 5),
        (r"Trunc 'trunc0': its input must be quantized, but is the model's float input\. Quantize the input "
        r"first\.")),
    "fraction": (lambda n: trunc(n, n.quant("x", 0.07, 8, 0, zero=3.0), 0.07, 3.0, 8, 0.56, 5),
        r"Trunc 'trunc1': zero points must be whole numbers, not 0\.375\. Export .*"),
    "scale": (lambda n: trunc(n, q(n), -0.07, 0.0, 8, 0.56, 5),
        r"Trunc 'trunc1': scales must be finite and above 0, not -0\.07.* and 0\.56.*"),
    "rounding": (lambda n: trunc(n, q(n), 0.07, 0.0, 8, 0.56, 5, rounding_mode="NEAR"),
        r"Trunc 'trunc1': rounding_mode must be one of ROUND, .*, not 'NEAR'"),
    "width": (lambda n: trunc(n, q(n), 0.07, 0.0, 8, 0.56, 2.5),
        r"Trunc 'trunc1': the bit width must be one whole number, not 2\.5"),
    "one code": (lambda n: trunc(n, n.quant("x", 0.07, 4, 0), 0.07, 0.0, 8, 0.07 * 64, 5),
        r"Trunc 'trunc1': a truncation must leave at least two codes, of at most 32 bits, not 0\.\.0"),
    "constant": (lambda n: trunc(n, n.const([1.0]), 0.07, 0.0, 8, 0.56, 5),
        r"Trunc 'trunc0': input 0 must be computed from the model's input, but is a constant"),
    "zero points": (lambda n: n.node("Conv", q(n), n.quant(n.const(np.ones((2, 3, 1, 1))), np.ones(2), 4,
                                                          zero=np.ones(3))),
        r"Quant 'quant1': scale and zero point must broadcast, but have shapes \(2,\) and \(3,\)"),
    "zero point nan": (lambda n: n.quant("x", 0.07, 8, zero=np.nan),
        r"Quant 'quant0': the zero point must be finite, but holds NaN or infinity"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    net = Net(SHAPE)
    build, message = ERRORS[case]
    with pytest.raises(GraphError, match=rf"\n  {message}$"):
        imported(net.build(build(net)))
