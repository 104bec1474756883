"""N2UQ: thresholds and ramp against formulas in float64, weights without a zero, and trained networks."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compiler.ir.graph import Const
from gatewright.compiler.ir.ops import Conv2d
from gatewright.errors import InputError
from gatewright.quant import n2uq
from gatewright.quant.methods import METHODS
from gatewright.quant.n2uq import EntropyWeight, GeneralizedSte, LearnedThresholds, is_slow
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from trained_nets import beyond, digits, equal_graph, gradients, residual_net, trained

WIDTHS = {1: [1.7], 2: [0.4, 0.9, 0.5], 3: [0.1, 0.5, 0.2, 0.3, 0.4, 0.15, 0.35]}
START = 0.13


def uneven(bits: int, scale_in: float = 0.8, scale_out: float = 1.3) -> LearnedThresholds:
    """A quantizer of uneven steps."""
    quantizer = LearnedThresholds(bits)
    with torch.no_grad():
        quantizer.start_at.fill_(START)
        quantizer.widths.copy_(torch.tensor(WIDTHS[bits]))
        quantizer.scale_in.fill_(scale_in)
        quantizer.scale_out.fill_(scale_out)
    quantizer.started.fill_(True)
    return quantizer


def counted(u: np.ndarray, start: float, widths: list[float]) -> np.ndarray:
    """#{i : u > T_i} by the paper's sum for each threshold."""
    count = np.zeros(u.shape)
    for i in range(len(widths)):
        count += u > start + sum(widths[:i]) + widths[i] / 2
    return count


def ramp(u: np.ndarray, start: float, widths: np.ndarray) -> np.ndarray:
    """0 below the start, slope I / a_i on segment i, 2 above: whose derivative the gradient is."""
    ends = start + np.concatenate([[0], np.cumsum(widths)])
    return np.interp(u, ends, np.linspace(0, 2, len(widths) + 1))


@pytest.mark.parametrize("bits", WIDTHS)
def test_forward(bits):
    """y = s2 * I * #{i : s1 * x > T_i}; training and inference alike, codes and values."""
    quantizer, widths = uneven(bits), WIDTHS[bits]
    x = torch.linspace(-1, 4, 1001)
    unit = 2 / len(widths)
    count = counted(x.double().numpy() * np.float32(0.8), START, widths)
    assert set(count) == set(range(len(widths) + 1))
    np.testing.assert_allclose(quantizer(x).detach(), 1.3 * unit * count, rtol=1e-6)
    frozen = quantizer.frozen()
    np.testing.assert_array_equal(frozen.codes(x), count)
    np.testing.assert_allclose(frozen.step, 1.3 * unit, rtol=1e-6)


@pytest.mark.parametrize("bits", WIDTHS)
def test_gradients_are_those_of_the_ramp(bits):
    """Of u, start and widths: differences of the ramp in float64, away from its corners."""
    widths = np.array(WIDTHS[bits])
    ends = START + np.concatenate([[0], np.cumsum(widths)])
    u = np.linspace(-0.5, 2.8, 331)
    u = u[np.abs(u[:, None] - ends).min(1) > 1e-3]
    upstream = np.random.default_rng(1).normal(size=u.shape)
    tensors = [torch.tensor(v, dtype=torch.float64) for v in (u, START, widths)]
    found = gradients(GeneralizedSte.apply, *tensors, upstream=torch.from_numpy(upstream))
    h = 1e-6
    want_u = upstream * (ramp(u + h, START, widths) - ramp(u - h, START, widths)) / (2 * h)
    np.testing.assert_allclose(found[0], want_u, atol=1e-6)
    want = (upstream * (ramp(u, START + h, widths) - ramp(u, START - h, widths))).sum() / (2 * h)
    np.testing.assert_allclose(found[1], want, rtol=1e-5)
    for i in range(len(widths)):
        moved = np.eye(len(widths))[i] * h
        want = (upstream * (ramp(u, START, widths + moved) - ramp(u, START, widths - moved))).sum() / (2 * h)
        np.testing.assert_allclose(found[2][i], want, rtol=1e-5, atol=1e-6)


def test_gradients_of_the_scales():
    """s2's is the ramp's count itself, s1's is x times the slope; widths below 0.001 count as that."""
    quantizer = uneven(2)
    x, upstream = torch.linspace(-0.7, 3.1, 97), torch.linspace(1, 2, 97)
    quantizer(x).backward(upstream)
    count = counted(x.double().numpy() * np.float32(0.8), START, WIDTHS[2])
    want = (upstream.double().numpy() * count * 2 / 3).sum()
    np.testing.assert_allclose(quantizer.scale_out.grad, want, rtol=1e-5)
    u, h = x.double().numpy() * np.float32(0.8), 1e-6
    slope = (ramp(u + h, START, WIDTHS[2]) - ramp(u - h, START, WIDTHS[2])) / (2 * h)
    want = (upstream.double().numpy() * 1.3 * slope * x.double().numpy()).sum()
    np.testing.assert_allclose(quantizer.scale_in.grad, want, rtol=1e-4)
    with torch.no_grad():
        quantizer.widths[1] = -0.2
    below = quantizer.frozen().reached
    np.testing.assert_allclose(np.diff(below), [0.2 + 0.0005, 0.0005 + 0.25], rtol=1e-5)
    quantizer.zero_grad()
    quantizer(x).backward(upstream)
    assert quantizer.widths.grad[1] != 0


