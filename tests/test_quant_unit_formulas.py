"""What unit-wise PTQ computes, against float64: formulas, gradients, and the second-order argument."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant.exact import quantizer
from gatewright.quant.network import of_module
from gatewright.quant.unit_graph import unit_of
from gatewright.quant.unit_rounding import (
    LearnedStep,
    RoundedLayer,
    exponent_at,
    rectified_sigmoid,
    rounding_start,
    undecided,
)
from gatewright.quant.unit_training import importance_of, unit_error


def slope(function, x: torch.Tensor, step: float = 1e-6) -> np.ndarray:
    """Central differences of a sum in float64, by each element of x."""
    result = np.zeros(x.numel())
    for i in range(x.numel()):
        up, down = x.clone().flatten(), x.clone().flatten()
        up[i] += step
        down[i] -= step
        result[i] = (function(up.reshape(x.shape)) - function(down.reshape(x.shape))).item() / (2 * step)
    return result.reshape(x.shape)


def gradient(function, x: torch.Tensor) -> np.ndarray:
    """The same by autograd."""
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(x), x)
    return found.numpy()


def test_rectified_sigmoid_and_its_gradient():
    """``clamp(1.2 s(v) - 0.1, 0, 1)`` by numpy, and by finite differences away from its corners."""
    v = torch.linspace(-6, 6, 41, dtype=torch.float64)
    expected = np.clip(1.2 / (1 + np.exp(-v.numpy())) - 0.1, 0, 1)
    np.testing.assert_allclose(rectified_sigmoid(v).numpy(), expected, atol=1e-12)
    assert expected.min() == 0
    assert expected.max() == 1
    found = gradient(lambda x: rectified_sigmoid(x).sum(), v)
    np.testing.assert_allclose(found, slope(lambda x: rectified_sigmoid(x).sum(), v), atol=1e-7)


def test_roundings_start_where_weights_are():
    """h of the start is the fraction itself."""
    fraction = torch.linspace(0, 0.999, 50, dtype=torch.float64)
    np.testing.assert_allclose(rectified_sigmoid(rounding_start(fraction)), fraction, atol=1e-12)


@pytest.mark.parametrize("exponent", [2.0, 7.5, 20.0])
def test_regulariser_and_its_gradient(exponent):
    """``sum(1 - |2 h - 1| ** exponent)``: 0 at 0 and 1, 1 at a half."""
    h = torch.tensor([0.0, 0.1, 0.37, 0.5, 0.71, 1.0], dtype=torch.float64)
    expected = (1 - np.abs(2 * h.numpy() - 1) ** exponent).sum()
    assert undecided(h, exponent).item() == pytest.approx(expected)
    assert undecided(torch.tensor([0.0, 1.0]), exponent) == 0
    assert undecided(torch.tensor([0.5]), exponent) == 1
    found = gradient(lambda x: undecided(x, exponent), h)
    np.testing.assert_allclose(found, slope(lambda x: undecided(x, exponent), h), atol=1e-5)


def test_the_exponent_anneals_behind_the_warm_up():
    """Off for a fifth, then from 20 straight to 2."""
    assert [exponent_at(i, 100) for i in (0, 19)] == [None, None]
    assert exponent_at(20, 100) == 20
    assert exponent_at(60, 100) == pytest.approx(11)
    assert exponent_at(99, 100) == pytest.approx(20 - 18 * 79 / 80)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.Linear(5, 3), nn.ConvTranspose2d(2, 3, 2, 2, bias=False)],
    ids=lambda m: type(m).__name__,
)
def test_rounded_layers(layer):
    """Soft weights by the formula, soft at the start the float layer's where none is clipped, hard whole."""
    layer = layer.double()
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    dims = [d for d in range(layer.weight.dim()) if d != axis]
    scale = layer.weight.detach().abs().amax(dims, keepdim=True) / 3.5
    twin = RoundedLayer(layer, scale, 3)
    x = torch.randn((2, 2, 4, 4) if layer.weight.dim() == 4 else (2, 5), dtype=torch.float64)
    np.testing.assert_allclose(twin(x).detach(), layer(x).detach())
    with torch.no_grad():
        twin.v += torch.randn_like(twin.v)
    w, s, v = layer.weight.detach().numpy(), scale.numpy(), twin.v.detach().numpy()
    h = np.clip(1.2 / (1 + np.exp(-v)) - 0.1, 0, 1)
    twin.mode = "soft"
    np.testing.assert_allclose(twin.codes().detach(), np.clip(np.floor(w / s) + h, -4, 3), atol=1e-12)
    twin.mode = "hard"
    np.testing.assert_array_equal(twin.codes().detach(), np.clip(np.floor(w / s) + (h >= 0.5), -4, 3))
    plain = torch.func.functional_call(layer, {"weight": twin.codes() * scale}, (x,))
    np.testing.assert_array_equal(twin(x).detach(), plain.detach())


