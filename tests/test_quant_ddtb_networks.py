"""DDTB on a small EDSR: trained, deployed, and the same numbers in the integer graph."""

import copy

import numpy as np
import pytest
import torch
from torch import fx, nn

import gatewright
from gatewright.compiler.ir.ops import Lookup, Mul
from gatewright.errors import InputError
from gatewright.quant import training
from gatewright.quant.ddtb import quantize
from gatewright.quant.ddtb.convert import deployed, trainable
from gatewright.quant.ddtb.integers import CodeQuant, DynamicQuant
from gatewright.quant.ddtb.layers import QuantBlock
from gatewright.quant.ddtb.training import Recipe, train
from gatewright.quant.edsr import Edsr
from gatewright.quant.methods import METHODS
from gatewright.quant.request import Request
from qonnx_models import run
from sr_digits import enlarger, images, psnr

HELD = slice(1600, None)


def assert_graph_equals(net: nn.Module, low: torch.Tensor) -> gatewright.Graph:
    """The integer graph's floats are the module's own, on every image."""
    graph = gatewright.from_brevitas(net, low[:1])
    with torch.no_grad():
        expected = net(low).numpy()
    np.testing.assert_array_equal(run(graph, low.numpy()).astype(np.float32), expected)
    assert np.unique(expected).size > 100
    return graph


@pytest.mark.parametrize(("bits", "share"), [(2, 1.0), (4, 0.5)])
def test_trains_and_becomes_integers(bits, share):
    """Half of the quantizers dynamic; training helps, deployment costs little."""
    low, high = images()
    network = enlarger(share)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    student = trainable(network, bits, bits)
    losses = train(student, network, low[:320], high[:320], Recipe(epochs=8, dynamic=0.5, rate=3e-3))
    assert losses[-1] < 0.7 * losses[0]
    net = deployed(student)
    dynamic = [m for m in net.modules() if isinstance(m, DynamicQuant)]
    assert len(dynamic) == 3
    with torch.no_grad():
        trained, found = student(low[HELD]), net(low[HELD])
        assert abs(psnr(found, high[HELD]) - psnr(trained, high[HELD])) < 0.5
    # The gates tell images apart.
    seen: list[torch.Tensor] = []
    for layer in dynamic:
        layer.gate.register_forward_hook(lambda *a: seen.append(a[-1]))
    net(low[HELD])
    assert max(s.unique().numel() for s in seen) > 1
    for layer in dynamic:
        layer.gate._forward_hooks.clear()
    graph = assert_graph_equals(net, low[HELD])
    tables = [n for n in graph.nodes() if isinstance(n.op, Lookup) and n.inputs[1].type.shape == (256,)]
    assert len(tables) >= 6
    assert any(isinstance(n.op, Mul) for n in graph.nodes())
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in before.items())


def test_static_network():
    """Without a gate each quantizer is thresholds alone."""
    low, high = images()
    student = trainable(enlarger(), 3, 3)
    train(student, enlarger(), low[:64], high[:64], Recipe(epochs=2, dynamic=0.0))
    net = deployed(student)
    assert not any(isinstance(m, DynamicQuant) for m in net.modules())
    assert any(isinstance(m, CodeQuant) for m in net.modules())
    assert_graph_equals(net, low[HELD])


def test_gates_are_held_at_one_until_they_are_used():
    """Their logits are regressed to 0 in the first epochs."""
    low, high = images()
    student = trainable(enlarger(), 4, 4)
    train(student, enlarger(), low[:160], high[:160], Recipe(epochs=6, dynamic=1.0, rate=1e-1, gate_from=99))
    student.train()
    student(low[:160])
    quants = [q for m in student.modules() if isinstance(m, QuantBlock) for q in (m.enter, m.middle, m.leave)]
    assert all(q.gate is not None for q in quants)
    assert all(q.logits.abs().mean() < 0.5 for q in quants)


def test_a_resumed_training_is_the_same(tmp_path, monkeypatch):
    """Stopped after two epochs, gone on with from the file."""
    low, high = images()

    def trained(path):
        student = trainable(enlarger(), 3, 3)
        train(student, enlarger(), low[:64], high[:64], Recipe(epochs=4, dynamic=0.5), path)
        return deployed(student)(low[HELD])

    whole = trained(tmp_path / "whole.pt")
    save = training._Run.save

    def save_and_stop(run, path):
        save(run, path)
        if len(run.losses) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training._Run, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "stopped.pt")
    assert torch.equal(trained(tmp_path / "stopped.pt"), whole)


def test_the_method():
    """From the registry; the teacher's output is what is learned."""
    low, _ = images()
    network = enlarger()
    state = copy.deepcopy(network.state_dict())
    net = METHODS["ddtb"].load()(network, Request(4, 4, low[:96], epochs=3))
    assert not net.training
    assert METHODS["ddtb"].load() is quantize
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in state.items())
    assert_graph_equals(net, low[HELD])


def test_edsr_enlarges():
    """2, 3 and 4 times."""
    x = torch.rand(1, 3, 5, 6)
    for scale in (2, 3, 4):
        assert Edsr(scale, 4, 1)(x).shape == (1, 3, 5 * scale, 6 * scale)
    with pytest.raises(InputError, match=r"^edsr: the scale must be 2, 3 or 4, not 5\.$"):
        Edsr(5)


def test_refusals():
    """Each says what the rule is, and what to do."""
    none = (
        r"^ddtb: the network must have residual blocks x \+ conv\(relu\(conv\(x\)\)\), but has none\. Use a "
        r"plain method, such as mse\.$"
    )
    plain = fx.symbolic_trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3)))
    with pytest.raises(InputError, match=none):
        trainable(plain, 4, 4)

    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.a(x) + x

    with pytest.raises(InputError, match=none):
        trainable(fx.symbolic_trace(Sums()), 4, 4)

    net = Edsr(2, 4, 1, 1)
    net.tail = nn.ConvTranspose2d(4, 1, 3)
    with pytest.raises(InputError, match=(
        r"^ddtb: layer 'tail' must be Conv2d, ReLU or a pixel shuffle, not ConvTranspose2d\. Use a plain "
        r"method, such as mse\.$"
    )):  # fmt: skip
        trainable(fx.symbolic_trace(net), 4, 4)
    student = trainable(enlarger(), 4, 4, rule=lambda w, bits: w)
    block = next(m for m in student.modules() if isinstance(m, QuantBlock))
    with pytest.raises(InputError, match=(
        r"^ddtb: only weights by percentiles are deployed, not those of another rule\.$"
    )):  # fmt: skip
        block.deployed()
