"""Normalization layers: close to the real numbers, and at most one code from ONNX Runtime's."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import QdqNet, execute, imported, run

OPS = ("LayerNormalization", "RMSNormalization", "InstanceNormalization")
# What docs/exactness.md says: the inverse root's largest relative error.
SHARE = 2.0**-13


def layer(seed: int, flat: bool) -> tuple[QdqNet, str, np.ndarray, dict]:
    """A random normalization of quantized values, inputs for it, and its parameters."""
    rng = np.random.default_rng(seed)
    op, features = OPS[seed % 3], int(rng.integers(2, 200))
    shape = (16, 3, 7, 9) if seed % 3 == 2 else [(16, 4, features), (32, features)][flat or seed % 2]
    channels = 3 if seed % 3 == 2 else features
    net = QdqNet(shape, 23)
    scale, zero = np.float32(rng.uniform(0.005, 0.2)), int(rng.integers(60, 200))
    y = net.dequantize(net.quantize("x", scale, zero), scale, zero)
    gamma, beta = (np.float32(rng.normal(size=channels)) for _ in range(2))
    beta = beta * (op != "RMSNormalization")
    epsilon = float(rng.choice([1e-5, 1e-12, 1e-2]))
    more = [net.const(gamma)] + ([] if op == "RMSNormalization" else [net.const(beta)])
    y = net.node(op, y, *more, epsilon=epsilon)
    x = (rng.normal(size=shape) * scale * rng.choice([0.3, 2, 20, 60])).astype(np.float32)
    x[0] = 0.1 if flat else x[0]
    q = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    return net, y, x, {"op": op, "x": q * np.float64(scale), "gamma": gamma, "beta": beta, "epsilon": epsilon}


def normalized(op: str, x: np.ndarray, epsilon: float) -> np.ndarray:
    """The definition, in float64."""
    axes = (2, 3) if op == "InstanceNormalization" else (x.ndim - 1,)
    if op != "RMSNormalization":
        x = x - x.mean(axes, keepdims=True)
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + epsilon)


@pytest.mark.parametrize("seed", range(30))
def test_real_numbers(seed):
    """Decoded outputs are within the share that the table of roots allows."""
    net, y, x, given = layer(seed, True)
    exact = normalized(given["op"], given["x"], np.float64(np.float32(given["epsilon"])))
    along = (1, -1, 1, 1) if given["op"] == "InstanceNormalization" else (-1,)
    expected = exact * given["gamma"].reshape(along) + given["beta"].reshape(along)
    ours = run(imported(net.build(y)), x)[0]
    limit = np.abs(exact * given["gamma"].reshape(along)) * SHARE + np.abs(expected) * 1e-12
    assert (np.abs(ours - expected) <= limit).all()


@pytest.mark.parametrize("seed", range(30))
def test_codes(seed):
    """At most one code from ONNX Runtime's, and few of them; the same after the passes."""
    net, y, x, _ = layer(seed, False)
    out = np.float32(0.03)
    model = net.build(net.quantize(y, out, 120))
    graph, theirs = imported(model), execute(model, x).astype(np.int64)
    ours = run(graph, x)[1]
    np.testing.assert_array_equal(run(pipeline(graph), x)[1], ours)
    off = np.abs(ours - theirs)
    assert off.max() <= 1
    assert off.mean() < 0.005


def test_equal_elements():
    """Without any deviation the result is the summand."""
    net = QdqNet((4, 8))
    beta = np.arange(8.0)
    y = net.node("LayerNormalization", net.pair("x", 0.1, 128), net.const(np.ones(8)), net.const(beta))
    model = net.build(net.pair(y, 0.125))
    x = np.repeat(np.array([-3, 0, 1.7, 9], dtype=np.float32)[:, None], 8, 1)
    np.testing.assert_array_equal(run(imported(model), x)[0], np.tile(beta, (4, 1)))


def test_several_axes_and_a_factor_in_front():
    """A constant factor, also a negative one, is part of the scale."""
    net = QdqNet((16, 3, 5), 21)
    y = net.node("Mul", net.pair("x", np.float32(0.04), 120), net.const(-0.3))
    y = net.node("LayerNormalization", y, net.const(np.ones((3, 5))), axis=1)
    model = net.build(net.quantize(y, np.float32(0.03), 120))
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 2
    off = np.abs(run(imported(model), x)[1] - execute(model, x).astype(np.int64))
    assert off.max() <= 1
    assert off.mean() < 0.005


def ones(n: QdqNet) -> str:
    return n.const(np.ones(6))


NODE_ERRORS = {
    "float": (lambda n: n.node("LayerNormalization", "x", ones(n)),
        (r"LayerNormalization 'layernormalization0': its input must be quantized, but is the model's float "
        r"input\. Quantize the input first\.")),
    "batch": (lambda n: n.node("LayerNormalization", n.pair("x", 0.5), ones(n), axis=0),
        r"LayerNormalization 'layernormalization2': the axis must be one behind the batch"),
    "channels": (lambda n: n.node("InstanceNormalization", n.pair("x", 0.5), ones(n), ones(n)),
        (r"InstanceNormalization 'instancenormalization2': frames must have a channel and other axes, not "
        r"shape \(6,\)")),
    "scales": (lambda n: n.node("LayerNormalization", n.node("Mul", n.pair("x", 0.5), n.const(np.arange(6))),
                                ones(n)),
        (r"LayerNormalization 'layernormalization3': its input must have one scale for the whole tensor, and "
        r"come from a quantizer, not from other functions\. Put a quantizer in front\.")),
    "moved": (
        lambda n: n.node("RMSNormalization", n.node("Add", n.pair("x", 0.5), n.const(1.0)), ones(n)),
        (r"RMSNormalization 'rmsnormalization3': its input must come from a quantizer, not from other "
        r"functions")),
    "epsilon": (lambda n: n.node("LayerNormalization", n.pair("x", 0.5), ones(n), epsilon=-1.0),
        (r"LayerNormalization 'layernormalization2': epsilon must not be negative, nor the scale 0, not "
        r"-1\.0 and 0\.5")),
    "bits": (lambda n: n.node("LayerNormalization", n.node("MatMul", n.pair("x", 0.5, 0, TensorProto.UINT16),
                                                        n.const(np.eye(6) * 2.0**12)), ones(n)),
        (r"LayerNormalization 'layernormalization3': sums of squares must stay within 60 bits, but 6 "
        r"elements of .* do not\. Use fewer bits\.")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 6), 23)
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
