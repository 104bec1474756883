"""Adder layers in QONNX files and Brevitas modules, against their definition in floats."""

from math import prod

import numpy as np
import onnx
import pytest
import torch
from brevitas import nn as qnn
from brevitas.quant.fixed_point import Int8ActPerTensorFixedPoint
from torch import nn

import gatewright
from gatewright.compiler.frontends import load_model, survey
from gatewright.compiler.frontends.adder_ops import DOMAIN
from gatewright.compiler.ir.graph import Node
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, Threshold
from gatewright.compiler.ir.text import to_text
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import GraphError
from qonnx_models import Net, imported, run


def distances(x, w, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1)):
    """-sum |x - w| in float64 of x (N, C, H, W), padded by 0, and w (M, C, KH, KW)."""
    (top, left, bottom, right), (sh, sw), (dh, dw) = pads, strides, dilations
    x = np.pad(np.float64(x), ((0, 0), (0, 0), (top, bottom), (left, right)))
    kh, kw = w.shape[2:]
    oh = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
    ow = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((len(x), len(w), oh, ow))
    for i in range(oh):
        for j in range(ow):
            rows, columns = i * sh + dh * np.arange(kh), j * sw + dw * np.arange(kw)
            taps = x[:, :, rows][..., columns]
            y[:, :, i, j] = -np.abs(taps[:, None] - w).sum((2, 3, 4))
    return y


def quantized(x, scale, bits, signed=True, narrow=False, zero=0):
    """What a Quant node gives, in float64."""
    lo = -(2 ** (bits - 1)) + narrow if signed else 0
    hi = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    return (np.clip(np.round(np.float64(x) / scale + zero), lo, hi) - zero) * scale


def frames(rng, *shape):
    """Floats on and between the steps of the quantizers below."""
    return (rng.integers(-40, 41, shape) / 8).astype(np.float32)


