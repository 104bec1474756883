"""Adder layers for torch against their formulas in float64, element by element."""

import re

import numpy as np
import pytest
import torch

from gatewright.errors import InputError
from gatewright.quant import adder_function
from gatewright.quant.adder import AdderConv2d, AdderLinear, scale_adder_gradients
from gatewright.quant.adder_function import AdderConv2dFunction, Window, input_gradient, negative_distances

WINDOWS = {
    "plain": Window((3, 3)),
    "padded": Window((3, 3), pads=(1, 1, 1, 1)),
    "uneven": Window((2, 3), strides=(2, 1), pads=(1, 0, 2, 1)),
    "dilated": Window((3, 2), strides=(1, 2), pads=(0, 2, 0, 0), dilations=(2, 3)),
}


def definition(x, w, window, grad):
    """Outputs and both gradients of AdderNet's convolution, tap by tap in float64."""
    (top, left, bottom, right), (sh, sw), (dh, dw) = window.pads, window.strides, window.dilations
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kh, kw = window.kernel
    oh = (padded.shape[2] - dh * (kh - 1) - 1) // sh + 1
    ow = (padded.shape[3] - dw * (kw - 1) - 1) // sw + 1
    y, dx, dw_ = np.zeros((len(x), len(w), oh, ow)), np.zeros_like(padded), np.zeros_like(w)
    for i, j, u, v in np.ndindex(oh, ow, kh, kw):
        place = (slice(None), slice(None), i * sh + u * dh, j * sw + v * dw)
        difference = padded[place][:, None] - w[:, :, u, v]  # (N, M, C)
        y[:, :, i, j] -= np.abs(difference).sum(2)
        if grad is not None:
            g = grad[:, :, i, j, None]
            dw_[:, :, u, v] += (g * difference).sum(0)
            dx[place] += (g * np.clip(-difference, -1, 1)).sum(1)
    inner = (slice(None), slice(None), slice(top, top + x.shape[2]), slice(left, left + x.shape[3]))
    return y, dx[inner], dw_


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_convolution_and_gradients(window):
    """Forward, full-precision weight gradient, clipped input gradient."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 9, 8)) * 2, rng.normal(size=(4, 3, *window.kernel))
    y = definition(x, w, window, None)[0]
    grad = rng.normal(size=y.shape)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    ty = AdderConv2dFunction.apply(tx, tw, window, 50)
    ty.backward(torch.from_numpy(grad))
    for got, want in zip((ty, tx.grad, tw.grad), definition(x, w, window, grad), strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=0, atol=1e-12)


def test_linear_and_gradients():
    """The layer over the last axis of any tensor."""
    rng = np.random.default_rng(1)
    layer = AdderLinear(5, 4, bias=True).double()
    x = torch.tensor(rng.normal(size=(3, 2, 5)) * 2, requires_grad=True)
    grad = rng.normal(size=(3, 2, 4))
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
    y = layer(x)
    y.backward(torch.from_numpy(grad))
    w, values = layer.weight.detach().numpy(), x.detach().numpy()
    difference = values[:, :, None] - w
    want = -np.abs(difference).sum(3) + layer.bias.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=0, atol=1e-12)
    want = (grad[..., None] * np.clip(-difference, -1, 1)).sum(2)
    np.testing.assert_allclose(x.grad.numpy(), want, rtol=0, atol=1e-12)
    want = (grad[..., None] * difference).sum((0, 1))
    np.testing.assert_allclose(layer.weight.grad.numpy(), want, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.bias.grad.numpy(), grad.sum((0, 1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("taps", [adder_function.LONG_ROW - 1, adder_function.LONG_ROW + 3])
@pytest.mark.parametrize("chunk", [1, 300, None])
def test_chunks_change_nothing(taps, chunk):
    """Short and long rows, split anyhow, give the exact sums of integers."""
    rng = np.random.default_rng(2)
    x, w = rng.integers(-128, 128, (7, taps)), rng.integers(-128, 128, (3, taps))
    g = rng.integers(-9, 10, (7, 3))
    tx, tw, tg = (torch.tensor(a, dtype=torch.float32) for a in (x, w, g))
    difference = x[:, None] - w
    assert np.array_equal(negative_distances(tx, tw, chunk).numpy(), -np.abs(difference).sum(2))
    want = (g[:, :, None] * np.clip(-difference, -1, 1)).sum(1)
    assert np.array_equal(input_gradient(tg, tx, tw, chunk).numpy(), want)


def test_memory_is_bounded(monkeypatch):
    """No buffer grows with rows times filters times taps."""
    sizes = []
    real = torch.Tensor.new_empty
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda t, *s: sizes.append(np.prod(s)) or real(t, *s))
    negative_distances(torch.zeros(1000, 70), torch.zeros(10, 70), 7000)
    assert sizes == [1000 * 10, 7000]


def test_only_wanted_gradients():
    """The first layer needs none for its images; frozen weights need none."""
    layer = AdderConv2d(1, 2, 3)
    layer(torch.rand(1, 1, 4, 4)).sum().backward()
    assert layer.weight.grad is not None
    layer.weight.requires_grad_(False).grad = None
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


def test_arguments_of_the_convolution():
    """Strides, padding and dilation as in torch, bias per channel, and how it prints."""
    layer = AdderConv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=True).double()
    with torch.no_grad():
        layer.bias.copy_(torch.arange(3))
    x = torch.randn(2, 2, 7, 6, dtype=torch.float64)
    window = Window((3, 2), (2, 1), (1, 2, 1, 2), (1, 2))
    want = definition(x.numpy(), layer.weight.detach().numpy(), window, None)[0] + np.arange(3)[:, None, None]
    np.testing.assert_allclose(layer(x).detach().numpy(), want, rtol=0, atol=1e-12)
    assert repr(layer) == (
        "AdderConv2d(2, 3, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=True)"
    )
    assert repr(AdderLinear(4, 2)) == "AdderLinear(4, 2, bias=False)"


def test_layerwise_step():
    """Every adder layer's gradient gets the root mean square eta; other layers keep theirs."""
    net = torch.nn.Sequential(
        AdderConv2d(1, 2, 3), torch.nn.Flatten(), AdderLinear(8, 3), torch.nn.Linear(3, 2)
    )
    net(torch.rand(5, 1, 4, 4) * 50).square().sum().backward()
    before = [net[i].weight.grad.clone() for i in (0, 2, 3)]
    scale_adder_gradients(net, 0.1)
    for layer, old in zip((net[0], net[2]), before, strict=False):
        new = layer.weight.grad
        assert new.square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-5)
        torch.testing.assert_close(new / new.norm(), old / old.norm())
    assert torch.equal(net[3].weight.grad, before[2])


def test_layerwise_step_of_no_gradient():
    """A gradient of zeros stays so; a layer without one is left alone."""
    layer = AdderLinear(3, 2)
    scale_adder_gradients(layer)
    assert layer.weight.grad is None
    layer.weight.grad = torch.zeros(2, 3)
    scale_adder_gradients(layer)
    assert torch.equal(layer.weight.grad, torch.zeros(2, 3))
    message = "adder: eta must be positive, not 0. Use 0.1 to 0.2."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        scale_adder_gradients(layer, 0)
