"""DDTB's formulas of training against float64 arithmetic of their own."""

import math

import numpy as np
import pytest
import torch

from gatewright.errors import InputError
from gatewright.quant.ddtb.bounds import (
    DYNAMIC,
    STATIC,
    BoundsQuant,
    Gate,
    bounded,
    percentile_weights,
    percentiles,
)
from gatewright.quant.ddtb.training import Recipe, structure_loss


def drawn(*shape: int, seed: int = 1, scale: float = 1.0) -> torch.Tensor:
    """Normal float64 numbers."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("lower", "upper"), [(-0.83, 1.91), (0.0, 2.5), (0.21, 1.3)])
def test_bounded_values_and_gradients(bits, lower, upper):
    """The published form with its offset of half the codes; gradients as derived by hand."""
    x = drawn(400).requires_grad_()
    l_, u = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (lower, upper))
    y = bounded(x, l_, u, bits)
    dy = drawn(400, seed=2)
    y.backward(dy)
    given = x.detach().numpy()
    clipped = np.clip(given, lower, upper)
    factor = (2**bits - 1) / (upper - lower)
    zero = np.rint(factor * lower) + 2 ** (bits - 1)
    expected = (np.rint(factor * clipped - zero) + zero) / factor
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    assert len(np.unique(np.rint(expected * factor))) <= 2**bits
    inside, rest = (given > lower) & (given < upper), (clipped - expected) / (upper - lower)
    g = dy.numpy()
    np.testing.assert_allclose(x.grad.numpy(), g * inside, atol=1e-12)
    np.testing.assert_allclose(u.grad.item(), (g * ((given >= upper) - rest)).sum())
    np.testing.assert_allclose(l_.grad.item(), (g * ((given <= lower) + rest)).sum())


def test_percentiles_are_numpys():
    """Linear between neighbours, over all elements."""
    x = drawn(3, 7, 5, 5).float()
    expected = np.percentile(x.numpy(), [1, 99])
    np.testing.assert_allclose([v.item() for v in percentiles(x)], expected, rtol=1e-6)


def test_weights_between_percentiles():
    """Clipped, on 2**bits numbers; gradients reach what is not clipped."""
    w = drawn(5, 4, 3, 3).requires_grad_()
    y = percentile_weights(w, 3)
    y.sum().backward()
    low, high = np.percentile(w.detach().numpy(), [1, 99])
    step = (high - low) / 7
    expected = np.rint(np.clip(w.detach().numpy(), low, high) / step) * step
    # A code may be one above the last where the least is rounded up: then it is the last of eight.
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=step * 1e-5)
    inside = (w.detach().numpy() > low) & (w.detach().numpy() < high)
    np.testing.assert_array_equal(w.grad.numpy() != 0, inside)


def gate_by_hand(gate: Gate, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and hidden activations of one batch in training, the first that the gate sees."""

    def two_bits(v):
        low, high = v.min(), v.max()
        factor = 3 / (high - low)
        return (np.rint(factor * v - np.rint(factor * low)) + np.rint(factor * low)) / factor

    def ternary(w):
        w = w.detach().numpy()[:, :, 0, 0]
        return np.rint(w / np.abs(w).max()) * np.abs(w).max()

    y = two_bits(x.mean((2, 3))) @ ternary(gate.first.weight).T
    y = (y - y.mean(0)) / np.sqrt(y.var(0) + gate.norm.eps)
    y = two_bits(np.maximum(y * gate.norm.weight.detach().numpy() + gate.norm.bias.detach().numpy(), 0))
    logits = y @ ternary(gate.second.weight).T
    return np.rint(np.clip(logits * 4, -8, 7)) / 4, y


