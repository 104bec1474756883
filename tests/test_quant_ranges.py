"""How far quantizers reach: each rule against a formula of its own; scales of few bits, exact averages."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant.exact import SCALE_BITS, ExactAvgPool2d, short_scale, weight_limits
from gatewright.quant.network import of_module
from gatewright.quant.ptq.build import weight_scale
from gatewright.quant.ptq.observe import Steps, observe, related
from gatewright.quant.ptq.plan import Site
from gatewright.quant.ptq.ranges import BINS, PERCENTILE, RANGES, Observed, divergence, levels
from quant_networks import Residual, frames, seeded

RESIDUAL = seeded(Residual)


def seen(values):
    """What observation makes of these numbers, counted independently."""
    top = np.abs(values).max()
    histogram, _ = np.histogram(np.abs(values), bins=BINS, range=(0, top))
    return Observed(float(values.min()), float(values.max()), histogram.astype(np.float64))


def gaussian(signed):
    x = np.random.default_rng(3).standard_normal(20_000) * 1.7
    return x if signed else np.maximum(x, 0)


def test_observation_counts_what_there_is():
    network, x = of_module(RESIDUAL, frames(4)), frames(40)
    found = observe(network, ["stem"], x)["stem"]
    with torch.no_grad():
        values = RESIDUAL.stem(x).numpy().astype(np.float64)
    assert (found.low, found.high) == (values.min(), values.max())
    np.testing.assert_allclose(found.histogram.sum(), values.size)
    wanted = seen(values).histogram
    # float32 may put a value on an edge into the bin beside it.
    assert np.abs(np.cumsum(found.histogram) - np.cumsum(wanted)).max() <= 8


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_least_squares_range(bits, signed):
    """Within a fortieth of the least error that a fine search over the values themselves finds."""
    x = gaussian(signed)
    count = 2 ** (bits - 1) - 1 if signed else 2**bits - 1

    def error(reach):
        step = reach / count
        return (np.clip(np.round(x / step), -count if signed else 0, count) * step - x).var() + (
            (np.clip(np.round(x / step), -count if signed else 0, count) * step - x).mean() ** 2
        )

    best = min(error(r) for r in np.linspace(0.02, 1, 500) * np.abs(x).max())
    assert error(RANGES["mse"](seen(x), bits)) <= best * 1.025


def test_percentile_and_largest():
    x = gaussian(True)
    width = np.abs(x).max() / BINS
    assert RANGES["minmax"](seen(x), 8) == np.abs(x).max()
    assert abs(RANGES["percentile"](seen(x), 8) - np.quantile(np.abs(x), PERCENTILE)) < 40 * width
    assert (np.abs(x) <= RANGES["percentile"](seen(x), 8)).mean() >= PERCENTILE


@pytest.mark.parametrize(("kept", "groups"), [(64, 8), (100, 16), (128, 128)])
def test_divergence_is_the_formula(kept, groups):
    """KL(P || Q), bin by bin, in plain Python."""
    counts = np.random.default_rng(kept).integers(0, 50, 128).astype(np.float64)
    counts[[3, 40, 41]] = 0
    p = list(counts[:kept])
    p[-1] += sum(counts[kept:])
    q = [0.0] * kept
    for g in range(groups):
        mine = [i for i in range(kept) if i * groups // kept == g]
        filled = [i for i in mine if counts[i] > 0]
        for i in filled:
            q[i] = sum(counts[j] for j in mine) / len(filled)
    ps, qs = sum(p), sum(q)
    wanted = sum(a / ps * math.log(a / ps / max(b / qs, 1e-12)) for a, b in zip(p, q, strict=True) if a > 0)
    assert divergence(counts, kept, groups) == pytest.approx(wanted, rel=1e-12)


def test_information_loss_is_least_where_it_says():
    """No other number of bins loses less, of those that are tried; more bits reach further."""
    found = seen(gaussian(False))
    reach = {bits: RANGES["kl"](found, bits) for bits in (3, 8)}
    counts = found.histogram.reshape(2048, -1).sum(1)
    counts[0] = counts[1]
    for bits, value in reach.items():
        groups = levels(bits, False) + 1
        own = divergence(counts, round(value / found.largest * 2048), groups)
        step = max(groups // 2, 16)
        assert own == min(divergence(counts, i, groups) for i in range(max(groups, step), 2049, step))
    assert reach[3] < reach[8]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_weight_scales(bits):
    """Those of least error, by search of our own in float64; the largest clips nothing."""
    w = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(bits))
    low, high = weight_limits(bits)
    assert low == (-high if bits > 4 else -high - 1)
    largest = weight_scale(w, bits, 0, "minmax").reshape(6, 1)
    codes = (w.reshape(6, -1) / largest).numpy()
    assert codes.max() <= high + 1e-4
    assert codes.min() >= low - 1e-4
    found = weight_scale(w, bits, 0, "mse").reshape(6).double().numpy()
    for row, scale, top in zip(
        w.reshape(6, -1).double().numpy(), found, largest.numpy().ravel(), strict=True
    ):

        def error(step, row=row):
            return ((np.clip(np.round(row / step), low, high) * step - row) ** 2).sum()

        best = min(error(top * i / 100) for i in range(10, 101))
        assert error(scale) == pytest.approx(best, rel=1e-4)
    assert weight_scale(w, bits, None, "mse").numel() == 1


def test_short_scales_have_twelve_bits():
    """The nearest of them; products with codes of 8 bits are exact."""
    scales = torch.logspace(-12, 4, 500)
    found = short_scale(scales).double()
    mantissa, _ = torch.frexp(found)
    assert torch.equal(mantissa * 2**SCALE_BITS, torch.round(mantissa * 2**SCALE_BITS))
    assert ((found / scales.double() - 1).abs() <= 2.0**-SCALE_BITS).all()
    assert torch.equal((found * 255).float().double(), found * 255)
    assert short_scale(torch.tensor(0.0)) > 0


@pytest.mark.parametrize("include", [False, True])
def test_exact_average(include):
    """Torch's own average to float tolerance, with its rule for padding."""
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": include}
    x = frames(2, (3, 9, 10))
    torch.testing.assert_close(ExactAvgPool2d(**options).eval()(x), nn.AvgPool2d(**options)(x))


def test_related_scales_are_powers_of_two_apart():
    """The member of fewest bits keeps its own; others hardly lose."""
    sites = {n: Site(n, bits, family="a") for n, bits in (("x", 4), ("y", 8), ("z", 8))}
    sites["alone"] = Site("alone", 8, family="b")
    steps = {
        "x": Steps(0.3, False),
        "y": Steps(0.011, True),
        "z": Steps(0.9, True),
        "alone": Steps(0.7, True),
    }
    found = related(sites, steps)
    assert found["x"] == steps["x"]
    assert found["alone"] == steps["alone"]
    for name in ("y", "z"):
        assert math.log2(found[name].scale / 0.3).is_integer()
        assert 2**-0.75 <= steps[name].scale / found[name].scale <= 2**0.25
    assert found["y"].signed
