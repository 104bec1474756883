"""Random small QONNX models, imported, against qonnx's own executor."""

import numpy as np
import pytest

from gatewright.compiler.ir.ops import Add, ArgMax, Conv2d, MatMul, Threshold
from qonnx_models import Net, execute, imported, run
from qonnx_random import BATCH, random_model


@pytest.mark.parametrize("seed", range(25))
def test_power_of_two_scales_give_equal_floats(seed):
    """With power-of-two scales every float of the source is exact, and so is ours."""
    model, x, _ = random_model(seed, exact=True)
    np.testing.assert_array_equal(run(imported(model), x), execute(model, x))


@pytest.mark.parametrize("seed", range(25))
def test_float_scales_give_equal_codes(seed):
    """With float scales and batch norm the codes behind the last quantizer are equal."""
    model, x, scale = random_model(seed, exact=False)
    ours, theirs = run(imported(model), x), execute(model, x)
    np.testing.assert_array_equal(np.rint(ours / scale), np.rint(theirs / scale))


def front(net: Net, bits=4, signed=1) -> str:
    """The input's quantizer."""
    return net.quant("x", 0.25, bits, signed)


def check(net: Net, *outputs: str, seed=0):
    """Import, compare with the executor exactly, and return the graph."""
    model = net.build(*outputs)
    x = (np.random.default_rng(seed).integers(-40, 40, net.shape) / 16).astype(np.float32)
    graph = imported(model)
    np.testing.assert_array_equal(run(graph, x), execute(model, x))
    return graph


def test_quantized_bias_stays_an_integer():
    """A bias with the layer's own scale goes into the layer; none is left in the decoding."""
    net = Net((BATCH, 6))
    weights = net.weights(np.random.default_rng(0).normal(size=(3, 6)), 0.125)
    bias = net.quant(net.const([1.0, -0.5, 0.25]), 0.03125, 16)
    graph = check(net, net.node("Gemm", front(net), weights, bias, transB=1))
    (product,) = [n for n in graph.nodes() if isinstance(n.op, MatMul)]
    np.testing.assert_array_equal(product.inputs[2].value, [32, -16, 8])
    np.testing.assert_array_equal(graph.decodings[0].offset, [0.0])


@pytest.mark.parametrize("op", ["Add", "Sub"])
def test_quantized_constant_behind_a_layer_is_an_integer_sum(op):
    """The same bias as a node of its own."""
    net = Net((BATCH, 6))
    weights = net.node(
        "Transpose", net.weights(np.random.default_rng(0).normal(size=(3, 6)), 0.125), perm=[1, 0]
    )
    bias = net.quant(net.const([1.0, -0.5, 0.25]), 0.03125, 16)
    graph = check(net, net.node(op, net.node("MatMul", front(net), weights), bias))
    assert any(isinstance(n.op, Add) for n in graph.nodes())


def test_float_bias_is_decoded_per_channel():
    """Other biases end in the output's offset."""
    net = Net((BATCH, 6))
    weights = net.weights(np.random.default_rng(0).normal(size=(3, 6)), 0.125)
    graph = check(net, net.node("Gemm", front(net), weights, net.const([0.1875, 1.0, -2.0]), transB=1))
    np.testing.assert_array_equal(graph.decodings[0].offset, [0.1875, 1.0, -2.0])


def test_clip_between_quantizer_and_layer_becomes_thresholds():
    """ReLU and Clip on codes, and a factor, without a second quantizer."""
    net = Net((BATCH, 6))
    x = net.node("Mul", net.node("Clip", front(net), net.const(-1.0), net.const(1.25)), net.const(0.5))
    weights = net.const(np.random.default_rng(0).integers(-3, 4, (6, 2)))
    graph = check(net, net.node("MatMul", x, weights))
    assert any(isinstance(n.op, Threshold) for n in graph.nodes())


def test_second_equal_quantizer_disappears():
    """A quantizer that changes no code leaves no node."""
    net = Net((BATCH, 6))
    graph = check(net, net.quant(front(net), 0.25))
    assert graph.nodes() == []


def test_relu_at_the_output():
    """A clipped output of few codes is decoded behind thresholds."""
    net = Net((BATCH, 6))
    check(net, net.node("Relu", front(net)))


@pytest.mark.parametrize("axes", [(2, 5, 1), (1, 5, 3), (2, 5, 3), (2, 1, 1)])
def test_scaling_along_any_axes(axes):
    """Parameters that vary along any axes, also along several, become thresholds of their own."""
    net, rng = Net((BATCH, 2, 5, 3)), np.random.default_rng(1)
    x = net.node("Mul", front(net), net.const(rng.choice([-1.0, 0.5, 0.0, 2.0], axes)))
    x = net.node("Add", x, net.const(rng.integers(-8, 8, axes) / 8))
    check(net, net.quant(x, 0.5, 3))


@pytest.mark.parametrize("scales", [(2.0, 3.0), (-1.5, -0.5), (-1.0, 2.0), (0.0, 1.0)])
def test_scaled_input_channels(scales):
    """Rising, falling, mixed and switched-off channels before the input's quantizer."""
    net = Net((BATCH, 2, 4, 4))
    x = net.node("Mul", "x", net.const(np.reshape(scales, (2, 1, 1))))
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    x = net.node("Reshape", net.node("Add", x, net.const([0.25, -0.5])), net.const([BATCH, -1], np.int64))
    check(net, net.quant(x, 0.25, 4, 1, 1))


