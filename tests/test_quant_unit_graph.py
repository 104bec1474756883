"""Units of unit-wise PTQ: where a network is cut, and that its pieces in order are the network."""

from itertools import chain as flat

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.quant.network import of_module
from gatewright.quant.ptq.observe import calibrated
from gatewright.quant.ptq.plan import plan
from gatewright.quant.ptq.prepare import prepare
from gatewright.quant.unit_graph import block_units, joined, layer_units, passed, run, set_modes
from gatewright.quant.unit_learning import learnable
from unit_nets import chain, residual


def planned(model: nn.Module, images: torch.Tensor, bits_w: int, bits_a: int):
    """The plan of a float network, and its learnable twin."""
    ready = prepare(of_module(model, images[:2]), images)
    found = plan(ready, bits_w, bits_a)
    return found, learnable(found, calibrated(found, images, "mse"))


def names(units) -> list[list[str]]:
    """The modules and functions that each unit calls."""
    return [[n.name for n in u.nodes] for u in units]


STEM = ["input_1_quant", "_0", "_2"]
FIRST = [
    ["_2_quant", "_3_first_0", "_3_first_2"],
    ["_3_first_2_quant", "_3_second_0", "_3_second_0_quant", "add_2", "_3_relu"],
]
SECOND = [
    ["_3_relu_quant", "_4_first_0", "_4_first_2"],
    ["_4_first_2_quant", "_4_second_0"],
    [
        *("_4_second_0_quant", "_4_shortcut_0", "_4_shortcut_0_quant", "add_3", "_4_relu", "_4_relu_quant"),
        *("_5", "_5_quant", "flatten"),
    ],
]


def test_units_of_a_residual_network():
    """Cut in front of quantizers; blocks end where one value is left to read."""
    images = torch.rand(8, 1, 8, 8)
    _, network = planned(residual().eval(), images, 3, 4)
    assert names(layer_units(network)) == [STEM, *FIRST, *SECOND, ["_7"]]
    assert names(block_units(network)) == [STEM, [*flat(*FIRST)], [*flat(*SECOND)], ["_7"]]


def test_straight_runs_have_two_layers_at_most():
    """Of six layers without branches: three units of two."""
    images = torch.rand(8, 1, 8, 8)
    _, network = planned(chain().eval(), images, 3, 4)
    layers, blocks = layer_units(network), block_units(network)
    assert len(layers) == 6
    assert names(blocks) == [a + b for a, b in zip(names(layers)[::2], names(layers)[1::2], strict=True)]
    assert len(block_units(network, 3)) == 2


@pytest.mark.parametrize("make", [residual, chain])
def test_units_in_order_are_the_network(make):
    """In float, each handed what the one before leaves: the float network's own outputs, at any cut."""
    images = torch.rand(80, 1, 8, 8)
    model = make().eval()
    _, network = planned(model, images, 3, 4)
    set_modes(network, "float", False)
    for cut in (layer_units, block_units):
        (given,) = (n for n in network.graph.nodes if n.op == "placeholder")
        values = {given: images}
        for unit in cut(network):
            assert set(unit.inputs) <= set(values)
            values = passed(network, unit, values)
        (found,) = values.values()
        np.testing.assert_allclose(found, model(images).detach(), atol=1e-4)


def test_a_window_reads_and_gives_what_its_layers_do():
    """Two layers as one unit: what passes between them is neither input nor output."""
    images = torch.rand(4, 1, 8, 8)
    _, network = planned(chain().eval(), images, 3, 4)
    first, second, *_ = layer_units(network)
    both = joined([first, second])
    (given,) = both.inputs
    one = run(network, first, {given: images})
    (two,) = run(network, second, one).values()
    (found,) = run(network, both, {given: images}).values()
    np.testing.assert_array_equal(found.detach(), two.detach())
