"""Float networks as trainable quantized ones: each layer of weights, and all that brings tensors together."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ...errors import InputError
from ..request import Request
from ..training import device_of
from .integer_layer import LAYERS
from .joins import QuantAdd, QuantAverage, QuantCat, QuantMul
from .rectifier import ShiftedPReLU
from .uniform import QuantLayer, UniformQuant, UniformWeight

# What lies between layers and can stay as it is: one float32 operation or two for each number, or none.
_KEPT = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.Hardtanh,
    nn.MaxPool1d, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity,
)  # fmt: skip
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_RECTIFIERS = (nn.ReLU, nn.ReLU6)
_MOVES = (nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity)
_KEPT_FUNCTIONS = (torch.flatten, torch.reshape)
_KEPT_METHODS = ("flatten", "view", "reshape")
# Frames from which quantizers take their first steps.
_STARTED_ON = 256
# Of tensors that are added, joined or averaged, at least.
_WIDE_BITS = 8


@dataclass(frozen=True)
class Style:
    """What a method makes of a network.

    Attributes:
        layer: the trainable form of an inner layer of weights.
        rectifier: what stands for a ReLU that a layer comes behind, for its number of channels; None keeps
            it.
    """

    layer: Callable[[nn.Module], nn.Module]
    rectifier: Callable[[int], nn.Module] | None = None


def convert(network: fx.GraphModule, request: Request, style: Style) -> fx.GraphModule:
    """A trainable copy of the network, in evaluation mode, whose quantizers have started on the images.

    The first and the last layers of weights are uniform in ``request.first_last_bits``.

    Raises:
        InputError: fewer than 2 such bits, or layers or functions that have no quantized form.
    """
    if request.first_last_bits < 2:
        raise InputError(
            f"quantize: the first and the last layer must have 2 bits or more, not {request.first_last_bits}."
        )
    result = copy.deepcopy(network).eval()
    device = device_of(result)
    images = request.images[:_STARTED_ON].to(device)
    with torch.no_grad():
        ShapeProp(result).propagate(images[:1])
    _check(result)
    _Conversion(result, request, style).run()
    with torch.no_grad():
        result.to(device)(images)
    return result


def _check(network: fx.GraphModule) -> None:
    """Refuse what cannot become integers, naming it."""
    for node in network.graph.nodes:
        if node.op == "call_module":
            layer = network.get_submodule(node.target)
            if not isinstance(layer, (*LAYERS, *_KEPT, *_AVERAGES)):
                raise InputError(
                    f"quantize: layer {node.target!r} must be a convolution, a product, a pool, a batch norm "
                    f"or a ReLU or its like, not {type(layer).__name__}. Use a method that only calibrates."
                )
            shape = tuple(node.meta["tensor_meta"].shape)
            if isinstance(layer, nn.Linear) and len(shape) != 2:
                raise InputError(
                    f"quantize: layer {node.target!r} must give one row for each frame (N, M), not shape "
                    f"{shape}. Use a method that only calibrates."
                )
            if getattr(layer, "padding_mode", "zeros") != "zeros":
                raise InputError(
                    f"quantize: layer {node.target!r} must be padded with zeros, not by "
                    f"{layer.padding_mode!r}."
                )
        elif node.op not in ("placeholder", "output") and not _known(node):
            name = getattr(node.target, "__name__", node.target)
            raise InputError(
                f"quantize: {node.name!r} must be a sum, a product, a join, a mean or a reshape, not {name}. "
                "Use a method that only calibrates."
            )
    if not any(_weighted(network, n) for n in network.graph.nodes):
        raise InputError("quantize: the network must have a convolution or a product, but has none.")


def _known(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _KEPT_METHODS or node.target == "mean"
    functions = (*_KEPT_FUNCTIONS, operator.add, operator.mul, torch.cat, torch.mean)
    return node.op == "call_function" and node.target in functions


def _weighted(network: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(network.get_submodule(node.target), LAYERS)


def outer_layers(network: fx.GraphModule) -> tuple[set[str], set[str]]:
    """The layers of weights that no other comes before, and those that none comes behind."""
    nodes = list(network.graph.nodes)
    return _without_others(network, nodes, "all_input_nodes"), _without_others(network, nodes[::-1], "users")


def _without_others(network: fx.GraphModule, nodes: list[fx.Node], neighbours: str) -> set[str]:
    behind: set[fx.Node] = set()
    found = set()
    for node in nodes:
        if any(n in behind for n in getattr(node, neighbours)):
            behind.add(node)
        elif _weighted(network, node):
            found.add(node.target)
            behind.add(node)
    return found


def _with_layers_behind(network: fx.GraphModule) -> set[fx.Node]:
    found: set[fx.Node] = set()
    for node in reversed(network.graph.nodes):
        if any(user in found or _weighted(network, user) for user in node.users):
            found.add(node)
    return found


class _Conversion:
    """One network under conversion, its nodes with shapes."""

    def __init__(self, network: fx.GraphModule, request: Request, style: Style):
        self.network, self.request, self.style = network, request, style
        self.first, self.last = outer_layers(network)
        self.inner = _with_layers_behind(network)
        self.wide = max(request.first_last_bits, _WIDE_BITS)

    def run(self) -> None:
        """Replace layer by layer."""
        for node in list(self.network.graph.nodes):
            if node.op == "placeholder":
                self._quantize_input(node)
            elif node.op == "call_module":
                self._convert_module(node)
            elif node.op in ("call_function", "call_method"):
                self._convert_function(node)
            else:
                self._quantize_output(node)
        self.network.graph.lint()
        self.network.recompile()

    def _quantize_input(self, node: fx.Node) -> None:
        """One quantizer for all that reads the input, where that is more than one layer of weights."""
        users = list(node.users)
        if len(users) == 1 and _weighted(self.network, users[0]):
            return
        self._insert("input_quantizer", node, self.request.first_last_bits)

    def _quantize_output(self, node: fx.Node) -> None:
        """A quantizer, where integers would not have one meaning: behind a norm, a rectifier or a maximum."""
        source, steps = node.args[0], []
        while source.op != "placeholder" and not self._made_of_codes(source):
            steps.append(self._module(source))
            source = source.all_input_nodes[0]
        if any(step is not None and not isinstance(step, _MOVES) for step in steps):
            self._insert("output_quantizer", node.args[0], self.wide)

    def _made_of_codes(self, node: fx.Node) -> bool:
        """Whether a converted node is a layer of weights, or brings codes together."""
        return isinstance(self._module(node), QuantLayer | QuantAdd | QuantAverage | QuantCat | QuantMul)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.network.get_submodule(node.target) if node.op == "call_module" else None

    def _insert(self, name: str, node: fx.Node, bits: int) -> None:
        name = self._added(name, UniformQuant(bits))
        with self.network.graph.inserting_after(node):
            call = self.network.graph.call_module(name, (node,))
        node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)

    def _convert_module(self, node: fx.Node) -> None:
        layer = self.network.get_submodule(node.target)
        if isinstance(layer, LAYERS):
            self._put(node, self._layer(node.target, layer))
        elif isinstance(layer, _AVERAGES):
            self._put(node, QuantAverage(self.wide, layer))
        elif isinstance(layer, nn.PReLU):
            self._put(node, ShiftedPReLU(layer.num_parameters, shifted=False, slope=layer.weight.detach()))
        elif isinstance(layer, _RECTIFIERS) and self.style.rectifier is not None and node in self.inner:
            self._put(node, self.style.rectifier(node.meta["tensor_meta"].shape[1]))

    def _layer(self, name: str, layer: nn.Module) -> nn.Module:
        if name not in self.first and name not in self.last:
            return self.style.layer(layer)
        bits, last = self.request.first_last_bits, name in self.last
        weights = UniformWeight(layer.weight.detach(), bits, per_channel=not last)
        return QuantLayer(layer, UniformQuant(bits), weights, whole_bias=last)

    def _convert_function(self, node: fx.Node) -> None:
        several = sum(isinstance(a, fx.Node) for a in node.args) > 1
        if node.target is operator.add and several:
            self._call(node, QuantAdd(self.wide))
        elif node.target is operator.mul and several:
            self._call(node, QuantMul(self.wide))
        elif node.target is torch.cat:
            dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
            self._call(node, QuantCat(self.wide, dim), node.args[:1])
        elif node.target in (torch.mean, "mean"):
            self._call(node, QuantAverage(self.wide, _Mean(*node.args[1:], **node.kwargs)), node.args[:1])

    def _put(self, node: fx.Node, layer: nn.Module) -> None:
        parent, _, own = node.target.rpartition(".")
        setattr(self.network.get_submodule(parent), own, layer)

    def _call(self, node: fx.Node, layer: nn.Module, arguments: tuple | None = None) -> None:
        """A layer in the place of a function."""
        name = self._added(f"quantized_{node.name}", layer)
        node.op, node.target, node.kwargs = "call_module", name, {}
        if arguments is not None:
            node.args = arguments

    def _added(self, wanted: str, layer: nn.Module) -> str:
        """The layer under a name that the network does not have yet."""
        name = wanted
        while hasattr(self.network, name):
            name += "_"
        self.network.add_submodule(name, layer)
        return name


class _Mean(nn.Module):
    """``x.mean(...)`` with constant arguments."""

    def __init__(self, *arguments, **options):
        super().__init__()
        self.arguments, self.options = arguments, options

    def forward(self, x: Tensor) -> Tensor:
        """The mean of x."""
        return x.mean(*self.arguments, **self.options)