@pytest.mark.parametrize(("low", "high"), [(-8, 7), (0, 15)])
def test_learned_steps_and_their_gradients(low, high):
    """LSQ's forward and gradients by numpy; a step's quantizer is what it is exported as."""
    x = torch.linspace(-3, 5, 257, dtype=torch.float64)
    module = LearnedStep(0.25, low, high)
    x.requires_grad_()
    given = torch.randn(257, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    module(x).backward(given)
    u, g = x.detach().numpy() / 0.25, given.numpy()
    inside = (u >= low) & (u <= high)
    by_step = np.where(inside, np.rint(u) - u, np.clip(u, low, high))
    np.testing.assert_allclose(x.grad.numpy(), g * inside, atol=1e-12)
    # The parameter is a share of the step that it began with.
    assert module.ratio.grad.item() == pytest.approx(0.25 * (g * by_step).sum(), rel=1e-5)
    exact = quantizer(0.25, (high - low).bit_length(), low < 0)
    np.testing.assert_allclose(module(x).detach(), exact(x.detach().float()).detach(), atol=1e-6)
    module.enabled = False
    np.testing.assert_array_equal(module(x).detach(), x.detach())


@pytest.mark.parametrize("power", [2.0, 2.4])
def test_unit_error_and_its_gradient(power):
    """Summed over outputs and channels, relative to the targets, channels weighed."""
    draw = torch.Generator().manual_seed(2)
    shapes = {"a": (3, 2, 4), "b": (3, 5)}
    found = {k: torch.randn(s, generator=draw, dtype=torch.float64) for k, s in shapes.items()}
    target = {k: torch.randn(s, generator=draw, dtype=torch.float64) for k, s in shapes.items()}
    weights = {"a": torch.rand((1, 2, 1), generator=draw, dtype=torch.float64)}
    expected = 0
    for k in shapes:
        error = np.abs(found[k].numpy() - target[k].numpy()) ** power
        error = error * weights[k].numpy() if k in weights else error
        expected += error.mean() * shapes[k][1] / (target[k].numpy() ** 2).mean() ** (power / 2)
    assert unit_error(found, target, weights, power).item() == pytest.approx(expected)

    def by_a(a):
        return unit_error({**found, "a": a}, target, weights, power)

    np.testing.assert_allclose(gradient(by_a, found["a"]), slope(by_a, found["a"]), atol=1e-6)


def test_an_output_that_is_zero_has_an_error():
    """Of no size that it could be relative to."""
    zero = {"a": torch.zeros(2, 3)}
    assert unit_error({"a": torch.ones(2, 3)}, zero, {}).item() == 3
    assert unit_error(zero, zero, {}).item() == 0


@pytest.mark.parametrize("classes", [True, False])
def test_importance_is_the_diagonal_of_fishers_matrix(classes):
    """Behind a unit lies one linear layer: its Gauss-Newton diagonal in closed form, which draws approach."""
    torch.manual_seed(3)
    last = nn.Linear(4, 3)
    network = of_module(nn.Sequential(nn.Linear(5, 4), last), torch.randn(2, 5))
    first, second = (n for n in network.graph.nodes if n.op == "call_module")
    z = torch.randn(50, 4)
    draw = torch.Generator().manual_seed(4)
    found = importance_of(network, unit_of([second]), {first: z}, classes, draw, draws=800)[first]
    w = last.weight.detach().double().numpy()
    if classes:
        logits = z.double().numpy() @ w.T + last.bias.detach().double().numpy()
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        exact = np.mean([np.diag(w.T @ (np.diag(q) - np.outer(q, q)) @ w) for q in p], axis=0)
    else:
        exact = (w**2).sum(0)
    assert found.shape == (1, 4)
    np.testing.assert_allclose(found[0], exact / exact.mean(), rtol=0.05)


def test_the_unit_error_holds_the_cross_terms():
    """Two layers moved together: the unit's error is the whole quadratic form, not its diagonal blocks."""
    torch.manual_seed(5)
    first, second = nn.Linear(6, 8).double(), nn.Linear(8, 4).double()
    x = torch.randn(40, 6, dtype=torch.float64)

    def output(w1, w2):
        hidden = torch.nn.functional.softplus(nn.functional.linear(x, w1, first.bias))
        return nn.functional.linear(hidden, w2, second.bias)

    weights = (first.weight.detach(), second.weight.detach())
    moves = tuple(torch.randn_like(w) for w in weights)
    target = output(*weights)
    parts = []
    for i in (0, 1):
        still = [torch.zeros_like(m) if j != i else m for j, m in enumerate(moves)]
        parts.append(torch.autograd.functional.jvp(output, weights, tuple(still))[1])
    size = target.shape[1] / target.square().mean()
    diagonal = sum((p * p).mean() for p in parts) * size
    whole = diagonal + 2 * (parts[0] * parts[1]).mean() * size
    assert abs(whole - diagonal) > 0.05 * diagonal
    misses = []
    for e in (1e-2, 1e-3):
        moved = output(*(w + e * m for w, m in zip(weights, moves, strict=True)))
        misses.append(abs(unit_error({"z": moved}, {"z": target}, {}).item() / e**2 - whole.item()))
    assert misses[0] < 0.05 * whole
    assert misses[1] < 0.15 * misses[0]
