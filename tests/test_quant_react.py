"""ReActNet's layers and AdamBNN's recipe: gradients, two steps, the network of blocks, integers."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compiler.ir.ops import Conv2d, MatMul
from gatewright.errors import InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.qat.binary import BinaryInput, BinaryWeight, clipped, quadratic
from gatewright.quant.qat.rectifier import ShiftedPReLU
from gatewright.quant.react_net import ARCHITECTURE_A, react_net, react_net_a, small_react_net
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy, read_checkpoint
from trained_nets import beyond, digits, equal_graph, gradients, residual_net, trained


def parabolas(x: np.ndarray) -> np.ndarray:
    """Bi-Real net's stand-in for the sign: -1, 2x + x^2, 2x - x^2, 1."""
    return np.select([x < -1, x < 0, x < 1], [-1, 2 * x + x * x, 2 * x - x * x], 1)


def test_quadratic_slope():
    """The derivative of the parabolas, by differences in float64."""
    x, h = np.linspace(-1.6, 1.6, 642), 1e-6
    found = quadratic(torch.from_numpy(x))
    np.testing.assert_allclose(found, (parabolas(x + h) - parabolas(x - h)) / (2 * h), atol=1e-5)


def test_rsign():
    """sign(x + bias) per channel, +1 at 0; gradients of input and bias."""
    torch.manual_seed(1)
    quantizer = BinaryInput(quadratic, 3)
    bias = torch.tensor([0.25, -0.5, 0.0])
    with torch.no_grad():
        quantizer.bias.copy_(bias)
    x = torch.randn(4, 3, 5, 2)
    x[0, :, 0, 0] = -bias
    moved = x.double().numpy() + bias.double().numpy()[:, None, None]
    np.testing.assert_array_equal(quantizer(x).detach(), np.where(moved >= 0, 1, -1))
    np.testing.assert_array_equal(quantizer.frozen().codes(x), np.where(moved >= 0, 1, -1))
    upstream = torch.randn(x.shape)
    (found,) = gradients(quantizer, x, upstream=upstream)
    h = 1e-6
    want = upstream.double().numpy() * (parabolas(moved + h) - parabolas(moved - h)) / (2 * h)
    np.testing.assert_allclose(found, want, atol=1e-4)
    np.testing.assert_allclose(quantizer.bias.grad, want.sum((0, 2, 3)), rtol=1e-4, atol=1e-4)


def test_weights():
    """sign(W) * mean|W| of each output; the gradient is that of clamp(W, -1, 1), without the mean."""
    torch.manual_seed(2)
    weight = torch.randn(5, 7) * 1.5
    quantizer = BinaryWeight(clipped, scaled_gradient=False)
    w = weight.double().numpy()
    want = np.where(w >= 0, 1, -1) * np.abs(w).mean(1, keepdims=True)
    np.testing.assert_allclose(quantizer(weight), want, rtol=1e-5)
    upstream = torch.randn(weight.shape)
    (found,) = gradients(quantizer, weight, upstream=upstream)
    h = 1e-6
    slope = (np.clip(w + h, -1, 1) - np.clip(w - h, -1, 1)) / (2 * h)
    assert 0 < slope.mean() < 1
    np.testing.assert_allclose(found, upstream.numpy() * slope, rtol=1e-4, atol=1e-6)
    quantizer.active = False
    assert quantizer(weight) is weight


