"""Maxima and sums over windows and axes give ONNX Runtime's numbers."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort, code_net, float_net, plain_net
from qdq_models import QdqNet, imported

IMAGE, SIGNAL, BLOCKS = (1, 3, 7, 8), (1, 4, 11), (1, 2, 3, 4, 5)


def pool(**attributes):
    """A MaxPool node's builder."""
    return lambda net, x: net.node("MaxPool", x, **attributes)


def reduced(op, *axes, **attributes):
    """A reduction over an operand's axes."""
    return lambda net, x: net.node(op, x, net.const(axes, np.int64), **attributes)


MAXIMA = {
    "plain": (IMAGE, pool(kernel_shape=[2, 3])),
    "windows": (IMAGE, pool(kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 2, 1], dilations=[1, 2])),
    "same": (IMAGE, pool(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")),
    "ceil": (IMAGE, pool(kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)),
    "ceil pads": (IMAGE, pool(kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 1, 0], ceil_mode=1)),
    "ceil drops": (IMAGE, pool(kernel_shape=[1, 2], strides=[3, 4], ceil_mode=1)),
    "ceil dilated": (IMAGE, pool(kernel_shape=[2, 2], strides=[3, 3], dilations=[2, 3], ceil_mode=1)),
    "signal": (SIGNAL, pool(kernel_shape=[3], strides=[2], pads=[1, 0])),
    "signal ceil": (SIGNAL, pool(kernel_shape=[4], strides=[4], ceil_mode=1)),
    "global": (IMAGE, lambda net, x: net.node("GlobalMaxPool", x)),
    "global signal": (SIGNAL, lambda net, x: net.node("GlobalMaxPool", x)),
    "global blocks": (BLOCKS, lambda net, x: net.node("GlobalMaxPool", x)),
    "reduced": (IMAGE, reduced("ReduceMax", 2, -1, keepdims=0)),
    "reduced kept": (IMAGE, reduced("ReduceMax", 3)),
    "reduced first of two": (BLOCKS, reduced("ReduceMax", 2, 4, keepdims=0)),
}


@pytest.mark.parametrize("case", MAXIMA)
def test_maxima_of_floats(case):
    """Also where the function before rises in some channels and falls in others."""
    shape, build = MAXIMA[case]
    assert_equal_to_ort(*float_net(shape, build))

    def falling(net, x):
        sign = np.where(np.arange(shape[1]) % 2, -0.7, 1.3).reshape((-1,) + (1,) * (len(shape) - 2))
        return build(net, net.node("Mul", x, net.const(sign)))

    assert_equal_to_ort(*float_net(shape, falling))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("case", [c for c in MAXIMA if not c.startswith("global")])
def test_maxima_of_codes(case, kind):
    """Between the two nodes of QDQ, where ONNX lets the operator take integers."""
    shape, build = MAXIMA[case]
    assert_equal_to_ort(*code_net(shape, build, kind))


def test_maximum_over_channels():
    """Allowed where all have one scale."""
    assert_equal_to_ort(*plain_net(IMAGE, reduced("ReduceMax", 1)))
    assert_equal_to_ort(*plain_net((1, 12), reduced("ReduceMax", 1)))


def test_axes_as_an_attribute():
    """As up to opset 17."""
    for op in ("ReduceMax", "ReduceSum"):
        opset = 17 if op == "ReduceMax" else 12
        build = lambda net, x, o=op: net.node(o, x, axes=[2, 3], keepdims=0)  # noqa: E731
        net = QdqNet(IMAGE, opset)
        assert_equal_to_ort(net, (build(net, net.pair("x", 0.0625, 100)),))


SUMS = [(IMAGE, (2, 3), 1), (IMAGE, (1,), 0), (SIGNAL, (-1,), 0), (BLOCKS, (1, 3), 1), ((1, 12), (1,), 1)]


@pytest.mark.parametrize(("shape", "axes", "keep"), SUMS)
def test_sums(shape, axes, keep):
    """Power-of-two scales make the source's sums exact in any order, and floats equal to the last bit."""
    net = QdqNet(shape)
    x = net.pair("x", 0.125, 31)
    assert_equal_to_ort(net, (reduced("ReduceSum", *axes, keepdims=keep)(net, x),))
    net = QdqNet(shape)
    x = net.node("Add", net.pair("x", 0.125, 31), net.const(0.375))
    x = net.node("Clip", x, net.const(-2.0), net.const(11.0))
    assert_equal_to_ort(net, (reduced("ReduceSum", *axes, keepdims=keep)(net, x),))


def test_sum_of_a_float_scale():
    """Behind a quantizer the codes are equal."""
    net = QdqNet(IMAGE)
    total = reduced("ReduceSum", 2, 3)(net, net.pair("x", 0.0371, 31))
    assert_equal_to_ort(net, (net.quantize(total, 0.613, 9),), frame_count=20)


ERRORS = {
    "varying": (IMAGE,
        lambda n, x: reduced("ReduceMax", 1)(n, n.node("Mul", x, n.const([[[1.0]], [[2]], [[3]]]))),
        r"the function before a maximum must be the same all over its axes"),
    "batch": (IMAGE, reduced("ReduceSum", 0), r"the axes must be given, and none of them the batch"),
    "no axes": (IMAGE, lambda n, x: n.node("ReduceMax", x), r"the axes must be given, and none of them .*"),
    "nothing left": ((1, 12), reduced("ReduceMax", 1, keepdims=0),
        r"an axis besides the batch must stay\. Set keepdims\."),
    "global": ((1, 12), lambda n, x: n.node("GlobalMaxPool", x),
        r"frames must have a channel and other axes, not shape \(12,\)"),
    "pads": (SIGNAL, pool(kernel_shape=[3], pads=[1]), r"pads must be two numbers, not \(1,\)"),
    "axes": (SIGNAL, pool(kernel_shape=[3, 3]), r"windows must be 1-D with positive sizes, not kernel .*"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    shape, build, message = ERRORS[case]
    net, outputs = plain_net(shape, build)
    with pytest.raises(GraphError, match=rf"\n  \w+ '\w+': {message}$"):
        imported(net.build(*outputs))
