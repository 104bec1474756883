"""Unit-wise PTQ on networks: where units are cut, what is learned, and that it ends as integers."""

from itertools import chain as flat

import numpy as np
import pytest
import torch
from torch import nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.quant import ptq, unitwise
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.ptq.observe import calibrated
from gatewright.quant.ptq.plan import plan
from gatewright.quant.ptq.prepare import prepare
from gatewright.quant.request import Request
from gatewright.quant.unit_graph import block_units, joined, layer_units, passed, run, set_modes
from gatewright.quant.unit_learning import Learning, exported, learnable
from gatewright.quant.unit_rounding import LearnedStep, RoundedLayer, rectified_sigmoid
from gatewright.quant.unit_training import Settings, unit_error
from unit_nets import Branches, chain, digits, residual, trained


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


@pytest.fixture(scope="module")
def data():
    """Images and labels for training, then those of the test."""
    return digits()


@pytest.fixture(scope="module", params=[residual, chain], ids=["residual", "chain"])
def network(request, data):
    """A trained float network, captured."""
    torch.manual_seed(0)
    return of_module(trained(request.param(), *data[:2]), data[0][:2])


def error(quantized: nn.Module, network: nn.Module, images: torch.Tensor) -> float:
    """The squared error of the logits, relative to theirs."""
    with torch.no_grad():
        wanted = network(images)
        return ((quantized(images) - wanted).square().mean() / wanted.square().mean()).item()


def right(model: nn.Module, data) -> float:
    """The share of test images that are told."""
    with torch.no_grad():
        return (model(data[2]).argmax(1) == data[3]).float().mean().item()


def test_what_has_learned_nothing_is_rounded_to_the_nearest(network, data):
    """Exported at once, the learnable network is the plain method's, to the bit."""
    images = data[0][:256]
    found = plan(prepare(network, images), 3, 4)
    learned = learnable(found, calibrated(found, images, "mse"))
    plain = ptq.mse(network, Request(3, 4, images))
    with torch.no_grad():
        np.testing.assert_array_equal(exported(learned, found)(data[2]), plain(data[2]))


@pytest.fixture(scope="module")
def results(network, data):
    """The network by each method, at 2 bits of weights and 4 of activations; the float one in front."""
    before = {k: v.clone() for k, v in network.state_dict().items()}
    made = {}
    for name in ("mse", "layerwise", "brecq", "unitwise"):
        # Six passes over 600 frames: 114 iterations a unit.
        made[name] = METHODS[name].load()(network, Request(2, 4, data[0][:600], data[1][:600], epochs=6))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    return made


def test_learned_rounding_beats_the_nearest_and_windows_beat_layers(results, network, data):
    """Output errors on frames of the test, and the share of them that is told."""
    errors = {name: error(m, network, data[2]) for name, m in results.items()}
    shares = {name: right(m, data) for name, m in results.items()}
    for name in ("layerwise", "brecq", "unitwise"):
        assert errors[name] < 0.5 * errors["mse"]
        assert shares[name] > shares["mse"]
    assert errors["unitwise"] < errors["layerwise"]
    assert shares["unitwise"] > right(network, data) - 0.05


def test_integer_graphs_equal_the_modules(results, data):
    """Every frame of the test, each float of it."""
    for module in results.values():
        graph = gatewright.from_brevitas(module, data[2][:1])
        codes = graph.encodings[0].apply(data[2].numpy(), graph.inputs[0].type)
        (found,) = evaluate(graph, codes)
        with torch.no_grad():
            wanted = module(data[2]).numpy()
        np.testing.assert_array_equal(graph.decodings[0].apply(found).astype(np.float32), wanted)


@pytest.mark.parametrize("kind", ["layers", "windows"])
def test_a_unit_errs_less_than_nearest_rounding(network, data, kind):
    """The first units' own output errors, before and after, on what they were fitted to."""
    images = data[0][:256]
    found = plan(prepare(network, images), 3, 4)
    learned = learnable(found, calibrated(found, images, "mse"))
    layers = layer_units(learned)
    unit = joined(layers[:2]) if kind == "windows" else layers[0]
    (given,) = unit.inputs
    set_modes(learned, "float", False)
    target = passed(learned, unit, {given: images})
    set_modes(learned, "hard", True)
    before = unit_error(passed(learned, unit, {given: images}), target, {})
    learning = Learning(learned, images, Settings(150), None, seed=1)
    if kind == "windows":
        learning.windows(layers[:2], 2)
    else:
        learning.roundings([unit])
        learning.steps([unit])
    set_modes(learned, "hard", True)
    assert unit_error(passed(learned, unit, {given: images}), target, {}) < 0.9 * before


