"""What training methods share: the recipe, losses, uniform steps that learn, conversion, integer layers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compiler.frontends import from_brevitas
from gatewright.compiler.ir.ops import Conv2d
from gatewright.errors import InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.qat.conversion import outer_layers
from gatewright.quant.qat.fit import loss_for, soft_cross_entropy
from gatewright.quant.qat.integer_layer import IntegerLayer, freeze
from gatewright.quant.qat.joins import QuantAdd, QuantAverage, QuantCat, QuantMul
from gatewright.quant.qat.rectifier import ShiftedPReLU
from gatewright.quant.qat.uniform import QuantLayer, UniformQuant, UniformWeight, first_step
from gatewright.quant.request import Request
from gatewright.quant.training import Hooks, Recipe, accuracy, read_checkpoint, train
from trained_nets import beyond, digits, equal_graph, gradients, residual_net, trained


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


def test_first_step():
    """Of the tried steps the one of the least squared error, for each row; never 0."""
    rng = np.random.default_rng(2)
    rows = np.concatenate([rng.normal(size=(3, 400)), np.zeros((1, 400))]) * [[1], [0.01], [50], [1]]
    found = first_step(torch.from_numpy(rows), -4, 3).numpy()
    assert found[3] == 1e-8
    for row, step in zip(rows[:3], found, strict=False):
        top = max(row.max() / 3, -row.min() / 4)
        tried = top * np.arange(4, 41) / 40
        errors = [((np.clip(np.rint(row / s), -4, 3) * s - row) ** 2).sum() for s in tried]
        assert step == pytest.approx(tried[int(np.argmin(errors))])
    long = torch.rand(1, 200_000)
    assert first_step(long, 0, 255).item() == pytest.approx(1 / 255, rel=0.05)


def test_uniform_quantizer():
    """LSQ in float64: values, the gradient of x within the range, and of the step times its gain."""
    torch.manual_seed(3)
    for signed in (False, True):
        quantizer = UniformQuant(3)
        x = torch.randn(5, 40) if signed else torch.rand(5, 40)
        quantizer(x)
        step, (lo, hi) = quantizer.step.double().item(), quantizer.limits
        assert (lo, hi) == ((-4, 3) if signed else (0, 7))
        x = torch.randn(5, 40) * 2
        v = x.double().numpy() / step
        codes = np.clip(np.rint(v), lo, hi)
        np.testing.assert_allclose(quantizer(x).detach(), codes * step, rtol=1e-5)
        np.testing.assert_array_equal(quantizer.frozen().codes(x), codes)
        upstream = torch.randn(x.shape)
        (found,) = gradients(quantizer, x, upstream=upstream)
        inside = (v > lo) & (v < hi)
        np.testing.assert_allclose(found, upstream.numpy() * inside, rtol=1e-5)
        of_step = np.where(inside, codes - v, np.clip(v, lo, hi))
        want = (upstream.double().numpy() * of_step).sum() * step / np.sqrt(40 * hi)
        assert quantizer.logarithm.grad.item() == pytest.approx(want, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_uniform_weights(per_channel):
    """The same of weights, with a step for each output or one."""
    torch.manual_seed(4)
    weight = torch.randn(3, 2, 5) * torch.tensor([0.1, 1, 9])[:, None, None]
    # Not of the very weights, some of which would lie on an end of the range.
    quantizer = UniformWeight(weight * 0.7, 3, per_channel)
    codes, step = quantizer.codes(weight)
    assert step.numel() == (3 if per_channel else 1)
    wide = np.broadcast_to(step.detach().double().numpy(), 3)[:, None, None]
    v = weight.double().numpy() / wide
    np.testing.assert_array_equal(codes, np.clip(np.rint(v), -4, 3))
    np.testing.assert_allclose(quantizer(weight).detach(), codes * wide, rtol=1e-5)
    upstream = torch.randn(weight.shape)
    (found,) = gradients(quantizer, weight, upstream=upstream)
    inside = (v > -4) & (v < 3)
    np.testing.assert_allclose(found, upstream.numpy() * inside, rtol=1e-5)
    of_step = upstream.double().numpy() * np.where(inside, np.rint(v) - v, np.clip(v, -4, 3)) * wide
    size = 10 if per_channel else 30
    sums = of_step.sum((1, 2)) if per_channel else of_step.sum(keepdims=True).ravel()
    np.testing.assert_allclose(quantizer.logarithm.grad, sums / np.sqrt(size * 3), rtol=1e-4, atol=1e-6)


def test_joins_are_those_of_their_codes():
    """Sums, joins and averages with one step for all; products with two."""
    torch.manual_seed(5)
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4) * 3
    for layer, floats in (
        (QuantAdd(8), lambda a, b: a + b),
        (QuantMul(8), lambda a, b: a * b),
        (QuantCat(8, 1), lambda a, b: torch.cat([a, b], 1)),
        (QuantAverage(8, nn.AvgPool2d(2)), lambda a, b: nn.functional.avg_pool2d(b, 2)),
    ):
        operands = {QuantCat: ([a, b],), QuantAverage: (b,)}.get(type(layer), (a, b))
        found = layer(*operands)
        assert (found - floats(a, b)).abs().max() < 0.25
        assert torch.equal(freeze(nn.ModuleList([layer]))[0](*operands), found)
        if not isinstance(layer, QuantMul):
            units = found.detach().double() / layer.quantizer.step.double().item()
            units = units * (4 if isinstance(layer, QuantAverage) else 1)
            assert (units - units.round()).abs().max() < 1e-3


class Branches(nn.Module):
    """Everything that brings tensors together, and an input that is read twice."""

    def __init__(self):
        super().__init__()
        self.first, self.other = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1)
        self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU6()
        self.inner, self.leaky = nn.Conv2d(8, 6, 3, padding="same", groups=2, bias=False), nn.LeakyReLU(0.1)
        self.gate, self.hard = nn.Conv2d(6, 6, 1), nn.Hardtanh(0.0, 1.0)
        self.pool, self.mean = nn.AvgPool2d(3, 2, padding=1), nn.AdaptiveAvgPool2d(1)
        self.hidden, self.bend = nn.Linear(6, 12), nn.PReLU(12)
        # A name that conversion would take.
        self.input_quantizer = nn.Linear(12, 10)

    def forward(self, x):
        """x (N, 1, 8, 8) -> (N, 10)."""
        a, b = self.relu(self.norm(self.first(x))), self.other(x)
        x = self.leaky(self.inner(torch.cat([a, b], 1)))
        x = self.pool(x * self.hard(self.gate(x)) + x)
        return self.input_quantizer(self.bend(self.hidden(torch.flatten(self.mean(x), 1))))


@pytest.mark.parametrize(("name", "bits"), [("lsq", 3), ("n2uq", 2), ("adam-bnn", 1)])
def test_branches_are_their_integers(name, bits):
    """A network of many parts, on inputs within and beyond the images' range."""
    torch.manual_seed(6)
    images, labels = (t[:256] for t in digits()[0])
    network = trained(Branches(), images, labels, epochs=1)
    module = METHODS[name].load()(network, Request(bits, bits, images, labels, epochs=1))
    equal_graph(module, torch.cat([images[:100], beyond(images, 60)]))


