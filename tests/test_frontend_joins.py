"""Residual sums and joins of computed tensors: every float equals the source's own."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

import qonnx_models
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.ops import Concat, Lookup, Mul
from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import RANGES, QdqNet, execute, execute_all, imported, run, statically_quantized

BATCH = 16


def operand(net: QdqNet, rng, x: str, exact: bool, channels: int) -> str:
    """A quantized tensor with a random type, scale and function behind it."""
    kind = int(rng.choice(list(RANGES)))
    lo, hi = RANGES[kind]
    scale = np.float32(rng.uniform(3, 8) / (hi - lo))
    if exact:
        scale = np.float32(2.0 ** np.round(np.log2(scale)))
    zero = (lo + hi + 1) // 2 + int(rng.integers(-3, 4))
    q = net.quantize(x, scale, zero, kind)
    per = scale * (rng.uniform(0.5, 2, channels) if rng.integers(2) and hi < 256 and not exact else 1)
    y = net.dequantize(q, np.float32(per), zero, kind, axis=1)
    function = rng.integers(5)
    if function == 0:
        return net.node("Relu", y)
    if function == 1:
        factor = rng.choice([-1, 0.5, 2], (channels, 1, 1)) if exact else rng.normal(size=(1, channels, 1, 1))
        return net.node("Mul", y, net.const(factor if hi < 256 else np.full((), 0.5)))
    if function == 2:
        return net.node("Add", y, net.const(0.25 if exact else rng.normal()))
    return y


def layer(net: QdqNet, rng) -> str:
    """The model's input behind a quantizer, and a 1x1 convolution with weights that are powers of two."""
    x = net.pair("x", 0.0625, 120)
    codes = rng.choice([-4, -2, 0, 1, 8], (3, 3, 1, 1))
    return net.node("Conv", x, net.stored_weights(codes, 0.25))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_sum_of_two(seed, exact):
    """Random operands, sum or difference, with and without a quantizer behind: equal bit for bit."""
    rng = np.random.default_rng(seed)
    net = QdqNet((BATCH, 3, 4, 5))
    y = layer(net, rng)
    parts = [operand(net, rng, y, exact, 3) for _ in range(2)]
    total = net.node(str(rng.choice(["Add", "Sub"])), *parts)
    if rng.integers(3):
        total = net.node("Relu", total) if rng.integers(2) else total
        total = net.pair(total, np.float32(0.031), 101)
    model = net.build(total)
    x = rng.normal(size=net.shape).astype(np.float32) * 3
    graph = imported(model)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), execute(model, x))
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), execute(model, x))


def test_every_pair_of_codes():
    """All 65,536 sums of two 8-bit codes, rounded twice as the source rounds them."""
    net = QdqNet((256, 2, 256))
    q = net.quantize("x", 1.0, 0)
    left = net.node("Transpose", net.dequantize(q, np.float32(0.0371), 99), perm=[0, 2, 1])
    right = net.node("Transpose", net.dequantize(q, np.float32(0.0113), 31), perm=[0, 2, 1])
    shifted = net.node("MatMul", right, net.const([[0, 1], [1, 0]]))
    quantized = net.pair(shifted, np.float32(0.0113), 31)
    model = net.build(net.pair(net.node("Add", left, quantized), np.float32(0.05), 70))
    x = np.stack(np.meshgrid(np.arange(256.0), np.arange(256.0), indexing="ij"), axis=1).astype(np.float32)
    np.testing.assert_array_equal(run(imported(model), x)[0].astype(np.float32), execute(model, x))


def test_power_of_two_scales_need_no_tables():
    """Layer sums of any width join without a quantizer of their own where a factor does."""
    net = qonnx_models.Net((4, 6))
    x = net.quant("x", 0.25, 8)
    rng = np.random.default_rng(0)
    y = net.node("MatMul", x, net.weights(rng.normal(size=(6, 6)), 0.0625, 8))
    total = net.quant(net.node("Relu", net.node("Add", y, x)), 0.375, 4, 0)
    model = net.build(total)
    graph = qonnx_models.imported(model)
    assert any(isinstance(n.op, Mul) for n in graph.nodes())
    assert not any(isinstance(n.op, Lookup) for n in graph.nodes())
    x = (rng.integers(-40, 40, net.shape) / 16).astype(np.float32)
    np.testing.assert_array_equal(qonnx_models.run(graph, x), qonnx_models.execute(model, x))


