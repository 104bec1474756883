"""Softmax between quantizers against ONNX Runtime, and against its definition in integers."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.frontends.softmax_ops import EXPONENT_BITS
from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import RANGES, QdqNet, execute, imported, run

# Scale, zero point and type behind it: what quantizers of 0..1 choose, and others.
CODINGS = (
    (np.float32(1 / 255), 0, TensorProto.UINT8), (np.float32(1 / 256), -128, TensorProto.INT8),
    (np.float32(1 / 127), 0, TensorProto.INT8), (np.float32(0.0031), 3, TensorProto.UINT8),
    (np.float32(1 / 15), 0, TensorProto.UINT4),
)  # fmt: skip


def assert_equal(model, x) -> None:
    """Every output, before and after the passes, is ONNX Runtime's."""
    graph, theirs = imported(model), execute(model, x)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), theirs)


@pytest.mark.parametrize("seed", range(30))
def test_softmax(seed):
    """Random scales, classes and axes, with a factor in front and steps behind: ONNX Runtime's codes."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 200))
    shape, axis = [((32, classes), -1), ((8, classes, 5), 1), ((8, 4, classes), 2)][seed % 3]
    net = QdqNet(shape, int(rng.choice([13, 21])))
    scale, zero = np.float32(rng.uniform(0.005, 0.2)), int(rng.integers(60, 200))
    y = net.dequantize(net.quantize("x", scale, zero), scale, zero)
    if rng.integers(2):
        y = net.node("Div", net.node("Add", y, net.const(0.3)), net.const(-np.sqrt(8)))
    y = net.node("Softmax", y, axis=axis)
    y = net.node("Mul", y, net.const(0.9)) if rng.integers(3) == 0 else y
    out, point, kind = CODINGS[seed % 4]
    x = (rng.normal(size=shape) * scale * 60).astype(np.float32)
    assert_equal(net.build(net.pair(y, out, point, kind)), x)


def test_former_form():
    """Up to opset 12 the axis stands for all from it on, and is 1 by default."""
    net = QdqNet((16, 7), 12)
    model = net.build(net.pair(net.node("Softmax", net.pair("x", np.float32(0.04), 120)), *CODINGS[0]))
    assert_equal(model, np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 3)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("scale", [0.3, 0.0125])
def test_definition(coding, scale):
    """round(exp(-s * d) * 2^24), summed exactly, divided in float64, rounded to float32, quantized."""
    out, point, kind = coding
    lo, hi = RANGES[kind]
    net = QdqNet((200, 40), 21)
    model = net.build(
        net.quantize(net.node("Softmax", net.pair("x", np.float32(scale), 128)), out, point, kind)
    )
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * scale * 50
    x[:, 0] = scale * 127
    q = np.clip(np.rint(x / np.float32(scale)) + 128, 0, 255)
    exponents = np.rint(
        np.exp(-np.float64(np.float32(scale)) * (q.max(1, keepdims=True) - q)) * 2**EXPONENT_BITS
    )
    y = (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)
    expected = np.clip(np.rint(y / out) + point, lo, hi)
    np.testing.assert_array_equal(run(imported(model), x)[1], expected)


def wide(n: QdqNet) -> str:
    """A layer's sums."""
    return n.node("MatMul", n.pair("x", 0.1), n.stored_weights(np.eye(6) * 99 + 9, 0.3))


def softmax(n: QdqNet) -> str:
    """One without its quantizer."""
    return n.node("Softmax", n.pair("x", 0.5))


MISSING = (
    r"a Softmax must be followed by its quantizer\. Put one behind it, or leave the Softmax out of the "
    r"export where it is the last layer: it does not change the arg-max\."
)
NODE_ERRORS = {
    "float": (lambda n: n.node("Softmax", "x"),
        (r"Softmax 'softmax0': its input must be quantized, but is the model's float input\. Quantize the "
        r"input first\.")),
    "transposed": (lambda n: n.node("Unsqueeze", softmax(n), n.const([1], np.int64)),
        rf"Unsqueeze 'unsqueeze3': {MISSING}"),
    "product": (lambda n: n.node("MatMul", softmax(n), n.const(np.eye(6))),
        rf"MatMul 'matmul3': {MISSING}"),
    "gate": (lambda n: n.node("Mul", *[softmax(n)] * 2), rf"Mul 'mul3': {MISSING}"),
    "function": (lambda n: n.pair(n.node("Exp", softmax(n)), 0.1),
        rf"Exp 'exp3': {MISSING}"),
    "joined": (lambda n: n.node("Concat", *[softmax(n)] * 2, axis=1),
        rf"Concat 'concat3': {MISSING}"),
    "falling": (lambda n: n.pair(n.node("Neg", softmax(n)), 0.1, 255),
        rf"QuantizeLinear 'quantizelinear4': {MISSING}"),
    "varying": (lambda n: n.pair(n.node("Mul", softmax(n), n.const(np.arange(6))), 1),
        rf"QuantizeLinear 'quantizelinear4': {MISSING}"),
    "batch": (lambda n: n.node("Softmax", n.pair("x", 0.5), axis=0),
        (r"Softmax 'softmax2': the axis must be one behind the batch, and up to opset 12 the last of more "
        r"than one element")),
    "scales": (lambda n: n.node("Softmax", n.node("Mul", n.pair("x", 0.5), n.const(np.arange(6)))),
        (r"Softmax 'softmax3': its input must have one scale for the whole tensor, and come from a "
        r"quantizer, not from other functions\. Put a quantizer in front\.")),
    "values": (lambda n: n.node("Softmax", wide(n)),
        (r"Softmax 'softmax4': its input must have at most 65536 classes of at most 32768 values, not 6 of "
        r"\d+\. Put a quantizer in front\.")),
    "thresholds": (
        lambda n: n.pair(n.node("Softmax", n.pair("x", 0.01)), 2.0**-16, 0, TensorProto.UINT16),
        (r"QuantizeLinear 'quantizelinear3': a Softmax must have at most 4194304 thresholds, not 16777216\. "
        r"Use fewer bits behind it\.")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6))
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))


def test_float_output_is_refused():
    """The advice for a last layer."""
    net = QdqNet((1, 6))
    with pytest.raises(GraphError, match=rf"^onnx: output 't2_0': {MISSING}$"):
        imported(net.build(net.node("Softmax", net.pair("x", 0.5))))
