"""DDTB's deployed form: scales, tables and layers against whole numbers and fractions."""

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
    integer_conv,
    percentile_weights,
    tables,
)
from gatewright.quant.ddtb.integers import CodeQuant, DynamicQuant, IntegerConv, as_multiplier
from gatewright.quant.ddtb.layers import FixedConv, FixedQuant


def drawn(*shape: int, seed: int = 1, scale: float = 1.0) -> torch.Tensor:
    """Normal float64 numbers."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


def test_scales_are_a_multiplier_and_a_shift():
    """At most 8 bits, and no other such number is nearer."""
    for scale in np.geomspace(1e-6, 40, 200):
        found = Fraction(as_multiplier(torch.tensor(scale, dtype=torch.float64)).item())
        shift = 7 - math.floor(math.log2(scale))
        multiplier = found * Fraction(2) ** shift
        assert multiplier.denominator == 1
        assert 128 <= multiplier <= 256
        assert abs(found - Fraction(scale)) <= Fraction(1, 2) / Fraction(2) ** shift


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


def exactly(value: torch.Tensor) -> Fraction:
    """A float as the fraction that it is."""
    return Fraction(value.item())


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


def test_a_carrier_behind_a_relu_has_no_negative_half():
    """A bit less, and the same numbers."""
    quant = BoundsQuant(3, 5)
    x = drawn(4, 5, 6, 6, seed=12).float().relu()
    quant.collect(x)
    quant.add_gate()
    quant.mode = DYNAMIC
    for _ in range(3):
        quant(x)
    whole, half = quant.deployed().eval(), quant.deployed(positive=True).eval()
    assert (half.carrier.low, half.carrier.bits) == (0, whole.carrier.bits - 1)
    # Beyond what training saw, both end at the same number.
    for values in (x, 3 * x):
        for ours, theirs in zip(half(values), whole(values), strict=True):
            assert torch.equal(ours, theirs)


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


def test_bounds_come_first():
    """A network that was never calibrated has none to deploy."""
    with pytest.raises(InputError, match=(
        r"^ddtb: a network must be trained before it is deployed, but has no bounds yet\.$"
    )):  # fmt: skip
        BoundsQuant(4, 3).deployed()
