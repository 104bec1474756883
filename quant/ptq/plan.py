"""Where a network's quantizers stand, and how many bits each of them and each layer has.

A layer multiplies integers, so its input is quantized where it arises: behind its activation function, in
front of pools and reshapes, which keep codes as they are. The operands of a sum are quantized, of 8 bits
unless a layer reads them too, in scales that are power-of-two multiples of each other, so that the sum is
one of integers. Averages, products, joins and curved functions take quantized inputs as well.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import fx, nn

from ...errors import InputError
from ..exact import LAYERS, ExactAvgPool1d, ExactAvgPool2d, ExactGlobalAvgPool2d, ExactMean
from ..frozen_norm import FrozenNorm
from ..function_table import CURVES, ExactSoftmax
from ..network.constant import Constant
from .prepare import layer_nodes, module_of

# Of values that no layer multiplies: they are carried, added and averaged.
JOIN_BITS = 8
_MOVES = (nn.MaxPool1d, nn.MaxPool2d, nn.ZeroPad1d, nn.ZeroPad2d, nn.Upsample, nn.PixelShuffle,
          nn.ChannelShuffle, nn.Flatten, nn.Identity)  # fmt: skip
_MOVING = {torch.flatten, torch.reshape, torch.permute, torch.transpose}
# Steps of a float chain: elementwise, monotone, absorbed by the thresholds behind them.
_STEPS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, FrozenNorm, Constant)
_MEANS = (ExactAvgPool1d, ExactAvgPool2d, ExactGlobalAvgPool2d, ExactMean)
_SUMS, _PRODUCTS = {operator.add, operator.sub}, {operator.mul}


@dataclass
class Site:
    """A value that is quantized.

    Attributes:
        node: whose result it is, by the name of the graph's node.
        bits: of its codes.
        layers: names of the layers that read it.
        family: sites whose scales are to be power-of-two multiples of each other share this name.
    """

    node: str
    bits: int
    layers: list[str] = field(default_factory=list)
    family: str = ""


@dataclass
class LayerPlan:
    """A layer with weights.

    Attributes:
        node: its call in the graph.
        bits: of the weights.
        site: the name of the site it reads.
        whole: whether its sums are the network's own outputs, so that all need one scale.
    """

    node: str
    bits: int
    site: str
    whole: bool = False


@dataclass
class Plan:
    """A prepared network with its sites and layers by name; ``curves`` are the sites that functions read."""

    network: fx.GraphModule
    sites: dict[str, Site]
    layers: dict[str, LayerPlan]
    curves: dict[str, str]


def plan(
    network: fx.GraphModule,
    bits_w: int,
    bits_a: int,
    first_last: int = 8,
    layer_bits: Mapping[str, tuple[int, int]] | None = None,
) -> Plan:
    """Sites and layers of a prepared network.

    Args:
        layer_bits: (weights, input) of single layers instead, by the names of their nodes.
    Raises:
        InputError: a node that quantization does not take, or a layer that ``layer_bits`` names in vain.
    """
    planner = _Planner(network)
    layers = {n.name: LayerPlan(n.name, bits_w, "") for n in layer_nodes(network)}
    unknown = sorted(set(layer_bits or {}) - set(layers))
    if unknown:
        raise InputError(f"quantize: layers must be among {', '.join(layers)}, not {unknown[0]!r}.")
    if not layers:
        raise InputError("quantize: the network must have a layer with weights, but has none.")
    for node in network.graph.nodes:
        planner.visit(node)
    ends = planner.last_layers()
    entry = next(n.name for n in network.graph.nodes if n.op == "placeholder")
    for name, layer in layers.items():
        layer.site = planner.read_by[name]
        edge = name in ends or layer.site == entry
        own = (first_last, first_last) if edge else (bits_w, bits_a)
        layer.bits, bits = (layer_bits or {}).get(name, own)
        layer.whole = name in planner.outputs
        site = planner.sites[layer.site]
        # A value that several layers read has the bits that the most demanding wants.
        site.bits = max(site.bits, bits) if site.layers else bits
        site.layers.append(name)
    if entry in planner.sites:
        planner.sites[entry].bits = max(first_last, planner.sites[entry].bits)
    return Plan(network, planner.sites, layers, planner.curves)


class _Planner:
    """Walks a network once, in order."""

    def __init__(self, network: fx.GraphModule):
        self.network = network
        self.sites: dict[str, Site] = {}
        self.read_by: dict[str, str] = {}
        self.curves: dict[str, str] = {}
        self.outputs: set[str] = set()

    def visit(self, node: fx.Node) -> None:
        """What a node needs of its operands."""
        if node.op == "placeholder":
            return
        if node.op == "output":
            self._output(node.args[0])
            return
        inputs = _operands(node)
        if module_of(self.network, node, LAYERS) is not None:
            self.read_by[node.name] = self._site(inputs[0]).node
        elif self._is(node, _MOVES, _MOVING):
            # Codes pass as they are; a maximum or a zero of raw sums would not.
            if self._is(node, (nn.MaxPool1d, nn.MaxPool2d, nn.ZeroPad1d, nn.ZeroPad2d)):
                self._site(inputs[0])
        elif self._is(node, _STEPS) or (node.target in _SUMS | _PRODUCTS and len(inputs) == 1):
            # Steps on the float input itself have nothing to be absorbed by, and falling ones need a table.
            if self.origin(inputs[0]).op == "placeholder" or self._falls(node):
                self._site(inputs[0])
        elif self._is(node, _MEANS) or node.target is torch.cat or node.target in _PRODUCTS:
            for source in inputs:
                self._site(source)
        elif node.target in _SUMS:
            self._join([self._site(source) for source in inputs])
        elif self._is(node, CURVES):
            self.curves[node.name] = self._site(inputs[0]).node
        elif self._is(node, (ExactSoftmax,)):
            self._site(inputs[0])
        else:
            layer = module_of(self.network, node, nn.Module)
            name = getattr(node.target, "__name__", node.target) if layer is None else type(layer).__name__
            raise InputError(
                f"quantize: node {node.name!r} must be a layer or a function that quantization takes, not "
                f"{name}."
            )

    def origin(self, node: fx.Node) -> fx.Node:
        """Where a value arises, before it is only moved."""
        while self._is(node, _MOVES, _MOVING):
            node = node.all_input_nodes[0]
        return node

    def last_layers(self) -> set[str]:
        """The layers behind which no other layer comes on the way to the output."""
        (output,) = (n for n in self.network.graph.nodes if n.op == "output")
        found, stack, seen = set(), list(output.all_input_nodes), set()
        while stack:
            node = stack.pop()
            if node.name in seen:
                continue
            seen.add(node.name)
            if module_of(self.network, node, LAYERS) is not None:
                found.add(node.name)
            else:
                stack += node.all_input_nodes
        return found

    def _site(self, node: fx.Node) -> Site:
        source = self.origin(node)
        return self.sites.setdefault(source.name, Site(source.name, JOIN_BITS, family=source.name))

    def _join(self, sites: list[Site]) -> None:
        """One family for all of these."""
        names = {s.family for s in sites}
        first = min(names)
        for site in self.sites.values():
            if site.family in names:
                site.family = first

    def _output(self, node: fx.Node) -> None:
        """The output's own quantizer, unless integers have one meaning there anyway."""
        source = self.origin(node)
        layer = module_of(self.network, source, LAYERS)
        if layer is not None:
            # Moved outputs have no axis left that scales could lie along.
            if (isinstance(layer, nn.Linear) or source is not node) and len(source.users) == 1:
                self.outputs.add(source.name)
            elif source is not node:
                self._site(source)
        elif not self._is(source, _MEANS) and not (source.target in _SUMS and self._computed(source)):
            self._site(source)

    def _falls(self, node: fx.Node) -> bool:
        """Whether greater values may have smaller results on one side of 0."""
        layer = module_of(self.network, node, (nn.LeakyReLU, nn.PReLU))
        if layer is None:
            return False
        return layer.negative_slope < 0 if isinstance(layer, nn.LeakyReLU) else bool((layer.weight < 0).any())

    def _computed(self, node: fx.Node) -> bool:
        return len(_operands(node)) == 2

    def _is(self, node: fx.Node, kinds: tuple, functions: set | frozenset = frozenset()) -> bool:
        if node.op == "call_function":
            return node.target in functions
        return module_of(self.network, node, kinds) is not None


def _operands(node: fx.Node) -> list[fx.Node]:
    """The computed operands, as often as they are read."""
    listed = [a for arg in node.args for a in (arg if isinstance(arg, tuple | list) else (arg,))]
    return [a for a in listed if isinstance(a, fx.Node)]
