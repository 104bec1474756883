"""Adder networks quantized after training: what each method rounds, clips and keeps."""

import re

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Uint8ActPerTensorFloat
from torch import nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.errors import InputError
from gatewright.quant.adder import AdderConv2d, AdderLinear
from gatewright.quant.adder_ptq import (
    GroupedAdder,
    adder_quant,
    cluster,
    input_ranges,
    shared_scale,
    unsigned,
)
from gatewright.quant.frozen_norm import freeze_norms


def network() -> nn.Sequential:
    """Two adder layers behind ReLUs, with trained-looking batch norms, in evaluation mode."""
    torch.manual_seed(7)
    net = nn.Sequential(
        AdderConv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        AdderLinear(72, 6, bias=True), nn.BatchNorm1d(6),
    )  # fmt: skip
    with torch.no_grad():
        net[0].weight.mul_(torch.linspace(0.2, 3, 8)[:, None, None, None])
        net[1].weight.normal_()
        net[5].bias.normal_()
        for _ in range(30):
            net(torch.rand(64, 1, 8, 8))
    return net.eval()


@pytest.fixture
def net():
    """A fresh network."""
    return network()


@pytest.fixture
def images():
    """A batch of images in [0, 1]."""
    torch.manual_seed(8)
    return torch.rand(40, 1, 8, 8)


def test_ranges_are_percentiles(net, images):
    """The greatest over batches of each batch's percentile; all of it at 1."""
    halves = images.split(20)
    got = input_ranges(net, halves, 0.9)
    assert set(got) == {"0", "5"}
    assert got["0"] == max(np.sort(h.numpy().ravel())[int(np.ceil(0.9 * h.numel())) - 1] for h in halves)
    hidden = net[:5](images).detach().numpy()
    assert input_ranges(net, halves, 1.0)["5"] == hidden.max()
    assert got["5"] < hidden.max()
    assert not net[0]._forward_pre_hooks


def test_ranges_of_signed_inputs(net):
    """Magnitudes count, and other kinds of layers where they are asked for."""
    assert input_ranges(net, [torch.full((2, 1, 8, 8), -3.0)], 1.0)["0"] == 3
    dense = nn.Sequential(nn.Linear(2, 2))
    assert input_ranges(dense, [torch.ones(1, 2)], kinds=(nn.Linear,)) == {"0": 1.0}


def steps(values: torch.Tensor, scale: float) -> np.ndarray:
    """Whole steps, int64."""
    return np.rint(values.detach().numpy() / np.float32(scale)).astype(np.int64)


