"""Networks of one and two bits, trained here, in RTL and on ARM: the integers of the graph."""

import numpy as np
import pytest
import torch
from torch import Tensor

from arm_bench import Batch, Case
from dag_bench import compiled
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers
from gatewright.hw.units.lanes import COUNTING
from gatewright.quant.methods import METHODS
from gatewright.quant.react_net import react_net
from gatewright.quant.request import Request
from random_dags import quick_folds
from trained_nets import digits, equal_graph, integers, tiny_net, trained

FRAMES = 6
# Layers are folded to take about so many clocks a frame: small designs compile sooner.
CLOCKS = 600
# What a network is made of, its bits, and how many of its layers multiply signs.
NETWORKS = {
    "n2uq": (tiny_net, "n2uq", 2, 0),
    "n2uq, 1 bit": (tiny_net, "n2uq", 1, 0),
    "fda-bnn": (tiny_net, "fda-bnn", 1, 2),
    "adam-bnn": (tiny_net, "adam-bnn", 1, 2),
    "ste-bnn": (tiny_net, "ste-bnn", 1, 2),
    "ReActNet": (lambda: react_net(1, 10, (4, 8), (0,), first_stride=2), "adam-bnn", 1, 3),
}


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    """Each trained a little, found equal to its module, and put through the passes."""
    (images, labels), test = digits()
    found = {}
    for name, (make, method, bits, _) in NETWORKS.items():
        torch.manual_seed(1)
        network = trained(make(), images, labels, epochs=2)
        module = METHODS[method].load()(network, Request(bits, bits, images, labels, epochs=2))
        found[name] = run_passes(equal_graph(module, test[0][:FRAMES]))
    return found


def frames(graph: Graph) -> tuple[np.ndarray, Tensor]:
    """Test images as the graph's integers, and as they are."""
    images = digits()[1][0][:FRAMES]
    return graph.encodings[0].apply(images.numpy(), graph.inputs[0].type), images


@pytest.mark.slow
@pytest.mark.parametrize("name", ["n2uq", "fda-bnn", "adam-bnn", "ReActNet"])
def test_rtl(graphs, name):
    """Icarus gives the graph's integers, gaps and stalls or not; layers of one bit count equal pairs."""
    graph = graphs[name]
    chain = layers(graph)
    design = assemble(name, chain, quick_folds(1, chain, CLOCKS))
    data, images = frames(graph)
    want = integers(graph, images)
    simulation = compiled(design)
    for pattern in ({}, {"gap": 0.3, "stall": 0.3, "seed": 1}):
        trace = simulation.run(design.input.pack(data), design.output.beats * FRAMES, **pattern)
        got = design.output.unpack(trace.words).reshape(want.shape)
        np.testing.assert_array_equal(got, want)
    lanes = [i.params.get("LANE") for i in design.instances if "matrix_vector" in i.unit.module]
    assert sum(lane in COUNTING for lane in lanes) == NETWORKS[name][3]


@pytest.mark.slow
def test_arm(graphs, tmp_path):
    """All in one program under qemu give the graphs' integers."""
    batch = Batch([Case(g, (frames(g)[0],)) for g in graphs.values()], "cortex-a53", tmp_path)
    assert batch.differences() == {}
