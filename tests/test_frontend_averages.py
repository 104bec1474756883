"""Averages against ONNX Runtime: equal bit for bit where its float sums are exact, else their exact sums."""

import numpy as np
import pytest
from onnx import TensorProto

from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import QdqNet, execute, execute_all, imported, run

BATCH = 8


def pooled(net: QdqNet, rng, x: str) -> str:
    """A random average over an image."""
    kind = rng.integers(4)
    if kind == 0:
        return net.node("GlobalAveragePool", x)
    if kind == 1:
        axes = net.const(rng.choice([1, 2, 3], rng.integers(1, 3), replace=False), np.int64)
        return net.node("ReduceMean", x, axes, keepdims=int(rng.integers(2)))
    kernel = [int(k) for k in rng.integers(1, 4, 2)]
    window = {"kernel_shape": kernel, "strides": [int(s) for s in rng.integers(1, 3, 2)]}
    if kind == 2:
        window |= {"pads": [int(rng.integers(0, k)) for k in kernel * 2], "ceil_mode": int(rng.integers(2))}
        window |= {"count_include_pad": int(rng.integers(2))}
    return net.node("AveragePool", x, **window)


@pytest.mark.parametrize("seed", range(60))
def test_average(seed):
    """Sums of codes with a power-of-two scale, a float function of few bits, divided; float scales behind."""
    rng = np.random.default_rng(seed)
    net = QdqNet((BATCH, 3, 6, 7))
    y = net.pair("x", 2.0 ** rng.integers(-6, -3), int(rng.integers(100, 150)))
    if rng.integers(2):
        y = net.node("Add", y, net.const(rng.integers(-9, 9, (3, 1, 1)) / 4))
    y = net.node("Relu", y) if rng.integers(2) else y
    y = pooled(net, rng, y)
    # Divisors that vary over the image have no single scale, so that a quantizer must follow.
    if rng.integers(3) or net.nodes[-1].op_type == "AveragePool":
        y = net.pair(y, np.float32(rng.uniform(0.004, 0.02)), int(rng.integers(50, 150)))
    model = net.build(y)
    x = rng.normal(size=net.shape).astype(np.float32) * 2
    graph = imported(model)
    theirs = execute(model, x)
    np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)
    np.testing.assert_array_equal(run(pipeline(graph), x)[0].astype(np.float32), theirs)


def test_every_sum_on_a_tie():
    """Means of two are whole codes or ties of the next quantizer."""
    net = QdqNet((256, 1, 1, 512))
    y = net.node("AveragePool", net.pair("x", 0.5, 128), kernel_shape=[1, 2], strides=[1, 2])
    model = net.build(net.pair(y, 0.5, 128))
    codes = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1)
    x = ((codes.reshape(256, 1, 1, 512) - 128) / 2).astype(np.float32)
    np.testing.assert_array_equal(run(imported(model), x)[0], execute(model, x))


@pytest.mark.parametrize("seed", range(10))
def test_sequences(seed):
    """1-D windows, with padding that counts or not."""
    rng = np.random.default_rng(seed)
    net = QdqNet((BATCH, 3, 11))
    window = {"kernel_shape": [3], "strides": [int(rng.integers(1, 4))], "pads": [1, int(rng.integers(2))]}
    more = {"ceil_mode": int(rng.integers(2)), "count_include_pad": seed % 2}
    y = net.node("AveragePool", net.pair("x", 2.0**-4, 120), **window, **more)
    model = net.build(net.pair(y, np.float32(0.011), 131))
    x = rng.normal(size=net.shape).astype(np.float32) * 2
    np.testing.assert_array_equal(run(imported(model), x)[0].astype(np.float32), execute(model, x))


def exact_codes(q: np.ndarray, zero: int, scale, count: int, out: np.float32, point: int) -> np.ndarray:
    """The quantized means of codes along the last axis: the sum exact, rounded once, then divided."""
    total = ((q - zero).sum(-1) * np.float64(scale)).astype(np.float32)
    return np.clip(np.rint(total / np.float32(count) / out) + point, 0, 255).astype(np.int64)


