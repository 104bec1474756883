"""What training methods share: the recipe, its hooks, losses, runs that go on, the page's example."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.errors import InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.qat.fit import loss_for, soft_cross_entropy
from gatewright.quant.request import Request
from gatewright.quant.training import Hooks, Recipe, read_checkpoint, train
from trained_nets import digits, equal_graph, gradients, residual_net, trained


def one_weight(value: float = 1.0) -> nn.Linear:
    """A network of one number."""
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(value)
    return net


class _Pair(nn.Module):
    """Two numbers that count alike."""

    def __init__(self):
        super().__init__()
        self.w, self.slow = (nn.Parameter(torch.zeros(1, 1)) for _ in range(2))

    def forward(self, x):
        """x times both."""
        return x * self.w + x * self.slow


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_learning_rates(schedule):
    """Adam's first steps are as long as the rate, so that they show it; slow parameters have a tenth."""
    net, seen = _Pair(), []

    def loss(outputs, images, labels):
        seen.append([getattr(net, n).item() for n in ("w", "slow")])
        return outputs.sum()

    recipe = Recipe(2, 4, 0.1, weight_decay=0, optimizer="adam", schedule=schedule)
    train(net, torch.ones(20, 1), None, recipe, hooks=Hooks(loss, slow=lambda n: n == "slow"))
    seen.append([getattr(net, n).item() for n in ("w", "slow")])
    share = 1 - np.arange(10) / 10 if schedule == "linear" else (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
    steps = -np.diff(np.array(seen), axis=0)
    np.testing.assert_allclose(steps, share[:, None] * [0.1, 0.01], rtol=1e-3, atol=1e-7)


def test_hooks():
    """The epoch is told before each, gradients may be changed between backward pass and step."""
    net, epochs = one_weight(), []
    hooks = Hooks(
        loss=lambda outputs, images, labels: outputs.sum(),
        gradients=lambda model: model.weight.grad.zero_(),
        epoch=lambda model, number: epochs.append((model is net, number)),
    )
    train(net, torch.ones(8, 1), None, Recipe(3, 4, weight_decay=0), hooks=hooks)
    assert epochs == [(True, 0), (True, 1), (True, 2)]
    assert net.weight.item() == 1


def test_soft_cross_entropy():
    """-sum p log q in float64, the mean of a batch; the gradient is (q - p) / N."""
    rng = np.random.default_rng(1)
    outputs, wanted = rng.normal(size=(2, 5, 4)) * 2
    p, q = (np.exp(v) / np.exp(v).sum(1, keepdims=True) for v in (wanted, outputs))
    found = soft_cross_entropy(torch.from_numpy(outputs), torch.from_numpy(wanted))
    assert found.item() == pytest.approx(-(p * np.log(q)).sum(1).mean())
    (grad,) = gradients(
        lambda t: soft_cross_entropy(t, torch.from_numpy(wanted)),
        torch.from_numpy(outputs),
        upstream=torch.tensor(1.0, dtype=torch.float64),
    )
    np.testing.assert_allclose(grad, (q - p) / 5)


def test_who_teaches():
    """The teacher where there is one, else the labels, else the float network itself."""
    torch.manual_seed(1)
    network, teacher, images = nn.Linear(4, 3), nn.Linear(4, 3), torch.rand(6, 4)
    labels, outputs = torch.arange(6) % 3, torch.randn(6, 3)
    with torch.no_grad():
        from_teacher, from_network = (soft_cross_entropy(outputs, n(images)) for n in (teacher, network))
        hard = nn.functional.cross_entropy(outputs, labels, label_smoothing=0.1)
        for request, want in (
            (Request(2, 2, images, labels, teacher), from_teacher),
            (Request(2, 2, images, None, teacher), from_teacher),
            (Request(2, 2, images, labels), hard),
            (Request(2, 2, images), from_network),
        ):
            assert loss_for(network, request, 0.1)(outputs, images, labels).item() == want.item()


def test_resumed_runs_are_the_same(tmp_path):
    """Stopped after an epoch and gone on with, a method gives the same network to the bit."""
    images, labels = (t[:256] for t in digits()[0])
    network = trained(residual_net(width=4), images, labels, epochs=1)
    whole = METHODS["n2uq"].load()(network, Request(2, 2, images, labels, epochs=3))
    file, console = tmp_path / "run.pt", _Stopping(2)
    with pytest.raises(KeyboardInterrupt):
        METHODS["n2uq"].load()(
            network, Request(2, 2, images, labels, teacher=console, epochs=3, checkpoint=file)
        )
    assert len(read_checkpoint(file)["losses"]) == 1
    first = _Stopping(10**9)
    wanted = METHODS["n2uq"].load()(network, Request(2, 2, images, labels, teacher=first, epochs=3))
    resumed = METHODS["n2uq"].load()(
        network, Request(2, 2, images, labels, teacher=first, epochs=3, checkpoint=file)
    )
    with torch.no_grad():
        assert torch.equal(resumed(images), wanted(images))
        assert not torch.equal(resumed(images), whole(images))


class _Stopping(nn.Module):
    """A teacher of ten classes that interrupts in the given epoch of four batches."""

    def __init__(self, epoch: int):
        super().__init__()
        self.limit, self.calls = 4 * (epoch - 1) + 1, [0]

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        """Logits from the first pixels."""
        self.calls[0] += 1
        if self.calls[0] > self.limit:
            raise KeyboardInterrupt
        return x.flatten(1)[:, 10:20] * 4


def test_example_of_the_page():
    """The code in docs/quant-training.md runs, and its graph gives the module's own floats."""
    page = (Path(__file__).parents[1] / "docs" / "quant-training.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    images, labels = (t[:128] for t in digits()[0])
    names = {"model": residual_net(width=4), "images": images, "labels": labels}
    assert "epochs=40" in code
    exec(code.replace("epochs=40", "epochs=1"), names)
    equal_graph(names["module"], images)
    assert names["graph"].outputs[0].type.shape == (10,)


def refused(message: str, call) -> None:
    """The whole message of an InputError."""
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()


def test_recipes_that_cannot_be():
    """The choices are in the messages."""
    refused(
        "training: the optimizer must be one of sgd, adam, not 'lamb'.", lambda: Recipe(1, optimizer="lamb")
    )
    refused(
        "training: the schedule must be one of cosine, linear, halving, not 'flat'.",
        lambda: Recipe(1, schedule="flat"),
    )