def test_trained_network_is_its_integers():
    """LSQ at W2A2 on digits, the weights' codes among four."""
    (images, labels), test = digits()
    network = trained(residual_net(), images, labels)
    module = METHODS["lsq"].load()(network, Request(2, 2, images, labels, epochs=6, first_last_bits=6))
    assert accuracy(module, *test) > 0.94
    graph = equal_graph(module, torch.cat([test[0], beyond(images)]))
    convolutions = [n for n in graph.nodes() if isinstance(n.op, Conv2d)]
    for node, bits in zip(convolutions, (6, 2, 2, 2), strict=True):
        assert node.inputs[1].type.dtype.lo >= -(2 ** (bits - 1))
        assert node.inputs[1].type.dtype.hi <= 2 ** (bits - 1) - 1
    assert graph.inputs[0].type.dtype.hi == 63


def test_sums_beyond_float32():
    """Integer layers sum exactly where float32 does not, bias included; the graph too."""
    layer = nn.Linear(300, 1)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.weight[0, ::2] = -1
        layer.bias.fill_(3 / 255 / 127)
    trainable = QuantLayer(layer, UniformQuant(8), UniformWeight(layer.weight, 8, False), whole_bias=True)
    with torch.no_grad():
        trainable.weight_quant.logarithm.fill_(float(np.log(1 / 127)))
        trainable.quantizer(torch.ones(1, 300))
        trainable.quantizer.logarithm.fill_(float(np.log(1 / 255)))
    module = freeze(nn.Sequential(trainable))
    assert isinstance(module[0], IntegerLayer)
    module[0].weight[0, 0] = 2.0**24
    x = torch.rand(20, 300)
    codes = np.clip(np.rint(x.numpy() / module[0].quantizer.step.numpy()), 0, 255).astype(np.int64)
    sums = codes @ module[0].weight[0].numpy().astype(np.int64) + int(module[0].bias.item())
    assert np.abs(sums).max() > 2**24
    assert int(module[0].bias.item()) == 3
    want = sums.astype(np.float32) * module[0].factor.numpy()
    np.testing.assert_array_equal(module(x)[:, 0], want)
    found = from_brevitas(module, x[:1])
    np.testing.assert_allclose(
        found.decodings[0].apply(np.asarray(sums)[:, None]), want[:, None].astype(np.float64), rtol=1e-6
    )


