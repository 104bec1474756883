"""Unit-wise PTQ on networks: what is learned, that it is better, and that it ends as integers."""

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
from gatewright.quant.unit_graph import joined, layer_units, passed, set_modes
from gatewright.quant.unit_learning import Learning, exported, learnable
from gatewright.quant.unit_rounding import LearnedStep, RoundedLayer, rectified_sigmoid
from gatewright.quant.unit_training import Settings, unit_error
from unit_nets import Branches, chain, digits, residual, trained


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


def test_windows_slide_by_one_layer(data):
    """Six layers: five windows of two, or four of three; the option takes the longer ones."""
    torch.manual_seed(8)
    network, images = of_module(chain().eval(), data[0][:2]), data[0][:64]
    found = plan(prepare(network, images), 3, 4)
    for size, count in ((2, 5), (3, 4), (7, 1)):
        learned = learnable(found, calibrated(found, images, "mse"))
        done = []
        learning = Learning(learned, images, Settings(2), None, seed=1, tick=lambda done=done: done.append(1))
        learning.windows(layer_units(learned), size)
        assert len(done) == count
        assert {m.mode for m in learned.modules() if isinstance(m, RoundedLayer)} == {"hard"}
    asked = [Request(3, 4, images, epochs=2, options=o) for o in ((), ("triples",))]
    with torch.no_grad():
        pairs, triples = (unitwise.unitwise(network, a)(data[2]) for a in asked)
    assert not torch.equal(pairs, triples)


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
