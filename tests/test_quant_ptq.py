"""Plain post-training quantization: where quantizers stand, corrections, integers equal to their modules."""

import numpy as np
import pytest
import torch
from torch import nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.ops import Lookup
from gatewright.errors import InputError
from gatewright.quant.exact import short_scale, weight_limits
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.ptq.bias import channel_means, correct_biases
from gatewright.quant.ptq.build import build, plain_weights
from gatewright.quant.ptq.noise import MOST_DB, alone, decibels, layer_sqnr
from gatewright.quant.ptq.observe import calibrated
from gatewright.quant.ptq.plan import plan
from gatewright.quant.ptq.prepare import prepare
from gatewright.quant.request import Request
from quant_networks import CASES, Branches, Residual, frames, seeded

RESIDUAL, BRANCHES = seeded(Residual), seeded(Branches)


def captured(module, count=64):
    return of_module(module, frames(count))


def ready(module=RESIDUAL, bits=(4, 4), **more):
    """A plan of a prepared network."""
    return plan(prepare(captured(module), frames(64)), *bits, **more)


def integers_equal(module, x):
    """The share of outputs of the integer graph that are the module's own, to the last bit of float32."""
    graph = gatewright.from_brevitas(module, x[:1])
    (q,) = evaluate(graph, graph.encodings[0].apply(x.numpy(), graph.inputs[0].type))
    with torch.no_grad():
        wanted = module(x).numpy()
    return float((graph.decodings[0].apply(q).astype(np.float32) == wanted).mean()), graph


# Each rule, each option, and each network, at widths of all kinds.
MADE = [
    ("minmax", "residual", (8, 8), ()),
    ("mse", "residual", (4, 4), ("equalize", "bias-correction")),
    ("percentile", "branches", (3, 5), ()),
    ("kl", "branches", (2, 2), ("bias-correction",)),
    ("mse", "sequence", (8, 8), ()),
    ("mse", "tokens", (6, 8), ("bias-correction",)),
    ("mse", "superresolution", (4, 6), ("equalize",)),
    ("kl", "preactivated", (5, 4), ("bias-correction",)),
    ("percentile", "dense", (7, 8), ("equalize",)),
]


@pytest.mark.parametrize(("rule", "name", "bits", "options"), MADE)
def test_integers_are_the_modules_own(rule, name, bits, options):
    """On frames that calibration has not seen, and twice as large; the float network stays as it is."""
    kind, shape = CASES[name]
    network = of_module(seeded(kind, shape), frames(64, shape))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    made = METHODS[rule].load()(network, Request(*bits, frames(64, shape), options=options))
    x = torch.cat([frames(48, shape, seed=11), 2 * frames(16, shape, seed=12)])
    share, _ = integers_equal(made, x)
    assert share == 1
    with torch.no_grad():
        assert made(x).unique().numel() > 30
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())


def test_falling_slopes_have_a_quantizer_in_front():
    """What falls on one side needs a table, whose operand must have few values."""
    torch.manual_seed(5)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.PReLU(8), nn.Conv2d(8, 4, 3), nn.LeakyReLU(-0.5)).eval()
    with torch.no_grad():
        module[1].weight[::3] = -0.2
    made = METHODS["mse"].load()(captured(module), Request(8, 8, frames(64)))
    share, _ = integers_equal(made, torch.cat([frames(16, seed=11), 4 * frames(8, seed=12)]))
    assert share == 1


def test_sums_need_no_tables():
    """Both operands are multiples of one unit."""
    made = METHODS["mse"].load()(captured(RESIDUAL), Request(4, 4, frames(64)))
    _, graph = integers_equal(made, frames(4))
    assert not any(isinstance(n.op, Lookup) for n in graph.nodes())


def test_more_bits_are_better():
    """Noise at the output falls with bits, and ranges of least error beat the largest value at few."""
    network, x = captured(RESIDUAL), frames(64)
    with torch.no_grad():
        wanted = RESIDUAL(x)

    def noise(name, bits):
        with torch.no_grad():
            return (METHODS[name].load()(network, Request(bits, bits, x))(x) - wanted).square().mean().item()

    found = [noise("mse", bits) for bits in (2, 3, 4, 8)]
    assert found == sorted(found, reverse=True)
    assert noise("mse", 3) < noise("minmax", 3)