def test_thresholds_are_strict():
    """A value at a threshold has not passed it, and the next float has; so in graph and network."""
    quantizer = uneven(2, scale_in=0.5, scale_out=1.0)
    with torch.no_grad():
        quantizer.start_at.zero_()
        quantizer.widths.copy_(torch.tensor([0.5, 0.5, 0.5]))
    edges = torch.tensor([0.25, 0.75, 1.25]) * 2
    above = torch.nextafter(edges, torch.tensor(9.0))
    assert quantizer.frozen().codes(torch.cat([edges, above])).tolist() == [0, 1, 2, 1, 2, 3]
    assert (quantizer(torch.cat([edges, above])) / (2 / 3)).tolist() == pytest.approx([0, 1, 2, 1, 2, 3])

    class Alone(nn.Module):
        def __init__(self):
            super().__init__()
            self.quantizer = quantizer.frozen()

        def forward(self, x):
            return self.quantizer.codes(x)

    frames = torch.stack([edges, above, torch.tensor([-1e30, 0, 1e30])])
    equal_graph(Alone().eval(), frames)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_weights(bits):
    """Odd whole numbers of the paper's scale, nearest to the weights; gradients where |w| <= s."""
    torch.manual_seed(bits)
    weight = torch.randn(6, 5, 3, 3) * torch.linspace(0.1, 3, 6)[:, None, None, None]
    quantizer, n = EntropyWeight(bits), 2**bits - 1
    codes, unit = quantizer.codes(weight)
    w = weight.double().numpy()
    scale = n / 2 ** (bits - 1) * np.abs(w).reshape(6, -1).mean(1)
    np.testing.assert_allclose(unit, scale / n, rtol=1e-6)
    assert set(codes.unique().tolist()) == set(range(-n, n + 1, 2))
    levels = np.arange(-n, n + 1, 2) / n
    relative = np.clip(w / scale[:, None, None, None], -1, 1)
    distances = np.abs(relative[..., None] - levels)
    near = np.sort(distances, -1)
    clear = near[..., 1] - near[..., 0] > 1e-5
    np.testing.assert_array_equal(codes.numpy()[clear], (levels * n)[distances.argmin(-1)][clear])
    np.testing.assert_allclose(quantizer(weight), codes * unit[:, None, None, None], rtol=1e-4, atol=1e-6)
    upstream = torch.randn(weight.shape)
    (found,) = gradients(quantizer, weight, upstream=upstream)
    inside = np.abs(w) < scale[:, None, None, None]
    assert 0.05 < inside.mean() < 0.95
    np.testing.assert_allclose(found, upstream.numpy() * inside, rtol=1e-6)


def test_first_scales_keep_values():
    """Before training, steps are equal and their values lie near what comes; below 0 is code 0."""
    x = torch.rand(1000) * 5 - 1
    quantizer = LearnedThresholds(4)
    error = (quantizer(x) - x.clamp(min=0)).detach().abs()
    assert error.max() < 0.2
    assert (quantizer.scale_in * quantizer.scale_out).item() == pytest.approx(1, rel=1e-6)


def test_slow_parameters():
    """Thresholds and their scales; not uniform steps, weights, slopes or norms."""
    slow = ("a.quantizer.widths", "start_at", "b.scale_in", "b.scale_out")
    fast = ("quantizer.logarithm", "a.weight", "slope", "norm.bias", "a.before")
    assert [is_slow(n) for n in (*slow, *fast)] == [True] * 4 + [False] * 5


def test_long_runs_have_slow_thresholds(monkeypatch):
    """From 10,000 steps on, as in the paper; shorter ones move them at the full rate."""
    images, labels = (t[:128] for t in digits()[0])
    network, seen = trained(residual_net(width=4), images, labels, epochs=1), []
    monkeypatch.setattr(n2uq, "fit", lambda model, given, request, recipe, hooks: seen.append(hooks.slow))
    for epochs in (4999, 5000):  # of two steps
        n2uq.quantize(network, Request(2, 2, images, labels, epochs=epochs))
    assert seen == [None, is_slow]


@pytest.mark.parametrize(("bits", "least"), [(2, 0.94), (1, 0.8)])
def test_trained_network_is_its_integers(bits, least):
    """W2A2 and W1A1 on digits: odd weights, few thresholds, and the module's floats on every input."""
    (images, labels), test = digits()
    network = trained(residual_net(), images, labels)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    module = METHODS["n2uq"].load()(network, Request(bits, bits, images, labels, epochs=8))
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())
    assert not module.training
    assert accuracy(module, *test) > least
    graph = equal_graph(module, torch.cat([test[0], beyond(images)]))
    inner = [n for n in graph.nodes() if isinstance(n.op, Conv2d)][1:]
    for node in inner:
        weights = node.inputs[1]
        assert isinstance(weights, Const)
        assert set(np.unique(weights.value)) <= set(range(1 - 2**bits, 2**bits, 2))
        assert (node.inputs[0].type.dtype.lo, node.inputs[0].type.dtype.hi) == (0, 2**bits - 1)


def test_bits_that_it_does_not_take():
    """The range is in the message."""
    network = trained(residual_net(), *(t[:64] for t in digits()[0]), epochs=1)
    request = Request(2, 8, digits()[0][0][:64], epochs=1)
    message = "quantize: activations of method fda-bnn must have 1 bit, not 8."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        METHODS["fda-bnn"].check(1, 8)
    message = "quantize: weights of method lsq must have 2 to 8 bits, not 1."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        METHODS["lsq"].load()(network, Request(1, 8, request.images))