def test_gate_and_its_gradient():
    """Means, two bits, ternary weights and batch norm; logits in quarters; no gradient to the image."""
    torch.manual_seed(3)
    gate = Gate(5).double()
    x = drawn(6, 5, 4, 4, seed=4).requires_grad_()
    logits = gate(x)
    r = drawn(6, 2, seed=5)
    (logits[:, :, 0, 0] * r).sum().backward()
    expected, hidden = gate_by_hand(gate, x.detach().numpy())
    np.testing.assert_allclose(logits.detach().numpy()[:, :, 0, 0], expected, atol=1e-9)
    assert len(np.unique(expected)) > 4
    assert x.grad is None
    np.testing.assert_allclose(gate.second.weight.grad[:, :, 0, 0].numpy(), r.numpy().T @ hidden, atol=1e-9)
    assert gate.first.weight.grad.abs().sum() > 0
    np.testing.assert_allclose(gate.ranges[1].numpy(), [0, gate.ranges[1, 1].item()])


def test_gate_ranges_are_averaged():
    """Over batches in training, not in evaluation."""
    torch.manual_seed(3)
    gate = Gate(2).double()
    first, second = drawn(8, 2, 3, 3, seed=6), drawn(8, 2, 3, 3, seed=7)
    gate(first)
    gate(second)
    gate.eval()(drawn(8, 2, 3, 3, seed=8) * 100)
    means = [v.mean((2, 3)) for v in (first, second)]
    expected = [0.9 * f(means[0]) + 0.1 * f(means[1]) for f in (torch.min, torch.max)]
    torch.testing.assert_close(gate.ranges[0], torch.stack(expected))


def test_dynamic_bounds_follow_the_gate():
    """Factors of 2 sigmoid(logit), the upper bound's first; static until the gate is in use."""
    torch.manual_seed(4)
    quant = BoundsQuant(3, 5).double()
    x = drawn(4, 5, 6, 6, seed=9)
    quant.collect(x)
    quant.add_gate()
    quant.gate.second.weight.data *= 20
    quant.mode = STATIC
    torch.testing.assert_close(quant(x), bounded(x, quant.lower, quant.upper, 3))
    quant.mode = DYNAMIC
    y = quant.eval()(x)
    logits = quant.gate(x).detach()
    assert logits.unique().numel() >= 2
    for image, found, (up, low) in zip(x, y, logits[:, :, 0, 0], strict=True):
        factors = [2 / (1 + math.exp(-v)) for v in (low, up)]
        expected = bounded(image, factors[0] * quant.lower, factors[1] * quant.upper, 3)
        torch.testing.assert_close(found, expected)


def test_structure_loss_is_its_formula():
    """Maps of mean squares over channels, each image's of length 1."""
    a, b = drawn(2, 3, 4, 5, seed=13), drawn(2, 3, 4, 5, seed=14)
    total = 0.0
    for i in range(2):
        maps = [(t[i].numpy() ** 2).mean(0) for t in (a, b)]
        maps = [m / math.sqrt((m**2).sum()) for m in maps]
        total += ((maps[0] - maps[1]) ** 2).sum()
    np.testing.assert_allclose(structure_loss(a, b).item(), total / 40)


def test_ranges_that_vary_most():
    """The variance of maxima plus that of minima, as numpy has it."""
    quant = BoundsQuant(4, 1)
    batches = [drawn(2, 1, 3, 3, seed=s) * s for s in range(1, 6)]
    for x in batches:
        quant.collect(x)
    expected = np.var([x.max() for x in batches]) + np.var([x.min() for x in batches])
    np.testing.assert_allclose(quant.intensity(), expected)
    np.testing.assert_allclose(quant.upper.item(), np.percentile(batches[0].numpy(), 99), rtol=1e-5)


def test_schedule():
    """Gates move bounds from the tenth on; the paper's 60 epochs have the sixth."""
    assert [Recipe(epochs=60).mode(e) for e in (2, 5, 6, 60)] == [STATIC, STATIC, DYNAMIC, DYNAMIC]
    assert [Recipe(epochs=4).mode(e) for e in (2, 3)] == [STATIC, DYNAMIC]
    assert Recipe(epochs=9, gate_from=99).mode(9) == STATIC
    with pytest.raises(InputError, match=(
        r"^ddtb: needs 2 epochs or more, batches of 2 images or more, and a share of dynamic quantizers in "
        r"\[0, 1\], not 1, 16 and 0\.3\.$"
    )):  # fmt: skip
        Recipe(epochs=1)
