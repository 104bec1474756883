"""What stands around a padded tensor is the source's number, whatever the function before it."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.ir.ops import Lookup, Pad
from gatewright.errors import GraphError
from layout_cases import assert_equal_to_ort, plain_net
from qdq_models import QdqNet, imported

IMAGE = (1, 3, 4, 5)
AROUND = (0, 1, 1, 0, 0, 0, 2, 1)


def padded(net, x, constant=None, pads=AROUND) -> str:
    """A Pad node with a float constant."""
    rest = () if constant is None else (net.const(constant),)
    return net.node("Pad", x, net.const(pads, np.int64), *rest)


def functions(net, x) -> dict[str, str]:
    """What may stand between a quantizer and a pad: of each kind, rising and falling."""
    channels = np.array([0.5, -1.25, 2.0], np.float32).reshape(-1, 1, 1)
    scaled = net.node("Mul", x, net.const(channels))
    return {
        "scale": x,
        "relu": net.node("Relu", x),
        "channels": scaled,
        "shift": net.node("Add", x, net.const(0.3)),
        "channel shifts": net.node("Add", scaled, net.const(channels)),
        "clip": net.node("Clip", x, net.const(-1.0), net.const(1.5)),
    }


@pytest.mark.parametrize("constant", [None, 0.0, 0.3, -7.25, 1.5, 1e-3])
@pytest.mark.parametrize("function", functions(QdqNet(IMAGE), "x"))
def test_float_constants(function, constant):
    """An integer of the tensor where one means the constant, else exact multiples that both are."""
    net = QdqNet(IMAGE)
    y = padded(net, functions(net, net.pair("x", 0.061, 117))[function], constant)
    assert_equal_to_ort(net, (net.quantize(y, 0.043, 80),))


def test_zero_needs_no_table():
    """The common case stays one node, in front of a layer also where its input is clipped."""
    for function in ("scale", "relu", "channels"):
        net = QdqNet(IMAGE)
        y = padded(net, functions(net, net.pair("x", 0.061, 117))[function])
        graph = imported(net.build(net.quantize(y, 0.043, 80)))
        assert [n.op.value for n in graph.nodes() if isinstance(n.op, Pad)] == [0]
        assert not any(isinstance(n.op, Lookup) for n in graph.nodes())


def test_sums_of_a_layer():
    """Zeros around sums that no quantizer has met yet."""
    net = QdqNet(IMAGE)
    w = net.stored_weights(np.random.default_rng(0).integers(-9, 10, (4, 3, 1, 1)), [0.5, 0.25, 1.0, 2.0])
    y = net.node("Relu", net.node("Conv", net.pair("x", 0.125, 100), w))
    assert_equal_to_ort(net, (net.quantize(padded(net, y), 0.5, 3),))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("constant", [None, 5, 117])
def test_integer_constants(kind, constant):
    """A code, as the source counts it; 0 where none is given."""
    net = QdqNet(IMAGE)
    q = net.quantize("x", 0.061, 100 if kind == TensorProto.UINT8 else -20, kind)
    rest = () if constant is None else (net.codes(constant, kind),)
    y = net.node("Pad", q, net.const(AROUND, np.int64), *rest)
    net.integer[y] = kind
    assert_equal_to_ort(net, (y,))


def test_constant_from_its_own_quantizer():
    """As ONNX Runtime's static quantizer writes it."""
    net = QdqNet(IMAGE)
    constant = net.dequantize(net.codes(130, TensorProto.UINT8), 0.061, 117)
    y = net.node("Pad", net.pair("x", 0.061, 117), net.const(AROUND, np.int64), constant)
    assert_equal_to_ort(net, (y,))


def test_form_of_opset_10():
    """Pads and value as attributes."""
    for value in (0.0, 0.75):
        build = lambda n, x, v=value: n.node("Pad", x, pads=AROUND, value=v)  # noqa: E731
        net, (y,) = plain_net(IMAGE, build, opset=10)
        assert_equal_to_ort(net, (net.quantize(y, 0.043, 80),))


def pad(*pads, **attributes):
    """A Pad node's builder."""
    return lambda n, x: n.node("Pad", x, n.const(pads, np.int64), **attributes)


def wide(n, x):
    """Sums of many values, moved off zero."""
    y = n.node("Conv", x, n.stored_weights(np.full((1, 3, 3, 3), 127), 0.37))
    return padded(n, n.node("Add", y, n.const(0.1)))


ERRORS = {
    "mode": (pad(*AROUND, mode="mirror"), r"mode must be constant, reflect, edge, wrap, not 'mirror'"),
    "reflects twice": (pad(0, 0, 4, 0, 0, 0, 0, 0, mode="reflect"),
        r"pads must be 0 or more and smaller than the axes, not \[0, 4, 0\] and \[0, 0, 0\]"),
    "reflects less": (pad(0, 0, -1, 0, 0, 0, 0, 0, mode="reflect"), r"pads must be 0 or more and smaller .*"),
    "number": (pad(0, 1), r"pads must be two for each of 4 axes, not \[0, 1\]"),
    "batch": (pad(1, 0, 0, 0, 0, 0, 0, 0), r"the batch axis must not be padded, but is by \[1, 0\]"),
    "nothing left": (pad(0, 0, -2, 0, 0, 0, -2, 0),
        r"pads must leave some of \(3, 4, 5\), not take away \[0, -2, 0\] and \[0, -2, 0\]"),
    "constant": (lambda n, x: padded(n, x, [1.0, 2.0]),
        r"the constant must be one finite number of the input's type, not \[1\.0, 2\.0\]"),
    "infinite": (lambda n, x: padded(n, x, -np.inf), r"the constant must be one finite .* not -inf"),
    "float input": (lambda n, x: padded(n, "x"),
        (r"the model's float input must be quantized before it is padded\. Quantize the input, in Brevitas "
        r"with a QuantIdentity in front\.")),
    "mirrored input": (lambda n, x: n.node("Pad", "x", n.const(AROUND, np.int64), mode="edge"),
        (r"the model's float input must be quantized before its elements are put into another order\. "
        r"Quantize the input, .*")),
    "size": (pad(0, 0, 2**40, 0, 0, 0, 0, 0), r"frames must have 1 to 67108864 elements, not the \d+ of .*"),
    "many values": (wide, r"its inputs must have few values, .*"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case):
    """The message says what the rule is, and what the node has."""
    build, message = ERRORS[case]
    net, outputs = plain_net(IMAGE, build)
    with pytest.raises(GraphError, match=rf"\n  Pad '\w+': {message}$"):
        imported(net.build(*outputs))