def test_qonnx_residual_with_float_scales():
    """Brevitas' form: both operands behind quantizers with scales of their own."""
    net = qonnx_models.Net((4, 6))
    x = net.quant("x", 0.23, 4)
    weights = net.weights(np.random.default_rng(0).normal(size=(6, 6)), 0.31, 4)
    y = net.quant(net.node("MatMul", x, weights), 0.171, 4)
    model = net.build(net.quant(net.node("Add", y, x), 0.27, 4))
    x = np.random.default_rng(1).normal(size=net.shape).astype(np.float32)
    np.testing.assert_array_equal(
        qonnx_models.run(qonnx_models.imported(model), x).astype(np.float32), qonnx_models.execute(model, x)
    )


@pytest.mark.parametrize("seed", range(30))
def test_concat(seed):
    """Operands with scales, functions and sizes of their own, along any axis, and a common quantizer."""
    rng = np.random.default_rng(seed)
    net = QdqNet((BATCH, 3, 4, 5))
    y = layer(net, rng)
    axis = int(rng.integers(1, 4))
    parts = [operand(net, rng, y, False, 3) for _ in range(2)]
    model = net.build(net.pair(net.node("Concat", *parts, axis=axis - 4 * (seed % 2)), 0.07, 128))
    x = rng.normal(size=net.shape).astype(np.float32) * 3
    graph = imported(model)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), execute(model, x))
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), execute(model, x))


def test_concat_of_unlike_steps_needs_no_tables():
    """Steps that one operand has and others lack change nothing in these, so that the integers are joined."""
    rng = np.random.default_rng(7)
    net = QdqNet((BATCH, 3, 4, 5))
    y = layer(net, rng)
    parts = [net.pair(y, np.float32(s), 120) for s in (0.03, 0.05, 0.02, 0.07)]
    factor, summand = net.const(rng.normal(size=(3, 1, 1))), net.const(rng.normal(size=(3, 1, 1)))
    parts[0] = net.node("Relu", net.node("Add", net.node("Mul", parts[0], factor), summand))
    parts[1] = net.node("Add", parts[1], net.const(np.float32(0.3)))
    parts[2] = net.node("Relu", parts[2])
    model = net.build(net.pair(net.node("Concat", *parts, axis=1), 0.06, 128))
    x = rng.normal(size=net.shape).astype(np.float32) * 3
    graph = imported(model)
    assert Lookup not in {type(n.op) for n in graph.nodes()}
    for each in (graph, pipeline(graph)):
        np.testing.assert_array_equal(run(each, x)[0].astype(np.float32), execute(model, x))


def test_concat_of_codes():
    """Codes with one zero point are joined as they are."""
    net = QdqNet((4, 6))
    q = net.quantize("x", 0.25, 7)
    joined = net.node("Concat", q, q, axis=1)
    net.integer[joined] = TensorProto.UINT8
    model = net.build(joined)
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32)
    graph = imported(model)
    np.testing.assert_array_equal(run(graph, x)[1], execute(model, x))
    assert [type(n.op) for n in graph.nodes()] == [Concat]


def branches() -> tuple:
    """A float network with a residual block and a join, and samples."""
    rng = np.random.default_rng(0)

    def stored(name, *shape):
        return numpy_helper.from_array((rng.normal(size=shape) * 0.3).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], name="stem", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w1", "b1"], ["b"], name="branch", pads=[1] * 4),
        helper.make_node("Add", ["b", "r"], ["s"], name="sum"),
        helper.make_node("Relu", ["s"], ["t"], name="relu2"),
        helper.make_node("Concat", ["t", "r"], ["j"], name="join", axis=1),
        helper.make_node("MaxPool", ["j"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], name="dense", transB=1),
    ]
    parts = [stored("w0", 8, 3, 3, 3), stored("b0", 8), stored("w1", 8, 8, 3, 3), stored("b1", 8)]
    parts += [stored("w2", 5, 144), stored("b2", 5)]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", 1, (1, 3, 6, 6))],
        [helper.make_tensor_value_info("y", 1, (1, 5))], parts,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model, rng.normal(size=(32, 3, 6, 6)).astype(np.float32)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QInt4])
