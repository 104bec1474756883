"""Float networks of many parts as trainable ones, and what cannot be converted."""

import re

import pytest
import torch
from torch import nn

from gatewright.compiler.ir.ops import Conv2d
from gatewright.errors import InputError
from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.qat.conversion import outer_layers
from gatewright.quant.qat.rectifier import ShiftedPReLU
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from trained_nets import beyond, digits, equal_graph, residual_net, trained


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


def test_a_given_slope_below_zero_begins_at_zero():
    """A float network's own PReLU is kept like those that methods put in."""
    torch.manual_seed(8)
    images = digits()[0][0][:64]
    network = Branches()
    with torch.no_grad():
        network.bend.weight[::2] = -0.5
    module = METHODS["lsq"].load()(of_module(network, images), Request(8, 8, images, epochs=1))
    slopes = module.get_submodule("bend").slope
    assert (slopes[::2] < 0.1).all()
    assert (slopes[1::2] > 0.2).all()
    equal_graph(module, images)


ENDS = {
    "relu": (nn.Flatten(), nn.Linear(144, 4), nn.ReLU()),
    "slopes": (nn.Flatten(), nn.Linear(144, 4, bias=False), nn.BatchNorm1d(4), nn.PReLU(4)),
    "leaky": (nn.Conv2d(4, 3, 1), nn.LeakyReLU(0.2), nn.Flatten()),
    "maximum": (nn.Conv2d(4, 5, 1, bias=False), nn.MaxPool2d(6), nn.Flatten()),
    "norm": (nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5)),
}


@pytest.mark.parametrize("name", ["lsq", "n2uq", "ste-bnn"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_networks_may_end_in_any_step(name, end):
    """A quantizer gives the integers behind it one meaning; a ReLU there stays one."""
    torch.manual_seed(9)
    images = digits()[0][0][:64]
    network = of_module(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *end), images)
    bits = METHODS[name].weights[0]
    module = METHODS[name].load()(network, Request(bits, bits, images, epochs=1))
    equal_graph(module, torch.cat([images, beyond(images, 20)]))
    outputs = module(images)
    assert outputs.unique().numel() > 20
    assert (outputs.min() >= 0) == isinstance(end[-1], nn.ReLU)


def test_first_and_last():
    """Layers that no other comes before, or behind, along any way."""
    network = of_module(Branches(), torch.rand(2, 1, 8, 8))
    assert outer_layers(network) == ({"first", "other"}, {"input_quantizer"})


class Powers(nn.Module):
    """A function that no method here takes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        """Squares."""
        return torch.pow(self.layer(x), 2)


ADVICE = " Use a method that only calibrates."
REFUSED = {
    "layer": (
        (nn.Conv2d(1, 2, 3), nn.Sigmoid()),
        "layer '1' must be a convolution, a product, a pool, a batch norm or a ReLU or its like, not Sigmoid."
        + ADVICE,
    ),
    "padding": (
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),),
        "layer '0' must be padded with zeros, not by 'reflect'.",
    ),
    "rows": (
        (nn.Linear(8, 3),),
        "layer '0' must give one row for each frame (N, M), not shape (1, 1, 8, 3)." + ADVICE,
    ),
    "no weights": (
        (nn.MaxPool2d(2), nn.Flatten()),
        "the network must have a convolution or a product, but has none.",
    ),
    "function": (
        (Powers(),),
        "'pow_1' must be a sum, a product, a join, a mean or a reshape, not pow." + ADVICE,
    ),
}


@pytest.mark.parametrize(("layers", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_converted(layers, message):
    """Each rule's message."""
    images = torch.rand(8, 1, 8, 8)
    network = of_module(nn.Sequential(*layers), images)
    with pytest.raises(InputError, match=f"^quantize: {re.escape(message)}$"):
        METHODS["lsq"].load()(network, Request(2, 2, images))


def test_too_few_bits_outside():
    """One bit is no width of a uniform layer."""
    images = torch.rand(8, 1, 8, 8)
    network = of_module(nn.Sequential(nn.Conv2d(1, 2, 3)), images)
    message = "quantize: the first and the last layer must have 2 bits or more, not 1."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        METHODS["n2uq"].load()(network, Request(2, 2, images, first_last_bits=1))