# Preparation and plans.


def test_norms_join_their_layers():
    """In float64 nothing changes but by rounding to the layers' own type; the norm behind a product stays."""
    for module in (RESIDUAL, BRANCHES):
        double = of_module(module, frames(4)).double()
        network, x = prepare(double, frames(4).double()), frames(16).double()
        with torch.no_grad():
            torch.testing.assert_close(network(x), double(x), rtol=1e-9, atol=1e-9)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_equalisation_changes_nothing_but_ranges():
    """Outputs are equal in float64, and channels' ranges of neighbours are closer than before."""
    torch.manual_seed(4)
    first, second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 3)
    uneven = torch.logspace(-1.5, 1.5, 6)
    with torch.no_grad():
        first.weight *= uneven[:, None, None, None]
        second.weight /= uneven[:, None, None]
    double, x = of_module(nn.Sequential(first, nn.ReLU(), second), frames(4)).double(), frames(16).double()
    plain, equal = (prepare(double, x, equalize) for equalize in (False, True))
    with torch.no_grad():
        torch.testing.assert_close(equal(x), plain(x), rtol=1e-9, atol=1e-9)

    def spread(network):
        sizes = network.get_submodule("0").weight.detach().abs().amax((1, 2, 3))
        return (sizes.max() / sizes.min()).item()

    assert spread(plain) > 100
    assert spread(equal) < 5


def test_where_quantizers_stand():
    """Behind activations, at both operands of sums, in front of means; the ends have 8 bits."""
    made = ready()
    shallow = {"expand": 4, "depth": 4, "project": 4, "body": 4, "short": 4}
    assert {n: p.bits for n, p in made.layers.items()} == {"stem": 8, **shallow, "head": 8}
    behind = {n: made.layers[n].site for n in made.layers}
    assert behind["stem"] == "x"
    assert behind["body"] == behind["short"]
    assert {n: made.sites[behind[n]].bits for n in behind} == {"stem": 8, **shallow, "head": 8}
    # What no layer reads: operands of sums, and what the mean is of.
    others = {n: site.bits for n, site in made.sites.items() if n not in behind.values()}
    assert set(others.values()) == {8}
    assert {"project", "body", "short"} < set(others)
    assert len(others) == 4
    skip = made.sites[behind["expand"]].family
    assert made.sites["project"].family == skip
    assert made.sites["body"].family == made.sites["short"].family != skip
    assert [n for n, p in made.layers.items() if p.whole] == ["head"]


def test_bits_of_single_layers():
    made = ready(layer_bits={"depth": (3, 6), "body": (2, 5), "head": (4, 4)})
    assert (made.layers["depth"].bits, made.sites[made.layers["depth"].site].bits) == (3, 6)
    assert (made.layers["head"].bits, made.sites[made.layers["head"].site].bits) == (4, 4)
    # Its neighbour reads the same value with 4 bits.
    assert (made.layers["body"].bits, made.sites[made.layers["body"].site].bits) == (2, 5)
    with pytest.raises(InputError, match=r"^quantize: layers must be among stem, .*, head, not 'tail'\.$"):
        ready(layer_bits={"tail": (4, 4)})


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.ReLU()), r"the network must have a layer with weights, but has none\."),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
         r"layer '0' must pad with zeros, not 'reflect'\."),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(3)),
         r"pool '1' must have windows of one size, not \(8, 8\) to \(3, 3\)\. Choose an output size .*\."),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2, divisor_override=3)),
         r"pool '1' must divide by its window, not by a number\."),
    ],
)  # fmt: skip
def test_refused_networks(module, message):
    with pytest.raises(InputError, match=f"^quantize: {message}$"):
        ready(module)


def test_values_that_are_not_finite():
    x = frames(4)
    x[0, 0, 0, 0] = float("inf")
    with pytest.raises(InputError, match=r"^quantize: node '.*' must give finite values, but gave .*\.$"):
        METHODS["mse"].load()(captured(RESIDUAL), Request(4, 4, x))


