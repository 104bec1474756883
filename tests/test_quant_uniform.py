"""Uniform quantizers whose steps learn, and what brings codes together, against LSQ in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compiler.frontends import from_brevitas
from gatewright.quant.qat.integer_layer import IntegerLayer, freeze
from gatewright.quant.qat.joins import QuantAdd, QuantAverage, QuantCat, QuantMul
from gatewright.quant.qat.uniform import QuantLayer, UniformQuant, UniformWeight, first_step
from trained_nets import gradients


def test_first_step():
    """Of the tried steps the one of the least squared error, for each row; never 0."""
    rng = np.random.default_rng(2)
    rows = np.concatenate([rng.normal(size=(3, 400)), np.zeros((1, 400))]) * [[1], [0.01], [50], [1]]
    found = first_step(torch.from_numpy(rows), -4, 3).numpy()
    assert found[3] == 1e-8
    for row, step in zip(rows[:3], found, strict=False):
        top = max(row.max() / 3, -row.min() / 4)
        tried = top * np.arange(4, 41) / 40
        errors = [((np.clip(np.rint(row / s), -4, 3) * s - row) ** 2).sum() for s in tried]
        assert step == pytest.approx(tried[int(np.argmin(errors))])
    long = torch.rand(1, 200_000)
    assert first_step(long, 0, 255).item() == pytest.approx(1 / 255, rel=0.05)


def test_uniform_quantizer():
    """LSQ in float64: values, the gradient of x within the range, and of the step times its gain."""
    torch.manual_seed(3)
    for signed in (False, True):
        quantizer = UniformQuant(3)
        x = torch.randn(5, 40) if signed else torch.rand(5, 40)
        quantizer(x)
        step, (lo, hi) = quantizer.step.double().item(), quantizer.limits
        assert (lo, hi) == ((-4, 3) if signed else (0, 7))
        x = torch.randn(5, 40) * 2
        v = x.double().numpy() / step
        codes = np.clip(np.rint(v), lo, hi)
        np.testing.assert_allclose(quantizer(x).detach(), codes * step, rtol=1e-5)
        np.testing.assert_array_equal(quantizer.frozen().codes(x), codes)
        upstream = torch.randn(x.shape)
        (found,) = gradients(quantizer, x, upstream=upstream)
        inside = (v > lo) & (v < hi)
        np.testing.assert_allclose(found, upstream.numpy() * inside, rtol=1e-5)
        of_step = np.where(inside, codes - v, np.clip(v, lo, hi))
        want = (upstream.double().numpy() * of_step).sum() * step / np.sqrt(40 * hi)
        assert quantizer.logarithm.grad.item() == pytest.approx(want, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_uniform_weights(per_channel):
    """The same of weights, with a step for each output or one."""
    torch.manual_seed(4)
    weight = torch.randn(3, 2, 5) * torch.tensor([0.1, 1, 9])[:, None, None]
    # Not of the very weights, some of which would lie on an end of the range.
    quantizer = UniformWeight(weight * 0.7, 3, per_channel)
    codes, step = quantizer.codes(weight)
    assert step.numel() == (3 if per_channel else 1)
    wide = np.broadcast_to(step.detach().double().numpy(), 3)[:, None, None]
    v = weight.double().numpy() / wide
    np.testing.assert_array_equal(codes, np.clip(np.rint(v), -4, 3))
    np.testing.assert_allclose(quantizer(weight).detach(), codes * wide, rtol=1e-5)
    upstream = torch.randn(weight.shape)
    (found,) = gradients(quantizer, weight, upstream=upstream)
    inside = (v > -4) & (v < 3)
    np.testing.assert_allclose(found, upstream.numpy() * inside, rtol=1e-5)
    of_step = upstream.double().numpy() * np.where(inside, np.rint(v) - v, np.clip(v, -4, 3)) * wide
    size = 10 if per_channel else 30
    sums = of_step.sum((1, 2)) if per_channel else of_step.sum(keepdims=True).ravel()
    np.testing.assert_allclose(quantizer.logarithm.grad, sums / np.sqrt(size * 3), rtol=1e-4, atol=1e-6)


def test_joins_are_those_of_their_codes():
    """Sums, joins and averages with one step for all; products with two."""
    torch.manual_seed(5)
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4) * 3
    for layer, floats in (
        (QuantAdd(8), lambda a, b: a + b),
        (QuantMul(8), lambda a, b: a * b),
        (QuantCat(8, 1), lambda a, b: torch.cat([a, b], 1)),
        (QuantAverage(8, nn.AvgPool2d(2)), lambda a, b: nn.functional.avg_pool2d(b, 2)),
    ):
        operands = {QuantCat: ([a, b],), QuantAverage: (b,)}.get(type(layer), (a, b))
        found = layer(*operands)
        assert (found - floats(a, b)).abs().max() < 0.25
        assert torch.equal(freeze(nn.ModuleList([layer]))[0](*operands), found)
        if not isinstance(layer, QuantMul):
            units = found.detach().double() / layer.quantizer.step.double().item()
            units = units * (4 if isinstance(layer, QuantAverage) else 1)
            assert (units - units.round()).abs().max() < 1e-3


def test_sums_beyond_float32():
    """Integer layers sum exactly where float32 does not, bias included; the graph too."""
    layer = nn.Linear(300, 1)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.weight[0, ::2] = -1
        layer.bias.fill_(3 / 255 / 127)
    trainable = QuantLayer(layer, UniformQuant(8), UniformWeight(layer.weight, 8, False), whole_bias=True)
    with torch.no_grad():
        trainable.weight_quant.logarithm.fill_(float(np.log(1 / 127)))
        trainable.quantizer(torch.ones(1, 300))
        trainable.quantizer.logarithm.fill_(float(np.log(1 / 255)))
    module = freeze(nn.Sequential(trainable))
    assert isinstance(module[0], IntegerLayer)
    module[0].weight[0, 0] = 2.0**24
    x = torch.rand(20, 300)
    codes = np.clip(np.rint(x.numpy() / module[0].quantizer.step.numpy()), 0, 255).astype(np.int64)
    sums = codes @ module[0].weight[0].numpy().astype(np.int64) + int(module[0].bias.item())
    assert np.abs(sums).max() > 2**24
    assert int(module[0].bias.item()) == 3
    want = sums.astype(np.float32) * module[0].factor.numpy()
    np.testing.assert_array_equal(module(x)[:, 0], want)
    found = from_brevitas(module, x[:1])
    np.testing.assert_allclose(
        found.decodings[0].apply(np.asarray(sums)[:, None]), want[:, None].astype(np.float64), rtol=1e-6
    )
