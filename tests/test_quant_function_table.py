"""Curved functions, softmaxes and averages of quantized networks: the integers' own, wherever they stand."""

import numpy as np
import pytest
import torch
from torch import nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.ops import Lookup
from gatewright.compiler.passes.pipeline import run
from gatewright.errors import InputError
from gatewright.quant.exact import quantizer
from gatewright.quant.function_table import CURVES, ExactSoftmax, TabledFunction
from gatewright.quant.network import of_module
from gatewright.quant.ptq import mse
from gatewright.quant.request import Request
from quant_networks import frames

GIVEN = {nn.Threshold: (0.1, -0.2)}
SCALE = 0.0371


def edges(function, count=8):
    """Scales of the quantizer behind for which a value of the function lies on an edge between two codes."""
    inputs = torch.arange(-128, 128).double() * torch.tensor(SCALE).double()
    value = function(inputs).max().float().double()
    return [(value / (k + 0.5)).float().item() for k in range(3, 3 + 50 * count, 50)]


@pytest.mark.parametrize("kind", CURVES, ids=lambda kind: kind.__name__)
def test_tables_are_the_functions(kind):
    """Of every code, in float64 rounded once; the graph's integers are the module's, also next to edges."""
    function = kind(*GIVEN.get(kind, ()))
    first = quantizer(SCALE, 8, True)
    step = first.act_quant.scale().item()
    codes = torch.arange(-128, 128)
    x = (codes * torch.tensor(step)).reshape(4, 1, 8, 8)
    table = TabledFunction(function, step, -128, 127)
    wanted = function(codes.double() * torch.tensor(step).double()).float()
    assert torch.equal(table(x).flatten(), wanted)
    for scale in edges(function):
        net = nn.Sequential(first, table, quantizer(abs(scale), 8, True)).eval()
        graph = gatewright.from_brevitas(net, x[:1])
        (q,) = evaluate(graph, graph.encodings[0].apply(x.numpy(), graph.inputs[0].type))
        with torch.no_grad():
            np.testing.assert_array_equal(graph.decodings[0].apply(q).astype(np.float32), net(x).numpy())
        assert len(run(graph).nodes()) <= 1


def test_a_network_has_one_table_for_each_curve():
    """What torch itself computes differs in last bits; in the graph there is one Lookup, as without."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.SiLU())
    made = mse(of_module(net, frames(8)), Request(8, 8, frames(32)))
    assert sum(isinstance(m, TabledFunction) for m in made.modules()) == 2
    graph = run(gatewright.from_brevitas(made, frames(1)))
    assert sum(isinstance(n.op, Lookup) for n in graph.nodes()) <= 2


@pytest.mark.parametrize("dim", [1, 2])
def test_softmaxes_are_sums_of_whole_exponents(dim):
    """The module is the formula of docs/exactness.md, and the graph the module's, for wide ranges too."""
    for scale, seed in ((0.05, 1), (0.3, 2)):
        net = nn.Sequential(quantizer(scale, 8, True), ExactSoftmax(dim), quantizer(1 / 255, 8, False)).eval()
        x = 4 * torch.randn(500, 5, 7, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            got, soft = net(x), net[1](net[0](x))
        wide = net[0](x).double()
        e = torch.round(2**24 * torch.exp(wide - wide.amax(dim, keepdim=True)))
        assert torch.equal(soft, (e / e.sum(dim, keepdim=True)).float())
        assert torch.allclose(soft, net[0](x).softmax(dim), atol=2e-7)
        graph = gatewright.from_brevitas(net, x[:1])
        (q,) = evaluate(graph, graph.encodings[0].apply(x.numpy(), graph.inputs[0].type))
        np.testing.assert_array_equal(graph.decodings[0].apply(q).astype(np.float32), got.numpy())


@pytest.mark.parametrize("pool", [nn.AvgPool1d(50), nn.AvgPool1d(7, 3, 3, count_include_pad=False),
                                  nn.AdaptiveAvgPool1d(1), nn.AdaptiveAvgPool1d(5)], ids=str)  # fmt: skip
def test_averages_along_sequences_are_exact(pool):
    """Long windows, whose float32 sums would depend on their order."""
    torch.manual_seed(4)
    net = nn.Sequential(nn.Conv1d(2, 6, 1), nn.ReLU(), pool, nn.Flatten(), nn.LazyLinear(3))
    net(torch.zeros(2, 2, 200))
    found = gatewright.quantize(net, "mse", (8, 8), frames(64, (2, 200)))
    assert found.report["equal_frames"] == 64


def test_norms_of_frames_are_refused_by_name():
    """Their floats have no exact integers."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1))
    message = r"^quantize: node '_1' must be a layer or a function that quantization takes, not GroupNorm\.$"
    with pytest.raises(InputError, match=message):
        gatewright.quantize(net, "mse", (8, 8), frames(8))
