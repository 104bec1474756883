"""Averages against ONNX Runtime: equal bit for bit where its float sums are exact, else refused."""

import numpy as np
import pytest

from gatewright.compiler.passes.pipeline import run as pipeline
from gatewright.errors import GraphError
from qdq_models import QdqNet, execute, imported, run

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
        window |= {"pads": [int(rng.integers(0, k)) for k in kernel * 2], "count_include_pad": 1}
    return net.node("AveragePool", x, **window)


@pytest.mark.parametrize("seed", range(40))
def test_average(seed):
    """Sums of codes with a power-of-two scale, a float function of few bits, divided; float scales behind."""
    rng = np.random.default_rng(seed)
    net = QdqNet((BATCH, 3, 6, 7))
    y = net.pair("x", 2.0 ** rng.integers(-6, -3), int(rng.integers(100, 150)))
    if rng.integers(2):
        y = net.node("Add", y, net.const(rng.integers(-9, 9, (3, 1, 1)) / 4))
    y = net.node("Relu", y) if rng.integers(2) else y
    y = pooled(net, rng, y)
    if rng.integers(3):
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


NODE_ERRORS = {
    "inexact": (lambda n: n.node("GlobalAveragePool", n.pair("x", np.float32(0.1), 128)),
        (r"GlobalAveragePool 'globalaveragepool2': sums of float32 numbers must be exact to be the source's "
        r"own, so at most 16777216 times their smallest bit, but reach \d+ times\. Quantize its input with "
        r"a power-of-two scale, or use max pooling or a strided convolution\.")),
    "padding": (
        lambda n: n.node("AveragePool", n.pair("x", 0.5), kernel_shape=[2, 2], pads=[1, 0, 0, 0]),
        (r"AveragePool 'averagepool2': windows must all have one size, but those at the edge leave their "
        r"padding out\. Set count_include_pad to 1, or pad nothing\.")),
    "ceil": (
        lambda n: n.node("AveragePool", n.pair("x", 0.5), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        r"AveragePool 'averagepool2': ceil_mode must be 0 where windows do not fit evenly\. Pad instead\."),
    "float": (lambda n: n.node("GlobalAveragePool", "x"),
        (r"GlobalAveragePool 'globalaveragepool0': its inputs must be quantized, but one is the model's "
        r"float input")),
    "batch": (lambda n: n.node("ReduceMean", n.pair("x", 0.5), n.const([0, 2], np.int64)),
        r"ReduceMean 'reducemean2': the axes must be given, and none of them the batch"),
    "all axes": (lambda n: n.node("ReduceMean", n.pair("x", 0.5), n.const([1, 2, 3], np.int64), keepdims=0),
        r"ReduceMean 'reducemean2': an axis besides the batch must stay\. Set keepdims\."),
    "image": (lambda n: n.node("AveragePool", n.node("Flatten", n.pair("x", 0.5)), kernel_shape=[1, 1]),
        r"AveragePool 'averagepool3': pooling must be 2-D, with frames \(C, H, W\), not \(32,\)"),
    "channels": (lambda n: n.node("GlobalAveragePool", n.node("Flatten", n.pair("x", 0.5))),
        (r"GlobalAveragePool 'globalaveragepool3': frames must have a channel and other axes, not shape "
        r"\(32,\)")),
}  # fmt: skip


@pytest.mark.parametrize("case", NODE_ERRORS)
def test_node_is_refused(case):
    """The message names the node, the rule and the value."""
    build, message = NODE_ERRORS[case]
    net = QdqNet((1, 2, 4, 4))
    pattern = (
        rf"^onnx: every node must become integer arithmetic, but 1 of model 'net' cannot:\n  {message}$"
    )
    with pytest.raises(GraphError, match=pattern):
        imported(net.build(build(net)))