@pytest.mark.parametrize("shape", [(64, 8, 7, 7), (64, 8, 3, 5)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_float_scales(shape, per_channel):
    """Sums are rounded to float32 once; ONNX Runtime's codes differ only where a tie is within its noise."""
    rng = np.random.default_rng(shape[2])
    net = QdqNet(shape)
    scale = np.float32(rng.uniform(0.01, 0.03, shape[1] if per_channel else ()))
    q = net.quantize("x", np.float32(0.02), 93)
    y = net.node("GlobalAveragePool", net.dequantize(q, scale, 93))
    out = np.float32(0.0007)
    model = net.build(net.quantize(y, out, 120), q)
    x = rng.uniform(-2, 3, shape).astype(np.float32)
    theirs, codes = execute_all(model, x)
    graph = imported(model)
    ours = run(graph, x)[1]
    flat = codes.astype(np.int64).reshape(*shape[:2], -1)
    wide = scale[:, None] if per_channel else scale
    expected = exact_codes(flat, 93, wide[..., 0] if per_channel else wide, flat.shape[-1], out, 120)
    np.testing.assert_array_equal(ours[..., 0, 0], expected)
    np.testing.assert_array_equal(run(pipeline(graph), x)[1], ours)
    step = ((flat - 93) * np.float64(1) * wide).mean(-1) / out
    near = np.abs(np.abs(step - np.floor(step)) - 0.5) < 1e-3
    assert ((ours != theirs)[..., 0, 0] <= near).all()


def test_mean_of_a_function():
    """A function that is no plain scale is summed exactly, as multiples of one power of two."""
    net = QdqNet((16, 4, 5, 5))
    y = net.node("Sigmoid", net.pair("x", 0.125, 128))
    model = net.build(net.quantize(net.node("GlobalAveragePool", y), np.float32(0.003), 3))
    x = np.random.default_rng(0).normal(size=net.shape).astype(np.float32) * 2
    q = np.clip(np.rint(x * 8) + 128, 0, 255) - 128
    floats = execute(sigmoid_of(q.astype(np.float32) / 8), q.astype(np.float32) / 8)
    total = floats.astype(np.float64).sum((2, 3)).astype(np.float32)
    expected = np.clip(np.rint(total / np.float32(25) / np.float32(0.003)) + 3, 0, 255)
    np.testing.assert_array_equal(run(imported(model), x)[1][..., 0, 0], expected)


def sigmoid_of(x: np.ndarray):
    """A model that is one Sigmoid."""
    net = QdqNet(x.shape)
    return net.build(net.node("Sigmoid", "x"))


def wide(n: QdqNet) -> str:
    """Sums of 16-bit codes under a window so large that they leave float64's integers."""
    y = n.node("Mul", n.pair("x", 1.0, 0, TensorProto.UINT16), n.const([[[1.0]], [[2.0**-34]]]))
    return n.node("GlobalAveragePool", n.node("Relu", y))


NODE_ERRORS = {
    "wide": (wide, (r"GlobalAveragePool 'globalaveragepool4': sums must stay within 53 bits, not reach \d+\. "
        r"Put a quantizer in front, or use a smaller window\.")),
    "padding only": (
        lambda n: n.node("AveragePool", n.pair("x", 0.5), kernel_shape=[1, 1], pads=[1, 0, 0, 0]),
        (r"AveragePool 'averagepool2': every window must meet the image, but one holds padding only\. "
        r"Pad less\.")),
    "float": (lambda n: n.node("GlobalAveragePool", "x"),
        (r"GlobalAveragePool 'globalaveragepool0': its inputs must be quantized, but one is the model's "
        r"float input")),
    "batch": (lambda n: n.node("ReduceMean", n.pair("x", 0.5), n.const([0, 2], np.int64)),
        r"ReduceMean 'reducemean2': the axes must be given, and none of them the batch"),
    "all axes": (lambda n: n.node("ReduceMean", n.pair("x", 0.5), n.const([1, 2, 3], np.int64), keepdims=0),
        r"ReduceMean 'reducemean2': an axis besides the batch must stay\. Set keepdims\."),
    "image": (lambda n: n.node("AveragePool", n.node("Flatten", n.pair("x", 0.5)), kernel_shape=[1, 1]),
        (r"AveragePool 'averagepool3': pooling must be 1-D or 2-D, with frames \(C, L\) or \(C, H, W\), not "
        r"\(32,\)")),
    "channels": (lambda n: n.node("GlobalAveragePool", n.node("Flatten", n.pair("x", 0.5))),
        (r"GlobalAveragePool 'globalaveragepool3': frames must have a channel and other axes, not shape "
        r"\(32,\)")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 2, 4, 4))
    pattern = rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
