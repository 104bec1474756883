"""DDTB's formulas against float64 and whole-number arithmetic of their own."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.errors import InputError
from gatewright.quant.ddtb.bounds import (
    DYNAMIC,
    STATIC,
    BoundsQuant,
    Gate,
    bounded,
    integer_conv,
    percentile_weights,
    percentiles,
    tables,
)
from gatewright.quant.ddtb.integers import CodeQuant, DynamicQuant, IntegerConv, as_multiplier
from gatewright.quant.ddtb.layers import FixedConv, FixedQuant
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


def test_scales_are_a_multiplier_and_a_shift():
    """At most 8 bits, and no other such number is nearer."""
    for scale in np.geomspace(1e-6, 40, 200):
        found = Fraction(as_multiplier(torch.tensor(scale, dtype=torch.float64)).item())
        shift = 7 - math.floor(math.log2(scale))
        multiplier = found * Fraction(2) ** shift
        assert multiplier.denominator == 1
        assert 128 <= multiplier <= 256
        assert abs(found - Fraction(scale)) <= Fraction(1, 2) / Fraction(2) ** shift


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


def test_tables_of_the_gate():
    """For each pair of logits: step, its inverse and the zero point, each of whole numbers."""
    lower, upper = -0.73, 1.31
    multipliers, zeros, steps = tables(torch.tensor(lower), torch.tensor(upper), 4)
    for values in (multipliers, steps):
        unit = 2.0 ** (math.floor(math.log2(values.max().item())) - 9)
        whole = values.double() / unit
        assert (whole == whole.round()).all()
        assert whole.min() >= 1
        assert whole.max() < 1024
    for code in range(256):
        up, low = ((v - 8) / 4 for v in divmod(code, 16))
        high, least = upper * 2 / (1 + math.exp(-up)), lower * 2 / (1 + math.exp(-low))
        step = steps[code].item()
        assert (
            abs(step - (high - least) / 15)
            <= 2.0 ** (math.floor(math.log2(steps.max().item())) - 10) * 1.0001
        )
        assert zeros[code].item() == round(least / step)
        error = 2.0 ** (math.floor(math.log2(multipliers.max().item())) - 10)
        assert abs(multipliers[code].item() - 1 / step) <= error * 1.0001


def test_deployed_dynamic_quantizer_is_whole_numbers():
    """Carrier, multiplier, zero point, clamp: by Python's integers and fractions."""
    torch.manual_seed(5)
    quant = BoundsQuant(3, 5)
    x = drawn(12, 5, 6, 6, seed=10).float() * torch.linspace(0.3, 2, 12)[:, None, None, None]
    quant.collect(x)
    quant.add_gate()
    quant.gate.second.weight.data *= 20
    quant.mode = DYNAMIC
    for _ in range(4):
        quant(x)
    integer = quant.deployed().eval()
    assert isinstance(integer, DynamicQuant)
    codes, index = integer(x)
    assert index.unique().numel() >= 3
    carrier = Fraction(integer.carrier.scale.item())
    assert carrier.numerator == 1
    for image, found, gate in zip(
        x.flatten(1)[:, ::7], codes.flatten(1)[:, ::7], index.flatten(), strict=True
    ):
        multiplier, zero = (exactly(t[gate]) for t in (integer.multipliers, integer.zeros))
        for value, code in zip(image.tolist(), found.tolist(), strict=True):
            fixed = min(max(round(Fraction(value) / carrier), -2048), 2047)
            expected = min(max(round(fixed * carrier * multiplier - zero), 0), 7) + zero
            assert code == expected
    # Close to what was trained: a code or so apart, as scales have few bits.
    with torch.no_grad():
        trained = quant.eval()(x)
    worth = codes * integer.steps[index]
    assert (worth - trained).abs().mean() < 0.1 * integer.steps[index].mean()


def exactly(value: torch.Tensor) -> Fraction:
    """A float as the fraction that it is."""
    return Fraction(value.item())


def test_deployed_static_quantizer_and_weights():
    """The grid's step is rounded to 8 bits, its least code is the lower bound's."""
    quant = BoundsQuant(4, 3)
    x = drawn(2, 3, 8, 8, seed=11).float()
    quant.collect(x)
    quant.mode = STATIC
    y, gate = quant.deployed()(x)
    assert gate is None
    assert y.unique().numel() == 16
    # Where the two grids' steps lie apart, a number between takes the neighbour.
    assert (y - quant(x)).abs().mean() < 0.05 * (quant.upper - quant.lower) / 15
    layer = nn.Conv2d(3, 5, 3, 2, 1)
    deployed = integer_conv(layer, 3)
    assert deployed.codes.unique().numel() == 8
    w = percentile_weights(layer.weight, 3)
    assert (deployed.codes * deployed.scale - w).abs().max() < 0.004 * w.abs().max()


def test_integer_conv_sums_exactly():
    """Float32 would round: sums need more than 24 bits."""
    layer = nn.Conv2d(64, 2, 3)
    codes = torch.randint(-127, 128, layer.weight.shape).float()
    conv = IntegerConv(codes, torch.tensor([0.375, 3.0]), layer)
    x = torch.randint(-2048, 2048, (1, 64, 3, 3)).float()
    sums = (x.long() * codes.long()).sum((1, 2, 3))
    assert sums.abs().max() < 2**26
    expected = sums.double().float() * torch.tensor([0.375, 3.0]) + layer.bias
    assert torch.equal(conv(x).flatten(), expected.detach())


def test_quantizer_of_codes():
    """Ties to even, signed and unsigned, with a least code above and below 0."""
    x = torch.tensor([-9.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.25, 9.0])
    for low, bits in ((-2, 2), (-1, 2), (1, 3), (-4, 3), (-9, 4)):
        # Unsigned codes count from the least, and ties go to the even one of these.
        start = 0 if low == -(2 ** (bits - 1)) else low
        codes = [round(Fraction(v) * 2 - start) + start for v in x.tolist()]
        expected = [min(max(c, low), low + 2**bits - 1) / 2 for c in codes]
        assert CodeQuant(torch.tensor(0.5), low, bits)(x).tolist() == expected


def test_fixed_layers_have_powers_of_two():
    """The one of three that errs least on the first batch; weights by output channel."""
    x = drawn(4, 3, 9, 9, seed=12).float().abs() ** 3
    quant = FixedQuant(8)
    quant(x)
    quant(x * 100)
    quant.mode = STATIC
    scale = quant.scale.item()
    assert math.log2(scale).is_integer()

    def error(s):
        return (torch.clamp(torch.round(x / s), 0, 255) * s - x).square().mean()

    assert error(scale) <= min(error(scale * 2), error(scale / 2))
    torch.testing.assert_close(quant(x), torch.clamp(torch.round(x / scale), 0, 255) * scale)
    torch.testing.assert_close(quant.deployed()(x), quant(x))
    conv = FixedConv(nn.Conv2d(3, 4, 3), 8)
    conv.mode = STATIC
    scales = conv.deployed().scale.flatten()
    assert torch.equal(torch.log2(scales), torch.log2(scales).round())
    torch.testing.assert_close(conv.deployed()(x), conv(x), rtol=1e-5, atol=1e-5)


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


def test_bounds_come_first():
    """A network that was never calibrated has none to deploy."""
    with pytest.raises(InputError, match=(
        r"^ddtb: a network must be trained before it is deployed, but has no bounds yet\.$"
    )):  # fmt: skip
        BoundsQuant(4, 3).deployed()
