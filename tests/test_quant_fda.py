"""FDA-BNN and plain binary networks: gradients against series in float64, noise that fades, integers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compiler.frontends import from_brevitas
from gatewright.compiler.ir.ops import Conv2d, MatMul, Pad
from gatewright.quant.fda import FREQUENCY, NoiseAdaptation, noise_share, set_epoch, terms_at
from gatewright.quant.methods import METHODS
from gatewright.quant.qat.binary import (
    BORDER,
    BinaryInput,
    BinaryWeight,
    binary_layer,
    clipped,
    fourier,
    sign,
)
from gatewright.quant.qat.integer_layer import freeze
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from trained_nets import beyond, digits, equal_graph, gradients, residual_net, trained


def series(x: np.ndarray, terms: int, frequency: float) -> np.ndarray:
    """4/pi * sum_{i=0..n} sin((2i+1) w x) / (2i+1)."""
    odd = 2 * np.arange(terms + 1) + 1
    return 4 / math.pi * (np.sin(odd * frequency * x[:, None]) / odd).sum(1)


@pytest.mark.parametrize("terms", [0, 1, 9, 18])
@pytest.mark.parametrize("frequency", [FREQUENCY, 1.0])
def test_slope_is_the_series_derivative(terms, frequency):
    """Against differences of the series and against its sum of cosines; 0 where |x| > 1."""
    x = np.linspace(-1.5, 1.5, 601)
    found = fourier(terms, frequency)(torch.from_numpy(x)).numpy()
    inside, h = np.abs(x) <= 1, 1e-5
    want = (series(x + h, terms, frequency) - series(x - h, terms, frequency)) / (2 * h)
    np.testing.assert_allclose(found[inside], want[inside], atol=1e-6)
    odd = 2 * np.arange(terms + 1) + 1
    want = 4 * frequency / math.pi * np.cos(odd * frequency * x[:, None]).sum(1)
    np.testing.assert_allclose(found[inside], want[inside], atol=1e-9)
    assert not found[~inside].any()


def test_slope_near_zero():
    """4 w (n + 1) / pi, from 1.27 to 2.42 with the paper's numbers; in float32 without a division by 0."""
    tiny = torch.tensor([0.0, 1e-30, -1e-12, 1e-5, 1e-3])
    for terms, want in ((9, 1.2732), (18, 2.4192)):
        found = fourier(terms, 0.1)(tiny)
        np.testing.assert_allclose(found, 4 * 0.1 * (terms + 1) / math.pi, rtol=1e-4)
        assert found[0].item() == pytest.approx(want, abs=1e-4)


def test_sign():
    """+1 at 0 and at -0; the gradient is the upstream's times the slope."""
    x = torch.tensor([-2.0, -0.5, -0.0, 0.0, 0.5, 2.0])
    assert sign(x, clipped).tolist() == [-1, -1, 1, 1, 1, 1]
    (found,) = gradients(lambda t: sign(t, clipped), x, upstream=torch.arange(1.0, 7))
    assert found.tolist() == [0, 2, 3, 4, 5, 0]
    (found,) = gradients(lambda t: sign(t, fourier(9, 0.1)), x, upstream=torch.arange(1.0, 7))
    np.testing.assert_allclose(found, torch.arange(1.0, 7) * fourier(9, 0.1)(x))


@pytest.mark.parametrize("per_channel", [False, True])
def test_weights(per_channel):
    """Signs times a mean magnitude, a layer's or an output's, through which no gradient flows."""
    torch.manual_seed(2)
    weight = torch.randn(4, 3, 3, 3)
    weight[0, 0, 0, 0] = 0
    quantizer = BinaryWeight(fourier(9, 0.1), per_channel)
    w = weight.double().numpy()
    sizes = np.abs(w).reshape(4, -1).mean(1) if per_channel else np.abs(w).mean(keepdims=True)[0, 0, 0]
    want = np.where(w >= 0, 1, -1) * np.broadcast_to(sizes, 4)[:, None, None, None]
    np.testing.assert_allclose(quantizer(weight), want, rtol=1e-6)
    codes, scale = quantizer.codes(weight)
    np.testing.assert_array_equal(codes, np.where(w >= 0, 1, -1))
    np.testing.assert_allclose(scale, sizes, rtol=1e-6)
    upstream = torch.randn(weight.shape)
    (found,) = gradients(quantizer, weight, upstream=upstream)
    slope = (series((w + 1e-6).ravel(), 9, 0.1) - series((w - 1e-6).ravel(), 9, 0.1)).reshape(w.shape) / 2e-6
    slope = np.where(np.abs(w) <= 1, slope, 0) * np.abs(want)
    np.testing.assert_allclose(found, upstream.numpy() * slope, rtol=1e-4, atol=1e-6)