WINDOWS = {
    "plain": {},
    "padded": {"pads": (1, 1, 1, 1)},
    "uneven": {"strides": (2, 1), "pads": (0, 2, 1, 0)},
    "dilated": {"pads": (2, 1, 2, 1), "dilations": (2, 1)},
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_network_is_its_floats(window):
    """Convolution, norm whose factors flip some comparisons, pool, product: before and after the passes."""
    rng = np.random.default_rng(3)
    images = frames(rng, 8, 3, 7, 6)
    w = quantized(rng.normal(size=(4, 3, 3, 3)), 0.25, 5, narrow=True)
    factor, summand = rng.choice([-0.5, 0.25, -0.125], (4, 1, 1)), rng.integers(-30, 30, (4, 1, 1)) / 8
    first = distances(quantized(images, 0.25, 4, signed=False), w, **window)
    codes = quantized(first * factor + summand, 0.5, 4)
    k = prod(codes.shape[1:])
    v = quantized(rng.normal(size=(5, k)), 0.5, 3, narrow=True)
    want = -np.abs(codes.reshape(8, 1, k) - v).sum(2) + np.arange(5) / 4
    net = Net((1, 3, 7, 6))
    x = net.quant("x", 0.25, 4, signed=0)
    x = net.node("AdderConv2d", x, net.weights(w, 0.25, 5), domain=DOMAIN, **window)
    x = net.node("Add", net.node("Mul", x, net.const(factor)), net.const(summand))
    x = net.node("Flatten", net.quant(x, 0.5, 4))
    x = net.node("AdderLinear", x, net.weights(v, 0.5, 3), domain=DOMAIN)
    graph = imported(net.build(net.node("Add", x, net.const(np.arange(5) / 4))))
    assert [type(n.op) for n in graph.nodes()].count(AdderConv2d) == 1
    assert {AdderMatMul, Threshold} <= {type(n.op) for n in graph.nodes()}
    for each in (graph, run_passes(graph)):
        assert np.array_equal(run(each, images), want)


def test_batch_norm():
    """Batch norm in float32 with negative gammas; sums of these codes are exact in float32."""
    rng = np.random.default_rng(4)
    images = frames(rng, 16, 2, 5, 5)
    w = quantized(rng.normal(size=(6, 2, 3, 3)), 0.25, 4, narrow=True)
    gamma, beta, mean = (rng.normal(size=6).astype(np.float32) * s for s in (1, 1, 3))
    variance = rng.uniform(1, 9, 6).astype(np.float32)
    net = Net((1, 2, 5, 5))
    x = net.node("AdderConv2d", net.quant("x", 0.25, 4), net.weights(w, 0.25, 4), domain=DOMAIN)
    x = net.node("BatchNormalization", x, *(net.const(c) for c in (gamma, beta, mean, variance)))
    graph = imported(net.build(net.quant(x, 0.125, 4)))
    norm = nn.BatchNorm2d(6).eval()
    with torch.no_grad():
        for target, values in ((norm.weight, gamma), (norm.bias, beta), (norm.running_mean, mean),
                               (norm.running_var, variance)):  # fmt: skip
            target.copy_(torch.from_numpy(values))
        y = norm(torch.from_numpy(distances(quantized(images, 0.25, 4), w).astype(np.float32))).numpy()
    assert (gamma < 0).any()
    assert np.array_equal(run(run_passes(graph), images), quantized(y, 0.125, 4))


def linear_net(x_scale, w_scale, **more) -> tuple[Net, str, np.ndarray]:
    """A product of 6 by 4; the net, its output, and the float weights."""
    w = np.random.default_rng(1).normal(size=(4, 6))
    scale = np.broadcast_to(np.float32(w_scale), (4, 6)).astype(np.float64)
    net = Net((1, 6))
    y = net.quant("x", x_scale, 5, **more)
    y = net.node("AdderLinear", y, net.weights(w, w_scale, 4), domain=DOMAIN)
    return net, y, quantized(w, scale, 4, narrow=True)


RATIOS = {
    "one scale": (0.25, 0.25),
    "coarser weights": (0.125, 0.5),
    "coarser input": (0.75, 0.25),
    "per kernel": (0.25, [[0.25], [0.5], [0.75], [0.25]]),
    "finest in the weights": (0.5, [[0.25], [0.5], [0.75], [0.25]]),
    "per input": (0.25, [0.25, 0.5, 0.25, 1, 2, 0.25]),
}


@pytest.mark.parametrize("scales", RATIOS.values(), ids=RATIOS)
def test_scales_that_are_multiples(scales):
    """Codes are multiplied so that one step is common to both operands."""
    net, y, w = linear_net(*scales)
    x = frames(np.random.default_rng(0), 9, 6)
    want = -np.abs(quantized(x, scales[0], 5)[:, None] - w).sum(2)
    assert np.array_equal(run(imported(net.build(y)), x), want)


def test_a_multiple_that_float32_rounds():
    """Three times 0.1 in float32 counts as three steps: floats agree as far as float32 goes."""
    scale = np.float32(0.1)
    net, y, w = linear_net(scale, scale * np.float32(3))
    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    want = -np.abs(quantized(x, np.float64(scale), 5)[:, None] - w).sum(2)
    assert np.allclose(run(imported(net.build(y)), x), want, rtol=1e-6, atol=0)


def test_zero_points_leave_no_trace():
    """Padding is the float 0, whatever its code; the graph's integers are without zero points."""
    rng = np.random.default_rng(2)
    w = quantized(rng.normal(size=(3, 2, 2, 2)), 0.25, 4, narrow=True)
    net = Net((1, 2, 4, 4))
    x = net.quant("x", 0.25, 4, signed=0, zero=5.0)
    x = net.node("AdderConv2d", x, net.weights(w, 0.25, 4), domain=DOMAIN, pads=[1, 0, 1, 1])
    images = frames(rng, 8, 2, 4, 4)
    want = distances(quantized(images, 0.25, 4, signed=False, zero=5), w, pads=(1, 0, 1, 1))
    assert np.array_equal(run(imported(net.build(x)), images), want)


def test_rows_and_signals():
    """Products over the last of several axes, and 1-D convolutions."""
    rng = np.random.default_rng(5)
    w, v = (quantized(rng.normal(size=s), 0.25, 4, narrow=True) for s in ((4, 3, 3), (5, 7)))
    net = Net((1, 3, 8))
    x = net.quant("x", 0.25, 4, signed=0)
    x = net.node("AdderConv2d", x, net.weights(w, 0.25, 4), domain=DOMAIN, pads=[1, 0])
    x = net.node("AdderLinear", net.quant(x, 0.25, 8), net.weights(v, 0.25, 4), domain=DOMAIN)
    signals = frames(rng, 8, 3, 8)
    inner = distances(quantized(signals, 0.25, 4, signed=False)[:, :, None], w[:, :, None], pads=(0, 1, 0, 0))
    want = -np.abs(quantized(inner[:, :, 0], 0.25, 8)[:, :, None] - v).sum(3)
    graph = imported(net.build(x))
    assert np.array_equal(run(graph, signals), want)
    assert np.array_equal(run(run_passes(graph), signals), want)


def test_a_quantized_bias_goes_into_the_layer():
    """An Add behind, quantized with the layer's own step, is the op's bias in the end."""
    net, y, _ = linear_net(0.25, 0.25)
    y = net.node("Add", y, net.quant(net.const([1, -2, 3, 0.5]), 0.25, 8))
    (node,) = run_passes(imported(net.build(y))).nodes()
    assert isinstance(node.op, AdderMatMul)
    assert node.inputs[2].value.tolist() == [4, -8, 12, 2]


def _conv(net: Net, *operands: str, **more) -> str:
    return net.node("AdderConv2d", *operands, domain=DOMAIN, **more)


def _linear(net: Net, *operands: str) -> str:
    return net.node("AdderLinear", *operands, domain=DOMAIN)


def _q(net: Net, scale=0.25) -> str:
    return net.quant("x", scale, 4)


def _w(net: Net, *shape: int, scale=0.25) -> str:
    return net.weights(np.ones(shape), scale, 4)


REFUSED = {
    "unlike scales": ((1, 6), lambda n: _linear(n, _q(n), _w(n, 2, 6, scale=0.3)),
        (r"AdderLinear 'adderlinear2': input and weights must have one scale, or one that is 2 to 4096 times "
        r"the other, not 0\.25 and 0\.300000012\. Share one quantizer's scale, as QuantAdderConv2d does\.")),
    "far scales": ((1, 6), lambda n: _linear(n, _q(n), _w(n, 2, 6, scale=0.25 / 8192)),
        r"AdderLinear 'adderlinear2': input and weights must have one scale, .* not 0\.25 and 3\.05.*"),
    "one of several": ((1, 6),
        lambda n: _linear(n, _q(n), _w(n, 2, 6, scale=np.array([[0.25], [0.4]]))),
        r"AdderLinear 'adderlinear2': input and weights must have one scale, .* not 0\.25 and 0\.40.*"),
    "negative scale": ((1, 2, 6), lambda n: _linear(n, n.node("InstanceNormalization", n.node("Neg", _q(n)),
        n.const(np.ones(2)), n.const(np.zeros(2))), _w(n, 2, 6)),
        r"AdderLinear 'adderlinear4': the scales of adder layers must be above 0, not -.*"),
    "float input": ((1, 6), lambda n: _linear(n, "x", _w(n, 2, 6)),
        r"AdderLinear 'adderlinear1': its input must be quantized, but is the model's float input\. .*"),
    "float weights": ((1, 6), lambda n: _linear(n, _q(n), n.const(np.full((2, 6), 0.3))),
        r"AdderLinear 'adderlinear1': the weights must come from a quantizer .*"),
    "computed weights": ((1, 6), lambda n: _linear(n, _q(n), "x"),
        r"AdderLinear 'adderlinear1': input 1 \(the weights\) must be a constant, but is computed"),
    "constant input": ((1, 6), lambda n: _linear(n, _w(n, 2, 6), _q(n)),
        r"AdderLinear 'adderlinear2': input 0 must be computed from the model's input, but is a constant"),
    "weight axes": ((1, 6), lambda n: _linear(n, _q(n), _w(n, 2, 2, 3)),
        r"AdderLinear 'adderlinear2': the weights must have 2 axes, not shape \(2, 2, 3\)"),
    "weight shape": ((1, 6), lambda n: _linear(n, _q(n), _w(n, 2, 5)),
        r"AdderLinear 'adderlinear2': node 'adderlinear2': adder_matmul: weights must have shape \(6, M.*"),
    "a bias": ((1, 6), lambda n: _linear(n, _q(n), _w(n, 2, 6), n.const(np.ones(2))),
        r"AdderLinear 'adderlinear2': adder layers must have two inputs, X and W, not 3\. Add a bias .*"),
    "per-channel input": ((1, 6), lambda n: _linear(n, _q(n, np.arange(1.0, 7)), _w(n, 2, 6)),
        r"AdderLinear 'adderlinear2': its input must have one scale for the whole tensor, .*"),
    "axes": ((1, 6), lambda n: _conv(n, _q(n), _w(n, 2, 6, 1, 1)),
        r"AdderConv2d 'adderconv2d2': convolutions must be 1-D or 2-D, with frames .*"),
    "groups": ((1, 2, 4, 4), lambda n: _conv(n, _q(n), _w(n, 2, 1, 3, 3), group=2),
        r"AdderConv2d 'adderconv2d2': adder convolutions must have 1 group, not 2"),
    "kernel shape": ((1, 2, 4, 4), lambda n: _conv(n, _q(n), _w(n, 2, 2, 3, 3), kernel_shape=[1, 1]),
        r"AdderConv2d 'adderconv2d2': kernel_shape must be the weights' own, \(3, 3\)"),
    "pads": ((1, 2, 4, 4), lambda n: _conv(n, _q(n), _w(n, 2, 2, 3, 3), pads=[1]),
        r"AdderConv2d 'adderconv2d2': pads must be four numbers, not \(1,\)"),
    "too large": ((1, 2, 4, 4), lambda n: _conv(n, _q(n), _w(n, 2, 2, 5, 5)),
        r"AdderConv2d 'adderconv2d2': node 'adderconv2d2': adder_conv2d: a 5x5 kernel .*"),
    "channels": ((1, 2, 4, 4), lambda n: _conv(n, _q(n), _w(n, 2, 3, 3, 3)),
        r"AdderConv2d 'adderconv2d2': node 'adderconv2d2': adder_conv2d: weights must be \(KH, KW, 2, .*"),
    "unknown": ((1, 6), lambda n: n.node("AdderPool", _q(n), domain=DOMAIN),
        r"AdderPool 'adderpool1': this operator of domain 'gatewright\.adder' is not supported\. .*"),
}  # fmt: skip


@pytest.mark.parametrize(("shape", "make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(shape, make, message):
    """What cannot be differences of integers is refused with its reason."""
    net = Net(shape)
    y = make(net)
    with pytest.raises(GraphError, match=rf"(?m)^  {message}$"):
        imported(net.build(y))


class _Distance(torch.autograd.Function):
    """-sum |x - w| of rows, exported as the node that quant/ exports."""

    @staticmethod
    def symbolic(g, x, w):
        return g.op(f"{DOMAIN}::AdderLinear", x, w)

    @staticmethod
    def forward(ctx, x, w):
        return -(x[..., None, :] - w).abs().sum(-1)


class _Layer(nn.Module):
    """An adder layer between Brevitas quantizers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 6))
        same = {"act_quant": Int8ActPerTensorFixedPoint, "min_val": -2.0, "max_val": 2.0,
                "scaling_impl_type": "const"}  # fmt: skip
        self.x_quant, self.w_quant = qnn.QuantIdentity(**same), qnn.QuantIdentity(**same)
        self.norm = nn.BatchNorm1d(4)
        self.last = qnn.QuantIdentity(**same)

    def forward(self, x):
        y = _Distance.apply(self.x_quant(x), self.w_quant(self.weight))
        return self.last(self.norm(y))


def test_brevitas_module(tmp_path):
    """A torch module with a layer that exports as such a node, in memory and as a file."""
    from brevitas.export import export_qonnx

    net = _Layer().eval()
    x = torch.randn(32, 6)
    graph = gatewright.from_brevitas(net, x[:1])
    with torch.no_grad():
        want = net(x).numpy()
    assert np.array_equal(run(graph, x.numpy()), want)
    path = tmp_path / "model.onnx"
    export_qonnx(net, args=x[:1], export_path=str(path), opset_version=13, dynamo=False)
    assert to_text(load_model(path)) == to_text(graph)
    assert {(o.domain, o.version) for o in onnx.load(path).opset_import if o.domain == DOMAIN} == {
        (DOMAIN, 1)
    }
    found = survey(path)
    (record,) = [r for r in found.records if r.op_type == "AdderLinear"]
    assert [type(n.op) for n in record.nodes if isinstance(n, Node)] == [AdderMatMul]