def test_roundings_decide(network, data):
    """With the regulariser nearly all end at 0 or 1 by themselves; hardening changes little."""
    images = data[0][:256]
    found = plan(prepare(network, images), 3, 8)
    learned = learnable(found, calibrated(found, images, "mse"))
    unit = layer_units(learned)[1]
    learning = Learning(learned, images, Settings(600), None, seed=1)
    learning.roundings(layer_units(learned)[:2])
    (rounded,) = (m for m in (learned.get_submodule(n.target) for n in unit.nodes if n.op == "call_module")
                  if isinstance(m, RoundedLayer))  # fmt: skip
    h = rectified_sigmoid(rounded.v.detach())
    assert ((h < 0.05) | (h > 0.95)).float().mean() > 0.9


def test_steps_of_a_family_stay_related_and_the_inputs_own(data):
    """Sums are of integers still: scales in whole octaves; pixels keep their codes."""
    images = data[0][:256]
    ready = prepare(of_module(residual().eval(), images[:2]), images)
    found = plan(ready, 3, 4)
    before = calibrated(found, images, "mse")
    learned = learnable(found, before)
    Learning(learned, images, Settings(40, step_rate=0.02), None, seed=1).windows(layer_units(learned), 2)
    steps = {n: m.step.item() for n, m in learned.named_modules() if isinstance(m, LearnedStep)}
    assert steps["input_1_quant"] == before["input_1"].scale
    assert sum(steps[f"{n}_quant"] != s.scale for n, s in before.items()) >= len(before) - 1
    families = {}
    for name, site in found.sites.items():
        families.setdefault(site.family, []).append(steps[f"{name}_quant"])
    assert max(map(len, families.values())) > 1
    for members in families.values():
        octaves = np.log2(np.array(members) / members[0])
        np.testing.assert_array_equal(octaves, np.rint(octaves))


def test_seeds_repeat(data):
    """One seed gives one network; another draws other frames."""
    network = of_module(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)), data[0][:2]
    )
    made = [
        unitwise.unitwise(network, Request(3, 4, data[0][:200], data[1][:200], seed=seed, epochs=6))
        for seed in (1, 1, 2)
    ]
    with torch.no_grad():
        first, again, other = (m(data[2]) for m in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", ["layerwise", "brecq", "unitwise"])
def test_a_network_of_one_layer(method, data):
    """First and last at once: 8 bits, and no window to slide."""
    network = of_module(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data[0][:2])
    module = METHODS[method].load()(network, Request(2, 2, data[0][:64], epochs=2))
    assert error(module, network, data[2]) < 1e-3
    graph = gatewright.from_brevitas(module, data[2][:1])
    (found,) = evaluate(graph, graph.encodings[0].apply(data[2].numpy(), graph.inputs[0].type))
    with torch.no_grad():
        np.testing.assert_array_equal(graph.decodings[0].apply(found).astype(np.float32), module(data[2]))


def test_bits_of_single_layers_and_options(data):
    """``layer_bits``, ``equalize`` and ``bias-correction`` are those of the plain methods."""
    torch.manual_seed(6)
    network = of_module(chain().eval(), data[0][:2])
    images = data[0][:64]
    name = list(plan(prepare(network, images), 3, 4).layers)[2]
    asked = Request(
        3, 4, images, epochs=1, layer_bits={name: (5, 6)}, options=("equalize", "bias-correction")
    )
    module = unitwise.unitwise(network, asked)
    bits = [int(m.quant_weight().bit_width) for m in module.modules() if hasattr(m, "quant_weight")]
    assert bits == [8, 3, 5, 3, 3, 8]
    with torch.no_grad():
        shift = (module(images) - network(images)).mean(0).abs().max()
    assert shift < 1e-3


@pytest.mark.parametrize("method", ["brecq", "unitwise"])
def test_joins_gates_and_transposed_convolutions(method, data):
    """Several values cross the cuts; better than nearest rounding, and whole numbers in the end."""
    torch.manual_seed(7)
    network = of_module(trained(Branches(), *data[:2], epochs=4), data[0][:2])
    asked = Request(2, 4, data[0][:320], epochs=8)
    module = METHODS[method].load()(network, asked)
    assert error(module, network, data[2]) < 0.7 * error(ptq.mse(network, asked), network, data[2])
    graph = gatewright.from_brevitas(module, data[2][:1])
    (found,) = evaluate(graph, graph.encodings[0].apply(data[2].numpy(), graph.inputs[0].type))
    with torch.no_grad():
        np.testing.assert_array_equal(graph.decodings[0].apply(found).astype(np.float32), module(data[2]))