def test_rprelu():
    """prelu(x + before) + after with its gradients; a slope below 0 counts as 0, and may come back."""
    torch.manual_seed(3)
    layer = ShiftedPReLU(4)
    before, slope, after = torch.randn(4), torch.tensor([0.1, 0.7, -0.2, 1.5]), torch.randn(4)
    with torch.no_grad():
        layer.before.copy_(before)
        layer.slope.copy_(slope)
        layer.after.copy_(after)
    x, upstream = torch.randn(6, 4, 3), torch.randn(6, 4, 3)
    b, s, a = (v.double().numpy()[:, None] for v in (before, slope.clamp(min=0), after))
    moved = x.double().numpy() + b
    want = np.where(moved > 0, moved, s * moved) + a
    np.testing.assert_allclose(layer(x).detach(), want, rtol=1e-5, atol=1e-6)
    assert torch.equal(layer.frozen()(x), layer(x))
    (found,) = gradients(layer, x, upstream=upstream)
    up = upstream.double().numpy()
    np.testing.assert_allclose(found, up * np.where(moved > 0, 1, s), rtol=1e-5)
    want = (up * np.minimum(moved, 0)).sum((0, 2))
    np.testing.assert_allclose(layer.slope.grad, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.after.grad, up.sum((0, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.before.grad, found.double().sum((0, 2)), rtol=1e-4, atol=1e-5)


def test_two_steps(tmp_path):
    """Each step its own run: first a little decay, then none; resumed, nothing changes."""
    images, labels = (t[:256] for t in digits()[0])
    network = trained(residual_net(width=4), images, labels, epochs=1)
    file = tmp_path / "run.pt"
    request = Request(1, 1, images, labels, epochs=2, checkpoint=file)
    whole = METHODS["adam-bnn"].load()(network, request)
    states = [read_checkpoint(tmp_path / f"run.pt.step{i}") for i in (1, 2)]
    assert [s["recipe"]["weight_decay"] for s in states] == [5e-6, 0]
    assert all(len(s["losses"]) == 2 for s in states)
    (tmp_path / "run.pt.step2").unlink()
    again = METHODS["adam-bnn"].load()(network, request)
    with torch.no_grad():
        assert torch.equal(whole(images), again(images))
    # The second step starts from weights that the first has trained as floats.
    name = next(n for n, v in states[0]["model"].items() if n.endswith("weight") and v.dim() == 4)
    assert not torch.equal(states[0]["model"][name], states[1]["model"][name])


def test_trained_network_is_its_integers():
    """Digits by both steps: bipolar inner layers, and the module's floats on every input."""
    (images, labels), test = digits()
    network = trained(residual_net(), images, labels)
    module = METHODS["adam-bnn"].load()(network, Request(1, 1, images, labels, epochs=4))
    assert accuracy(module, *test) > 0.75
    graph = equal_graph(module, torch.cat([test[0], beyond(images)]))
    layers = [n for n in graph.nodes() if isinstance(n.op, Conv2d | MatMul)]
    assert all(v.type.dtype.bipolar for n in layers[1:-1] for v in n.inputs)


def test_react_net_is_its_integers():
    """Blocks with strides and doubled widths: averages, sums and joins of codes, nothing lost."""
    torch.manual_seed(1)
    images, labels = (t[:512] for t in digits()[0])
    network = trained(react_net(1, 10, (8, 8, 16), (1,)), images, labels, epochs=2)
    teacher = residual_net()
    request = Request(1, 1, images, None, teacher, epochs=1)
    module = METHODS["adam-bnn"].load()(network, request)
    graph = equal_graph(module, torch.cat([images[:100], beyond(images, 50)]))
    binary = [
        n for n in graph.nodes() if isinstance(n.op, Conv2d) and all(v.type.dtype.bipolar for v in n.inputs)
    ]
    assert len(binary) == 2 + 3


def test_react_nets():
    """ReActNet's own architecture has its blocks and binary weights; the small one takes small images."""
    net = react_net_a()
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    doubled = sum(a != b for a, b in pairwise(ARCHITECTURE_A))
    assert len(convolutions) == 1 + 2 * 13 + doubled
    assert sum(m.weight.numel() for m in convolutions[1:]) == sum(
        9 * a * a + a * b for a, b in pairwise(ARCHITECTURE_A)
    )
    strides = [m.stride[0] for m in convolutions if m.kernel_size == (3, 3)]
    assert strides == [2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    with torch.no_grad():
        assert small_react_net(3, 7, 8)(torch.rand(2, 3, 32, 32)).shape == (2, 7)
        images = torch.rand(2, 1, 28, 28)
        small = small_react_net(1, 10, 4).eval()
        torch.testing.assert_close(of_module(small, images)(images), small(images))


def test_widths_that_cannot_be():
    """Kept or doubled, nothing else."""
    message = (
        "react_net: a block must keep or double its channels with stride 1 or 2, not have 8, 12 and stride 1."
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        react_net(1, 10, (8, 12), ())