def test_pooling_before_the_input_quantizer():
    """The pool moves behind the quantizer, which never falls."""
    net = Net((BATCH, 2, 4, 4))
    pooled = net.node("MaxPool", net.node("Mul", "x", net.const([[[2.0]], [[0.5]]])), kernel_shape=[2, 2])
    check(net, net.quant(pooled, 0.25))


def test_shared_input_quantizer_twice():
    """Two equal quantizers of the input are one."""
    net = Net((BATCH, 6))
    model = net.build(net.quant("x", 0.25), net.quant("x", 0.25))
    graph = imported(model)
    assert len(graph.inputs) == 1
    assert graph.outputs[0] is graph.outputs[1]


@pytest.mark.parametrize("keep", [0, 1])
def test_arg_max(keep):
    """Ties go to the first; the output is the index itself."""
    net = Net((BATCH, 6))
    y = net.node("MatMul", front(net), net.const(np.random.default_rng(0).integers(-1, 2, (6, 5))))
    y = net.node("Mul", y, net.const([-0.75]))
    graph = check(net, net.node("ArgMax", y, axis=-1, keepdims=keep))
    assert any(isinstance(n.op, ArgMax) for n in graph.nodes())
    assert graph.decodings[0].scale == 1


def test_arg_max_over_image_channels():
    """An axis that is not the last."""
    net = Net((BATCH, 3, 4, 4))
    check(net, net.node("ArgMax", front(net), axis=1, keepdims=1))


def test_top_k_indices():
    """TopK's second output with k = 1, as FINN writes it."""
    net = Net((BATCH, 6))
    net.node("TopK", front(net, 2), net.const([1], np.int64), outputs=2, axis=-1)
    check(net, net.nodes[-1].output[1])


@pytest.mark.parametrize("layout", ["", "NCHW", "NHWC"])
def test_multi_threshold(layout):
    """FINN's thresholds, per channel, along the axis that its layout names."""
    net = Net((BATCH, 3, 4, 5))
    rows = {"": 3, "NCHW": 3, "NHWC": 5}[layout]
    t = np.sort(np.random.default_rng(0).integers(-9, 9, (rows, 3)) / 8, axis=1)
    extra = {"data_layout": layout} if layout else {}
    y = net.node(
        "MultiThreshold", front(net), net.const(t), domain="qonnx.custom_op.general", out_dtype="INT2",
        out_scale=1.0, out_bias=-2.0, **extra,
    )  # fmt: skip
    check(net, y)


def test_old_opset():
    """Opset 9: axes and limits as attributes, and a shape computed from the input."""
    net = Net((1, 6), opset=9)
    shape = net.node("Shape", "x")
    batch = net.node("Unsqueeze", net.node("Gather", shape, net.const(0, np.int64), axis=0), axes=[0])
    target = net.node("Concat", batch, net.const([2, 3], np.int64), axis=0)
    x = net.node("Reshape", net.node("Clip", "x", min=-1.0, max=1.0), target)
    x = net.node("Squeeze", net.node("Unsqueeze", front_of(net, x), axes=[2]), axes=[2])
    x = net.node("Dropout", net.node("Identity", x), ratio=0.5)
    root = net.node("Pow", net.const([4.0]), net.const(0.5))
    check(net, net.node("Div", net.node("Flatten", x), root))


def front_of(net: Net, x: str) -> str:
    """A quantizer on any tensor."""
    return net.quant(x, 0.25, 4)


def test_symbolic_batch():
    """A batch axis without a size counts as 1."""
    net = Net(("N", 6))
    graph = imported(net.build(net.node("Flatten", front(net))))
    assert graph.inputs[0].type.shape == (6,)


def test_integer_input():
    """An int8 input needs no quantizer; a cast brings it among the floats."""
    net = Net((BATCH, 6), kind=3)
    x = net.node("Cast", "x", to=1)
    model = net.build(net.node("MatMul", x, net.const(np.random.default_rng(0).integers(-3, 4, (6, 2)))))
    graph, samples = imported(model), np.random.default_rng(1).integers(-128, 128, (BATCH, 6), dtype=np.int8)
    assert graph.encodings[0].thresholds is None
    np.testing.assert_array_equal(run(graph, samples), execute(model, samples))


def test_names_are_kept_and_unique():
    """Nodes carry the source's names, with a number where two are equal."""
    net = Net((BATCH, 1, 6, 6))
    x, rng = front(net), np.random.default_rng(0)
    for _ in range(2):
        x = net.node("Conv", x, net.const(rng.integers(-1, 2, (1, 1, 3, 3))), name="a;b $(c)")
        x = net.quant(x, 1.0, name="act")
    graph = imported(net.build(x))
    assert [n.name for n in graph.nodes() if isinstance(n.op, Conv2d)] == ["a;b $(c)", "a;b $(c)_2"]
    assert [n.name for n in graph.nodes() if isinstance(n.op, Threshold)] == ["act", "act_2"]


def test_dead_nodes_do_not_matter():
    """What no output needs may be unsupported."""
    net = Net((BATCH, 6))
    net.node("Softmax", "x")
    check(net, front(net))
