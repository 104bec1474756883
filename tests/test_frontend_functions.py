"""Functions of one number against ONNX Runtime: every code of every table."""

import numpy as np
import pytest
from onnx import TensorProto

import qonnx_models
from gatewright.compiler.frontends.function_ops import FUNCTIONS
from gatewright.compiler.ir.ops import Lookup, MatMul, Threshold
from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import RANGES, QdqNet, execute, imported, run

# Every value of a code, in frames that kernels treat as whole blocks.
FRAME = (256, 4, 16)
MORE = {"Celu": {"alpha": 0.7}, "Elu": {"alpha": 0.6}, "Shrink": {"lambd": 0.4, "bias": 0.1}}
# Codes for which the function is defined, by their signs or sizes.
ABOVE, INSIDE = ("Log", "Pow", "Reciprocal", "Sqrt", "Acosh"), ("Acos", "Asin", "Atanh")


def all_codes(kind: int) -> np.ndarray:
    """Floats that a quantizer of scale 1 and zero point 0 makes the codes of a type, per frame one."""
    lo, hi = RANGES[kind]
    return np.broadcast_to(np.arange(lo, hi + 1, dtype=np.float32)[:, None, None], FRAME)


def assert_equal(model, x) -> list:
    """Every output, before and after the passes, is ONNX Runtime's; returns the graph's nodes."""
    graph, theirs = imported(model), execute(model, x)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), theirs)
    return graph.nodes()


def operand(net: QdqNet, rng, function: str, kind: int) -> str:
    """All codes of a type, with values for which the function is defined."""
    lo, hi = RANGES[kind]
    q, zero = net.quantize("x", 1.0, 0, kind), (lo + hi + 1) // 2 + int(rng.integers(-40, 40))
    scale = rng.uniform(0.01, 0.1)
    if function in INSIDE:
        scale = 0.99 / max(hi - zero, zero - lo)
    per = np.float32(scale * (rng.uniform(0.5, 1, 4) if rng.integers(2) else 1))
    y = net.dequantize(q, per, zero, kind, axis=1)
    if function not in ABOVE:
        return y
    y = net.node("Abs", y)
    return net.node("Add", y, net.const(1.01 if function == "Acosh" else 0.05))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_function(function, seed):
    """Random scales, zero points and types, one for all or per channel on both sides."""
    rng = np.random.default_rng(seed)
    kind = (TensorProto.UINT8, TensorProto.INT8)[seed % 2]
    domain, _, name = function.rpartition(".")
    net = QdqNet(FRAME, 24 if name == "Swish" else 22)
    y = operand(net, rng, name, kind)
    more = [net.const(2.5 - seed)] if name == "Pow" else []
    y = net.node(name, y, *more, domain=domain, **MORE.get(name, {}))
    y = net.node("Mul", y, net.const(-1.5)) if rng.integers(2) else y
    zero = (sum(RANGES[kind]) + 1) // 2 + int(rng.integers(-60, 60))
    out = np.float32(rng.uniform(0.01, 0.05) * (rng.uniform(0.5, 1, 4) if rng.integers(2) else 1))
    assert_equal(net.build(net.pair(y, out, zero, kind, axis=1)), all_codes(kind))


def test_one_table_for_all_steps_between_two_quantizers():
    """Functions and constants in a row are one function."""
    net = QdqNet(FRAME)
    y = net.dequantize(net.quantize("x", 1.0), np.float32(0.043), 97)
    y = net.node("Tanh", net.node("Sub", net.const(0.3), net.node("Exp", net.node("Neg", y))))
    y = net.node("Div", net.const(2.0), net.node("Add", y, net.const([[1.5], [2.0], [3.0], [9.0]])))
    nodes = assert_equal(net.build(net.pair(y, np.float32(0.02), 11)), all_codes(TensorProto.UINT8))
    assert sum(isinstance(n.op, Lookup) for n in nodes) == 1