# Corrections and noise.


def test_bias_correction_gives_mean_errors_back():
    """Layer by layer, what the float network's channels are on average, to the last layers' float steps."""
    made, x = ready(bits=(3, 3)), frames(64)
    steps, weights = calibrated(made, x, "mse"), plain_weights(made, "mse")
    plain, mended = build(made, steps, weights), build(made, steps, weights)
    correct_biases(made, mended, x)
    wanted = channel_means(made.network, made.layers, x)

    def errors(network):
        return {n: (channel_means(network, [n], x)[n] - wanted[n]).abs().max().item() for n in made.layers}

    before, after = errors(plain), errors(mended)
    assert all(after[name] < 0.05 * before[name] + 1e-3 for name in made.layers)
    with torch.no_grad():
        direct = RESIDUAL.stem_norm(RESIDUAL.stem(x)).double().mean((0, 2, 3))
    torch.testing.assert_close(wanted["stem"], direct, rtol=1e-4, atol=1e-5)


def test_noise_of_one_layer_alone():
    """Of the last layer: what integer weights and inputs of that layer make of the float input."""
    made, x = ready(bits=(4, 4)), frames(32)
    steps, weights = calibrated(made, x, "mse"), plain_weights(made, "mse")
    found = alone(made, steps, weights, x)
    assert list(found) == list(made.layers)
    head, step = RESIDUAL.head, steps[made.layers["head"].site]
    captured_input = {}
    hook = head.register_forward_pre_hook(lambda _, given: captured_input.update(x=given[0].double()))
    with torch.no_grad():
        wanted = RESIDUAL(x).double()
    hook.remove()
    codes = torch.round(captured_input["x"] / step.scale).clamp(-128 if step.signed else 0, 255)
    scale = short_scale(weights["head"].scale).double()
    w = torch.round(head.weight.double() / scale).clamp(*weight_limits(8)) * scale
    noise = ((codes * step.scale) @ w.T + head.bias.double() - wanted).square().sum().item()
    assert found["head"] == pytest.approx(decibels(wanted.square().sum().item(), noise), abs=0.05)
    assert found["body"] < found["head"]


def test_noise_through_the_network():
    """Against both networks run by hand; names that one of them lacks are left out."""
    x = frames(32)
    reference = prepare(captured(RESIDUAL), x)
    made = METHODS["mse"].load()(captured(RESIDUAL), Request(4, 4, x))
    found = layer_sqnr(reference, made, {"head": ("head", "head"), "gone": ("head", "nothing")}, x)
    with torch.no_grad():
        wanted, given = reference(x).double(), made(x).double()
    noise = (given - wanted).square().sum().item()
    assert found == {"head": pytest.approx(decibels(wanted.square().sum().item(), noise), abs=1e-9)}
    assert layer_sqnr(reference, nn.Sequential(nn.Flatten()), {"head": ("head", "head")}, x) == {}


def test_decibels():
    assert decibels(100.0, 1.0) == pytest.approx(20.0)
    assert decibels(1.0, 0.0) == MOST_DB
    assert decibels(0.0, 1.0) == -MOST_DB


# Requests.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits_w": 0}, r"bits_w must be 1 to 8 bits, not 0\."),
        ({"first_last_bits": 9}, r"first_last_bits must be 1 to 8 bits, not 9\."),
        ({"images": torch.zeros(3)}, r"images must be at least one frame \(N, \.\.\.\), not shape \(3,\)\."),
        ({"labels": torch.zeros(3)}, r"labels must be one for each of 4 images, not shape \(3,\)\."),
        ({"epochs": 0}, r"there must be at least 1 epoch, not 0\."),
    ],
)
def test_refused_requests(changes, message):
    with pytest.raises(InputError, match=f"^quantize: {message}$"):
        Request(**{"bits_w": 4, "bits_a": 4, "images": frames(4), **changes})


def test_bits_that_a_method_does_not_take():
    message = r"^quantize: weights of method mse must have 2 to 8 bits, not 1\.$"
    with pytest.raises(InputError, match=message):
        METHODS["mse"].load()(captured(RESIDUAL), Request(1, 4, frames(4)))