def test_static_quantizer(per_channel, symmetric, weights):
    """What ONNX Runtime's static quantizer writes of a residual block: every code equal."""
    model, x = branches()
    model = statically_quantized(model, x, per_channel, symmetric, weights=weights)
    graph = imported(model)
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)


def test_codes_within_a_network():
    """All codes behind all quantizers, not only the last one's."""
    model, x = branches()
    model = statically_quantized(model, x, True, False)
    inner = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    quantized = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    names = [inner[q] for q in quantized if inner[q] != "y"]
    model.graph.output.extend(helper.make_tensor_value_info(n, 1, None) for n in names)
    graph = imported(model)
    codes = evaluate(graph, graph.encodings[0].apply(x, graph.inputs[0].type))
    theirs = [execute_all(model, frame[None]) for frame in x]
    assert len(codes) >= 6
    for i, (q, d) in enumerate(zip(codes, graph.decodings, strict=True)):
        expected = np.concatenate([t[i] for t in theirs])
        np.testing.assert_array_equal(d.apply(q).astype(np.float32), expected)


def wide(n: QdqNet) -> str:
    """Two layers' sums of more values than a table has."""
    x = n.pair("x", 0.1, 0, TensorProto.UINT16)
    y = n.node("MatMul", x, n.stored_weights(np.eye(6) * 9 + 1, 0.3))
    return n.node("Add", y, y)


def other(n: QdqNet, scale: float) -> str:
    """16-bit codes of a layer's sums, so that pairs of them and 8-bit codes are too many for a table."""
    y = n.node("MatMul", n.pair("x", 0.1), n.stored_weights(np.ones((6, 6)), 0.5))
    return n.pair(y, scale, 0, TensorProto.UINT16)


FLOAT = r"its inputs must be quantized, but one is the model's float input"
APART = (
    r"operands must be multiples of one power of two within 51 bits, but theirs are too far apart\. "
    r"Quantize both with scales of similar size\."
)
NODE_ERRORS = {
    "float": (lambda n: n.node("Concat", n.pair("x", 0.5), "x", axis=1), rf"Concat 'concat2': {FLOAT}"),
    "axis": (lambda n: n.node("Concat", n.pair("x", 0.5), n.pair("x", 0.5), axis=0),
        r"Concat 'concat4': the axis must be one behind the batch, which all inputs have, not 0"),
    "mixed": (lambda n: n.node("Concat", n.pair("x", 0.5), n.quantize("x", 0.5), axis=1),
        r"Concat 'concat3': its inputs must all be floats, or integers with one zero point"),
    "constant": (lambda n: n.node("Concat", n.pair("x", 0.5), n.const(np.ones((1, 6))), axis=1),
        r"Concat 'concat2': input 1 must be computed from the model's input, but is a constant"),
    "shapes": (lambda n: n.node("Add", n.pair("x", 0.5), n.node("MatMul", n.pair("x", 0.5),
                                                                n.const(np.ones((6, 3))))),
        (r"Add 'add5': computed operands must have one shape, or 1 where they differ, not \(6,\) and "
        r"\(3,\) a frame")),
    "values": (wide, (r"Add 'add4': its inputs must have few values, not \d+: their floats become tables\. "
        r"Put a quantizer in front of each\.")),
    "infinite": (lambda n: n.node("Add", n.dequantize(n.quantize("x", 0.1), 3.3e37), other(n, 0.1)),
        r"Add 'add8': its inputs must lie within float32's range"),
    "far apart": (lambda n: n.node("Add", n.dequantize(n.quantize("x", 0.1), 3e30), other(n, 1e-9)),
        rf"Add 'add8': {APART}"),
    "far apart in one": (
        lambda n: n.node("Add", n.node("Add", n.node("Mul", n.pair("x", 0.1), n.const(1e-30)),
                                         n.const(np.array([0, 0, 0, 0, 0, 1e9]))), other(n, 0.1)),
        rf"Add 'add10': {APART}"),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6))
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