def distances(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """-sum |x - w| of rows."""
    return -np.abs(x[:, None] - w).sum(2)


def rows(bits: int) -> tuple[AdderLinear, torch.Tensor]:
    """A layer of filters of several sizes, and inputs from 0 to 2."""
    torch.manual_seed(bits)
    layer = AdderLinear(9, 6).eval()
    with torch.no_grad():
        layer.weight.mul_(torch.tensor([0.1, 3, 0.1, 1, 3, 1])[:, None])
    return layer, torch.rand(30, 9) * 2


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("of", ["input", "weights"])
def test_shared_scale(bits, of):
    """Both operands are symmetric in bits of one scale; what lies outside is lost."""
    layer, x = rows(bits)
    limit = 1.5 if of == "input" else layer.weight.abs().max().item()
    scale, most = limit / (2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1
    got = shared_scale(layer, {"": 1.5}, bits, of)(x)
    q = [np.clip(steps(v, scale), -most, most) for v in (x, layer.weight)]
    assert np.array_equal(steps(got, scale), distances(*q))


@pytest.mark.parametrize("bits", [8, 4])
def test_unsigned(bits):
    """Inputs are clipped to [0, A]; weights keep what lies outside as a constant."""
    layer, x = rows(bits)
    scale = 1.5 / (2**bits - 1)
    q = np.clip(steps(x, scale), 0, 2**bits - 1)
    model = unsigned(layer, {"": 1.5}, bits)
    assert np.array_equal(steps(model(x), scale), distances(q, steps(layer.weight, scale)))
    w = model.quant_weight()
    assert not w.signed
    assert w.value.min() == 0


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("signed", [True, False])
def test_adder_quant(bits, signed):
    """Each group in its own steps, outputs in their own places."""
    layer, x = rows(bits)
    model = adder_quant(layer, {"": 1.5}, bits, 3, signed)
    assert isinstance(model, GroupedAdder)
    got = model(x)
    for filters in ([0, 2], [3, 5], [1, 4]):
        w = layer.weight[filters]
        scale = min(1.5, w.abs().max().item()) / (2**bits - 1)
        q = np.clip(steps(x, scale), 0, 2**bits - 1)
        ratio = 2 if signed else 1
        low, high = (-(2**bits), 2**bits - 2) if signed else (0, 2**bits - 1)
        whole = steps(w, scale * ratio) * ratio
        kept = np.clip(whole, low, high)
        want = distances(q, kept) - np.abs(whole - kept).sum(1)
        assert np.array_equal(steps(got[:, filters], scale), want)


def test_conversion_keeps_the_rest(net, images):
    """A network in the unsigned form agrees at 12 bits, and the float one stays as it was."""
    before = net(images).detach().clone()
    model = unsigned(net, input_ranges(net, [images], 1.0), 12)
    assert 0 < (model(images) - before).abs().max() < 0.01
    assert torch.equal(net(images), before)
    assert isinstance(net[0], AdderConv2d)


def test_groups_of_one_range_are_the_unsigned_form(net, images):
    """Where all weights reach beyond A, groups change nothing but the order of the sums."""
    ranges = {"0": 0.1, "5": 0.5}
    one, groups = unsigned(net, ranges, 6), adder_quant(net, ranges, 6, weight_signed=False)
    assert len(groups[0].parts) == 4
    assert torch.equal(one(images), groups(images))


def test_learned_scales_are_parameters(net):
    """Scales train only where asked."""
    ranges = {"0": 1.0, "5": 2.0}
    fixed, learned = (len(list(unsigned(net, ranges, 8, learned=k).parameters())) for k in (False, True))
    assert learned == fixed + 2


@pytest.mark.parametrize("method", [unsigned, adder_quant, shared_scale])
def test_graph_is_the_network(net, images, method):
    """The front end takes what each method makes, groups included, integer for integer."""
    ranges = input_ranges(net, [images])
    # A graph's input has one quantizer; groups make theirs of its integers.
    first = qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat, scaling_impl_type="const", scaling_init=1.0)
    middle = method(net, ranges, 6)
    logits = middle(images).abs().max().item()
    last = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, scaling_impl_type="const", scaling_init=logits)
    model = freeze_norms(nn.Sequential(first, *middle, last))
    with torch.no_grad():
        want = steps(model(images), float(last.eval().act_quant.scale()))
    graph = gatewright.from_brevitas(model, images[:1])
    got = evaluate(graph, graph.encodings[0].apply(images.numpy(), graph.inputs[0].type))[0]
    assert np.array_equal(got, want)
    assert len(np.unique(want)) > 20


def test_clusters():
    """Groups of like sizes; never more than there are sizes; the same each time."""
    found = cluster(np.array([5.0, 0.1, 5.2, 1.0, 0.12, 1.1]), 3)
    assert [list(f) for f in found] == [[1, 4], [3, 5], [0, 2]]
    assert [list(f) for f in cluster(np.array([2.0, 2.0]), 4)] == [[0, 1]]
    many = cluster(np.random.default_rng(0).exponential(size=200), 4)
    assert len(many) == 4
    assert sorted(np.concatenate(many)) == list(range(200))


REFUSED = {
    "adder: the percentile must lie in (0, 1], not 99. AdderQuant takes 0.9997.": lambda n: input_ranges(
        n, [], 99
    ),
    "adder: the scale must be that of 'input' or 'weights', not 'both'.": lambda n: shared_scale(
        n, {}, 8, "both"
    ),
    "adder: layer '5' must have a range above 0, not None. Calibrate with input_ranges on real inputs.": (
        lambda n: unsigned(n, {"0": 1.0}, 8)
    ),
    "adder: there must be at least 1 group, not 0. AdderQuant takes 4.": (
        lambda n: adder_quant(n, {"0": 1.0, "5": 1.0}, 8, 0)
    ),
}


@pytest.mark.parametrize(("message", "call"), REFUSED.items(), ids=["percentile", "of", "range", "groups"])
def test_refusals(net, message, call):
    """Each rule's message."""
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call(net)