FORKS = {
    "swish": lambda n, x: n.node("Mul", x, n.node("Sigmoid", x)),
    "hard swish": lambda n, x: n.node("Mul", n.node("HardSigmoid", x), x),
    "relu6 gate": lambda n, x: n.node(
        "Div", n.node("Mul", x, n.node("Clip", n.node("Add", x, n.const(3.0)), n.const(0.0), n.const(6.0))),
        n.const(6.0)),
    "gelu": lambda n, x: n.node("Mul", n.node("Mul", x, n.const(0.5)), n.node("Add", n.node(
        "Erf", n.node("Div", x, n.const(2**0.5))), n.const(1.0))),
    "quotient": lambda n, x: n.node("Div", x, n.node("Add", n.node("Exp", n.node("Neg", x)), n.const(1.0))),
    "difference": lambda n, x: n.node("Sub", n.node("Tanh", x), n.node("Mul", x, n.const(0.3))),
    "larger": lambda n, x: n.node("Max", n.node("Sin", x), n.node("Mul", x, n.const(0.1))),
    "smaller": lambda n, x: n.node("Min", n.node("Cos", x), x),
    "square": lambda n, x: n.node("Mul", x, x),
    "channels": lambda n, x: n.node("Mul", x, n.node("Sigmoid", n.node(
        "Mul", x, n.const([[-1.0], [0.1], [1.702], [4.0]])))),
    "quantized": lambda n, x: n.node("Mul", x, n.pair(n.node("Sigmoid", x), np.float32(1 / 255), 0)),
    "twice": lambda n, x: n.node("Mul", n.pair(n.node("Tanh", x), np.float32(1 / 127), 128), n.pair(
        n.node("Sigmoid", x), np.float32(1 / 255), 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", FORKS)
@pytest.mark.parametrize("seed", range(3))
def test_fork(case, seed):
    """What forks and rejoins over one tensor is one function of it: a single table."""
    rng = np.random.default_rng(seed)
    kind = (TensorProto.UINT8, TensorProto.INT8)[seed % 2]
    net = QdqNet(FRAME)
    q = net.quantize("x", 1.0, 0, kind)
    x = net.dequantize(
        q, np.float32(rng.uniform(0.01, 0.1)), int(rng.integers(-20, 20)) + (seed % 2 == 0) * 128, kind
    )
    y = net.pair(FORKS[case](net, x), np.float32(rng.uniform(0.02, 0.04)), 60)
    graph = imported(net.build(y))
    assert sum(isinstance(n.op, Lookup) for n in graph.nodes()) == 1
    assert_equal(net.build(y), all_codes(kind))


@pytest.mark.parametrize("seed", range(4))
def test_order_behind_a_function(seed):
    """Maxima and arg-max of a function that rises and falls compare its floats, not its integers."""
    rng = np.random.default_rng(seed)
    net = QdqNet((8, 3, 8, 8))
    y = net.node("Sin", net.dequantize(net.quantize("x", np.float32(0.03), 120), np.float32(0.03), 120))
    y = net.node("Neg", y) if seed % 2 else y
    pooled = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    if seed < 2:
        model = net.build(net.pair(pooled, np.float32(0.01), 100))
    else:
        model = net.build(net.node("ArgMax", y, axis=1, keepdims=0))
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    x = rng.normal(size=net.shape).astype(np.float32) * 2
    assert_equal(model, x)


def test_wide_sums_that_rise_become_thresholds():
    """A rising function of a layer's sums, of more values than a table has, as Brevitas writes it."""
    net = qonnx_models.Net((64, 16))
    rng = np.random.default_rng(0)
    x = net.quant("x", 0.0625, 8)
    y = net.node("MatMul", x, net.weights(rng.normal(size=(16, 6)) * 3, 0.03125, 8))
    model = net.build(net.quant(net.node("Sigmoid", y), 1 / 16, 4, 0))
    graph = qonnx_models.imported(model)
    (sums,) = (n for n in graph.nodes() if isinstance(n.op, MatMul))
    assert sums.type.dtype.levels > 2**16
    assert isinstance(graph.outputs[0].op, Threshold)
    x = rng.normal(size=net.shape).astype(np.float32)
    np.testing.assert_array_equal(qonnx_models.run(graph, x), qonnx_models.execute(model, x))


def test_float_output():
    """A function of few values at the output is decoded to the source's very floats."""
    net = QdqNet(FRAME)
    y = net.node("Sigmoid", net.dequantize(net.quantize("x", 1.0), np.float32(0.043), 97))
    assert_equal(net.build(y), all_codes(TensorProto.UINT8))


def test_whole_numbers_stay_integers():
    """A function that gives whole numbers of the same scale needs no quantizer before a layer."""
    net = QdqNet((64, 8))
    rng = np.random.default_rng(0)
    y = net.node("Abs", net.pair("x", 0.25, 128))
    y = net.node("MatMul", y, net.stored_weights(rng.integers(-9, 9, (8, 3)), 0.5))
    assert_equal(net.build(y), rng.normal(size=net.shape).astype(np.float32) * 9)


def test_joined_functions():
    """Functions whose floats have no common unit are joined by their place in one list of all floats."""
    net = QdqNet((64, 4, 16))
    x = net.dequantize(net.quantize("x", 1.0), np.float32(0.2), 97)
    y = net.node("Concat", net.node("Exp", x), net.node("Sigmoid", x), axis=1)
    rng = np.random.default_rng(0)
    assert_equal(
        net.build(net.pair(y, np.float32(0.02), 3)), rng.integers(0, 256, net.shape).astype(np.float32)
    )


def sums(n: QdqNet) -> str:
    """A layer's sums, of more values than a table has."""
    return n.node("MatMul", n.pair("x", 0.1, 0, TensorProto.UINT16), n.stored_weights(np.eye(6) * 9 + 1, 0.3))


NODE_ERRORS = {
    "float": (lambda n: n.node("Sigmoid", "x"),
        (r"Sigmoid 'sigmoid0': its input must be quantized, but is the model's float input\. Quantize the "
        r"input first\.")),
    "exponents": (lambda n: n.node("Pow", n.pair("x", 0.5), n.const(np.ones(6))),
        r"Pow 'pow2': its operands must be one computed tensor, and else constants of one number"),
    "refused": (lambda n: n.node("Gelu", n.pair("x", 0.5), approximate="none", domain="com.microsoft"),
        r"Gelu 'gelu2': ONNX Runtime must accept the node, but: .*"),
    "nan": (lambda n: n.pair(n.node("Sqrt", n.pair("x", 0.5, 3)), 0.5),
        (r"QuantizeLinear 'quantizelinear3': every value of its operand must give a number, but some give "
        r"NaN\. Quantize the operand so that its codes hold only values for which the function is "
        r"defined\.")),
    "rises and falls": (lambda n: n.pair(n.node("Sin", sums(n)), 0.01, 100),
        (r"QuantizeLinear 'quantizelinear5': a function that rises and falls must have an operand of at most "
        r"65536 values, and 4194304 over all channels, not \d+ and \d+\. Put a quantizer in front of the "
        r"Sin\.")),
    "wide": (lambda n: n.pair(n.node("Tanh", n.node("MatMul", sums(n), n.const(np.eye(6) * 999))), 0.01, 100),
        (r"QuantizeLinear 'quantizelinear6': a function's operand must have at most 16777216 values over all "
        r"channels, not \d+\. Put a quantizer in front of the Tanh\.")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6))
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))


def test_floats_too_far_apart_at_the_output():
    """No integers of one unit stand for such floats."""
    net = QdqNet((1, 6))
    model = net.build(net.node("Exp", net.pair("x", 0.25, 128)))
    message = (
        r"^onnx: output 't2_0': its floats must be multiples of one power of two within 51 bits, but are too "
        r"far apart\. Put a quantizer behind the function, or leave the function out where it is the last "
        r"layer\.$"
    )
    with pytest.raises(GraphError, match=message):
        imported(model)
