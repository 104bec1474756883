"""Functions of two computed tensors against ONNX Runtime: every pair of codes, every way to broadcast."""

import numpy as np
import pytest
from onnx import TensorProto

import qonnx_models
from gatewright.compiler.ir.ops import Lookup, Mul
from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import RANGES, QdqNet, execute, imported, run

PAIR = (256, 2, 256)
# Two rows become two tensors that the importer cannot tell to be related.
LEFT, RIGHT = [[1], [0]], [[0], [1]]


def assert_equal(model, x) -> list:
    """Every output, before and after the passes, is ONNX Runtime's; returns the graph's nodes."""
    graph, theirs = imported(model), execute(model, x)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), theirs)
    return graph.nodes()


def two(net: QdqNet, kind: int) -> list[str]:
    """Two quantized tensors, of shape (256, 256, 1), that hold all codes of a type in every pair."""
    x = net.node("Transpose", net.pair("x", 1.0, 0, kind), perm=[0, 2, 1])
    return [net.quantize(net.node("MatMul", x, net.const(w)), 1.0, 0, kind) for w in (LEFT, RIGHT)]


def every_pair(kind: int) -> np.ndarray:
    """All pairs of codes, as the two rows of frames."""
    lo, hi = RANGES[kind]
    codes = np.arange(lo, hi + 1, dtype=np.float32)
    return np.stack(np.meshgrid(codes, codes, indexing="ij"), axis=1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("function", ["Mul", "Div", "Max", "Min", "Add", "Sub"])
def test_every_pair(function, seed):
    """Random scales and zero points, with functions in front and behind."""
    rng = np.random.default_rng(seed)
    kind = (TensorProto.UINT8, TensorProto.INT8)[seed % 2]
    middle = (sum(RANGES[kind]) + 1) // 2
    net = QdqNet(PAIR)
    a, b = (net.dequantize(q, np.float32(rng.uniform(0.01, 0.1)), middle + int(rng.integers(-50, 50)), kind)
            for q in two(net, kind))  # fmt: skip
    if function == "Div":
        b = net.node("Add", net.node("Abs", b), net.const(0.7))
    elif rng.integers(2):
        b = net.node("Sigmoid", b)
    y = net.node(function, a, b)
    y = net.node("Tanh", y) if rng.integers(3) == 0 and function not in ("Add", "Sub") else y
    out = np.float32(rng.uniform(0.01, 0.03))
    model = net.build(net.pair(y, out, middle + int(rng.integers(-50, 50)), kind))
    assert_equal(model, every_pair(kind))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
def test_sums_far_apart(kind):
    """Where no unit serves both, the sum is a table of all pairs."""
    net = QdqNet(PAIR)
    left, right = two(net, kind)
    y = net.node("Exp", net.dequantize(left, np.float32(0.17), 0, kind))
    model = net.build(net.pair(net.node("Add", y, net.dequantize(right, 1e-3, 7, kind)), np.float32(0.4)))
    assert_equal(model, every_pair(kind))


def test_power_of_two_scales_are_multiplied():
    """A product of integers, of any width, without a table."""
    net = QdqNet(PAIR)
    left, right = two(net, TensorProto.UINT8)
    a, b = net.dequantize(left, 0.0625, 100), net.dequantize(right, 0.375, 3)
    nodes = assert_equal(
        net.build(net.pair(net.node("Mul", a, b), np.float32(0.77), 100)), every_pair(TensorProto.UINT8)
    )
    assert any(isinstance(n.op, Mul) for n in nodes)
    assert not any(isinstance(n.op, Lookup) for n in nodes)


def test_wide_sums_are_multiplied():
    """QONNX' form: a layer's sums with power-of-two scales, times a gate of 4 bits."""
    net = qonnx_models.Net((32, 6))
    rng = np.random.default_rng(0)
    x = net.quant("x", 0.25, 8)
    y, z = (net.node("MatMul", x, net.weights(rng.normal(size=(6, 6)), 0.0625, 6)) for _ in range(2))
    model = net.build(net.quant(net.node("Mul", y, net.quant(z, 0.125, 4, 0)), 0.37, 6))
    x = rng.normal(size=net.shape).astype(np.float32) * 9
    ours = qonnx_models.run(qonnx_models.imported(model), x)
    np.testing.assert_array_equal(ours.astype(np.float32), qonnx_models.execute(model, x))


def reduced(net: QdqNet, x: str, axes: list[int]) -> str:
    """The tensor's maxima over some axes, behind a quantizer of its own."""
    y = net.node("ReduceMax", x, net.const(axes, np.int64), keepdims=1) if axes else net.node("Neg", x)
    return net.pair(y, np.float32(0.031), 77)


SHAPES = [(3, 4, 5), (6, 5), (2, 3, 2, 3)]
AXES = [[2, 3], [1], [2], [3], [1, 2, 3], [1, 3], []]


@pytest.mark.parametrize("function", ["Mul", "Add", "Sub", "Max"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axes", AXES)
def test_broadcast(function, shape, axes):
    """A gate per channel, per pixel, or of any other axes; either operand may be the smaller one."""
    axes = [a for a in axes if a <= len(shape)]
    rng = np.random.default_rng(len(axes))
    net = QdqNet((8, *shape))
    per = np.float32(rng.uniform(0.02, 0.04, () if 1 in axes else shape[0]))
    x = net.dequantize(net.quantize("x", np.float32(0.03), 120), per, 120, axis=1)
    operands = [x, reduced(net, x, axes)]
    y = net.node(function, *(operands if rng.integers(2) else operands[::-1]))
    model = net.build(net.pair(y, np.float32(0.045), 111))
    assert_equal(model, rng.normal(size=net.shape).astype(np.float32) * 2)


def test_both_broadcast():
    """A column times a row."""
    net = QdqNet((8, 5, 6))
    x = net.pair("x", np.float32(0.03), 120)
    y = net.node("Mul", reduced(net, x, [1]), reduced(net, x, [2]))
    model = net.build(net.pair(y, np.float32(0.08), 111))
    assert_equal(model, np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 2)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_limits(op):
    """A constant that limits a tensor, one for all or per channel, is no table."""
    net = QdqNet((64, 4, 16))
    y = net.node(
        op, net.const([[0.3], [-0.4], [np.float32(0.1)], [7.0]]), net.pair("x", np.float32(0.02), 120)
    )
    model = net.build(net.pair(y, np.float32(0.017), 111))
    nodes = assert_equal(model, np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 2)
    assert not any(isinstance(n.op, Lookup) for n in nodes)


def wide(n: QdqNet, function: str) -> str:
    """Codes of 16 and of 8 bits with scales that are no powers of two."""
    x = n.pair("x", 0.1, 0, TensorProto.UINT16)
    y = n.node("MatMul", x, n.stored_weights(np.eye(6) * 9 + 1, 0.3))
    return n.node(function, x, n.pair(y, 0.3))


NODE_ERRORS = {
    "pairs": (lambda n: wide(n, "Mul"),
        (r"Mul 'mul6': its inputs must have at most 65536 pairs of values, not 16777216: their results "
        r"become a table\. Put a quantizer of at most 8 bits in front of each, or give both power-of-two "
        r"scales\.")),
    "quotients": (lambda n: wide(n, "Div"),
        r"Div 'div6': its inputs must have at most 65536 pairs of values, not 16777216: .*"),
    "float": (lambda n: n.node("Max", n.pair("x", 0.5), "x"),
        r"Max 'max2': its inputs must be quantized, but one is the model's float input"),
    "shapes": (lambda n: n.node("Mul", n.pair("x", 0.5), n.node("Unsqueeze", n.pair("x", 0.5),
                                                                n.const([1], np.int64))),
        (r"Mul 'mul5': computed operands must have one shape, or 1 where they differ, not \(6,\) and "
        r"\(1, 6\) a frame")),
    "many": (lambda n: n.node("Max", n.pair("x", 0.5), n.const(0.0), n.const(1.0)),
        r"Max 'max2': it must have two operands, not 3"),
    "by zero": (lambda n: n.pair(n.node("Div", *[n.pair("x", 0.5, 3)] * 2), 0.5),
        (r"QuantizeLinear 'quantizelinear3': every value of its operand must give a number, but some give "
        r"NaN\..*")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6))
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