def test_negative_slopes_count_as_zero_in_graphs():
    """A PReLU that learned a slope below 0 is flat there, in the module and in the graph."""
    torch.manual_seed(7)
    images, labels = (t[:128] for t in digits()[0])
    network = trained(residual_net(width=4), images, labels, epochs=1)

    class Forced(ShiftedPReLU):
        def __init__(self, channels):
            super().__init__(channels)
            with torch.no_grad():
                self.slope[::2] = -0.3

    from gatewright.quant import n2uq

    original, n2uq.ShiftedPReLU = n2uq.ShiftedPReLU, Forced
    try:
        module = n2uq.quantize(network, Request(2, 2, images, labels, epochs=1))
    finally:
        n2uq.ShiftedPReLU = original
    slopes = torch.cat([v for n, v in module.named_buffers() if n.endswith("slope")])
    assert (slopes == 0).any()
    assert (slopes >= 0).all()
    equal_graph(module, images)


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


def test_first_and_last():
    """Layers that no other comes before, or behind, along any way."""
    network = of_module(Branches(), torch.rand(2, 1, 8, 8))
    assert outer_layers(network) == ({"first", "other"}, {"input_quantizer"})


def refused(message: str, call) -> None:
    """The whole message of an InputError."""
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()


def test_what_cannot_be_converted():
    """Each rule's message."""
    images = torch.rand(8, 1, 8, 8)
    lsq = METHODS["lsq"].load()

    def converted(*layers, **options):
        return lambda: lsq(of_module(nn.Sequential(*layers), images), Request(2, 2, images, **options))

    refused(
        "quantize: layer '1' must be a convolution, a product, a pool, a batch norm or a ReLU or its like, "
        "not Sigmoid. Use a method that only calibrates.",
        converted(nn.Conv2d(1, 2, 3), nn.Sigmoid()),
    )
    refused(
        "quantize: layer '0' must be padded with zeros, not by 'reflect'.",
        converted(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")),
    )
    refused(
        "quantize: layer '0' must give one row for each frame (N, M), not shape (1, 1, 8, 3). Use a method "
        "that only calibrates.",
        converted(nn.Linear(8, 3)),
    )
    refused(
        "quantize: the first and the last layer must have 2 bits or more, not 1.",
        converted(nn.Conv2d(1, 2, 3), first_last_bits=1),
    )
    refused(
        "quantize: the network must have a convolution or a product, but has none.",
        converted(nn.BatchNorm2d(1), nn.Flatten()),
    )

    class Powers(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return torch.pow(self.layer(x), 2)

    refused(
        "quantize: 'pow_1' must be a sum, a product, a join, a mean or a reshape, not pow. Use a method that "
        "only calibrates.",
        converted(Powers()),
    )


def test_recipes_that_cannot_be():
    """The choices are in the messages."""
    refused(
        "training: the optimizer must be one of sgd, adam, not 'lamb'.", lambda: Recipe(1, optimizer="lamb")
    )
    refused(
        "training: the schedule must be one of cosine, linear, halving, not 'flat'.",
        lambda: Recipe(1, schedule="flat"),
    )