def test_schedules():
    """n from 9 to 18, the noise from near 0.1 to 0."""
    assert [terms_at(e, 10) for e in range(10)] == list(range(9, 19))
    assert terms_at(0, 1) == 9
    shares = [noise_share(e, 7) for e in range(7)]
    np.testing.assert_allclose(shares, 0.05 * (1 + np.cos(np.pi * np.arange(1, 8) / 7)), atol=1e-15)
    assert shares[-1] == 0
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_noise(axis):
    """share * (FC2(relu(FC1(x))) + sin(x) / 10) for each pixel's channels or each filter's weights."""
    torch.manual_seed(3)
    x = torch.randn(4, 130, 3, 2) if axis == 1 else torch.randn(5, 26, 5)
    noise = NoiseAdaptation(130, axis)
    noise.share = 0.04
    first, second = (m.weight.detach().double().numpy() for m in (noise.first, noise.second))
    assert first.shape == (2, 130)
    flat = x.double().numpy()
    flat = flat.transpose(0, 2, 3, 1).reshape(-1, 130) if axis == 1 else flat.reshape(5, 130)
    want = 0.04 * (np.maximum(flat @ first.T, 0) @ second.T + 0.1 * np.sin(flat))
    found = noise(x).detach()
    found = found.movedim(1, -1).reshape(-1, 130) if axis == 1 else found.reshape(5, 130)
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-7)


def test_noise_is_added_in_training_alone():
    """Signs and noise while training, signs in evaluation and in what is exported; padding is -1."""
    torch.manual_seed(4)
    slope = fourier(9, 0.1)
    given = nn.Conv2d(6, 3, 3, padding=1, bias=False)
    noisy = BinaryInput(slope, noise=NoiseAdaptation(6, 1))
    layer = binary_layer(given, noisy, BinaryWeight(slope, False, noise=NoiseAdaptation(54, 0)))
    set_epoch(layer, 0, 4)
    x = torch.randn(2, 6, 5, 5)
    noise = layer.quantizer.noise(x)
    assert noise.abs().max() > 1e-3
    torch.testing.assert_close(layer.quantizer(x), sign(x, slope) + noise)
    scale = given.weight.abs().mean()
    weights = (sign(given.weight, slope) + layer.weight_quant.noise(given.weight)) * scale
    torch.testing.assert_close(layer.weight_quant(given.weight), weights)
    layer.eval()
    assert torch.equal(layer.quantizer(x), sign(x, slope))
    padded = np.pad(np.where(x.numpy() >= 0, 1, -1), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)
    w = np.where(given.weight.detach().numpy() >= 0, 1, -1)
    sums = sum(
        np.einsum("nchw,mc->nmhw", padded[:, :, i : i + 5, j : j + 5], w[:, :, i, j])
        for i, j in np.ndindex(3, 3)
    )
    np.testing.assert_allclose(layer(x).detach(), sums * scale.item(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(freeze(nn.Sequential(layer))(x), (sums * scale.item()).astype(np.float32))


@pytest.mark.parametrize(("name", "least"), [("fda-bnn", 0.75), ("ste-bnn", 0.75)])
def test_trained_network_is_its_integers(name, least):
    """Bipolar on both sides of every inner product, borders of -1, and the module's floats on every input."""
    (images, labels), test = digits()
    network = trained(residual_net(), images, labels)
    module = METHODS[name].load()(network, Request(1, 1, images, labels, epochs=8))
    assert accuracy(module, *test) > least
    graph = equal_graph(module, torch.cat([test[0], beyond(images)]))
    layers = [n for n in graph.nodes() if isinstance(n.op, Conv2d | MatMul)]
    assert all(v.type.dtype.bipolar for n in layers[1:-1] for v in n.inputs)
    assert {n.op.value for n in graph.nodes() if isinstance(n.op, Pad)} == {BORDER}
    assert not any(isinstance(m, NoiseAdaptation) for m in module.modules())


def test_same_seed_same_network():
    """The noise's own weights come from the request's seed, whatever was drawn before."""
    images, labels = (t[:128] for t in digits()[0])
    network = trained(residual_net(width=4), images, labels, epochs=1)
    first, second, other = (
        METHODS["fda-bnn"].load()(network, Request(1, 1, images, labels, epochs=2, seed=seed))
        for seed in (3, 3, 4)
    )
    torch.rand(1)
    with torch.no_grad():
        assert torch.equal(first(images), second(images))
        assert not torch.equal(first(images), other(images))


def test_one_dimension():
    """1-D convolutions take borders of -1 too."""
    torch.manual_seed(6)
    net = nn.Sequential(
        nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(),
        nn.Conv1d(4, 6, 5, padding=2, stride=2), nn.BatchNorm1d(6), nn.ReLU(),
        nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    signal = torch.rand(64, 1, 16)
    labels = signal[:, 0].reshape(64, 16)[:, :3].argmax(1)
    network = trained(net, signal, labels, epochs=1)
    module = METHODS["ste-bnn"].load()(network, Request(1, 1, signal, labels, epochs=1))
    equal_graph(module, signal)
    assert any(isinstance(n.op, Pad) for n in from_brevitas(module, signal[:1]).nodes())
