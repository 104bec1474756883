"""Building a float network node by node, each computed at once on an example so that shapes are known."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.fx.passes.shape_prop import ShapeProp

from ...errors import InputError
from .constant import Constant
from .normalize import normalize

# Frames that each node is computed on.
_EXAMPLES = 2
# No window or padding of a real network is larger, and files may claim anything.
_MOST_SPATIAL = 2**12
_MOST_ELEMENTS = 2**28


@dataclass(frozen=True, eq=False)
class Made:
    """A computed value: its node, and what it is for the example."""

    node: fx.Node
    example: Tensor


@dataclass
class Builder:
    """A network under construction.

    Attributes:
        example: float32 (N, ...), what the network's input stands for.
    """

    example: Tensor
    graph: fx.Graph = field(default_factory=fx.Graph)
    root: nn.Module = field(default_factory=nn.Module)

    def input(self, name: str) -> Made:
        """The network's one input."""
        return Made(self.graph.placeholder(plain_name(name)), self.example)

    def layer(self, name: str, layer: nn.Module, source: Made) -> Made:
        """A layer applied to a value; its name is made one of Python's."""
        _check_window(layer)
        name = self._free(plain_name(name))
        self.root.add_module(name, layer.eval())
        return self._made(self.graph.call_module(name, (source.node,)), layer, (source,))

    def call(self, function: Callable, *args: object) -> Made:
        """A function of values and constants; tuples may hold values."""
        nodes = map_aggregate(args, lambda a: a.node if isinstance(a, Made) else a)
        return self._made(self.graph.call_function(function, nodes), function, args)

    def reshape(self, source: Made, shape: tuple[int, ...]) -> Made:
        """``source`` with its batch, and ``shape`` of a frame in which one axis may be -1."""
        try:
            found = source.example.reshape(len(source.example), *shape)
        except RuntimeError:
            raise InputError(
                f"it must keep the batch as its first axis, but makes frames of shape {tuple(shape)}"
            ) from None
        if found.shape == source.example.shape:
            return source
        if found.dim() == 2:
            return self.call(torch.flatten, source, 1)
        return self.call(torch.reshape, source, (-1, *found.shape[1:]))

    def pair(self, function: Callable, a: object, b: object) -> Made:
        """A sum, difference or product of values and constants; arrays become a constant layer."""
        if isinstance(a, Made) and isinstance(b, Made):
            return self.call(function, a, b)
        source, constant = (a, b) if isinstance(a, Made) else (b, a)
        if not isinstance(source, Made):
            raise InputError("one operand must be computed from the model's input")
        if isinstance(constant, Tensor) and constant.numel() == 1 and constant.dim() < 2:
            constant = constant.item()
        if isinstance(constant, Tensor):
            kind = {operator.add: "sum", operator.sub: "difference", operator.mul: "product"}[function]
            return self.layer(kind, Constant(function, constant, isinstance(a, Made)), source)
        return self.call(function, *((source, constant) if isinstance(a, Made) else (constant, source)))

    def finish(self, output: Made) -> fx.GraphModule:
        """The network with this output, in its one form."""
        self.graph.output(output.node)
        network = fx.GraphModule(self.root, self.graph).eval()
        with torch.no_grad():
            ShapeProp(network).propagate(self.example)
            return normalize(network)

    def _made(self, node: fx.Node, function: Callable, args: tuple) -> Made:
        with torch.no_grad():
            result = function(*map_aggregate(args, lambda a: a.example if isinstance(a, Made) else a))
        if not isinstance(result, Tensor) or result.numel() > _MOST_ELEMENTS:
            raise InputError(f"it must give one tensor of at most {_MOST_ELEMENTS} elements")
        if result.dim() < 2 or len(result) != len(self.example):
            raise InputError(
                f"it must keep the batch as its first axis, but gives shape {tuple(result.shape)} for "
                f"{len(self.example)} frames"
            )
        return Made(node, result)

    def _free(self, wanted: str) -> str:
        name, i = wanted, 0
        while hasattr(self.root, name):
            i += 1
            name = f"{wanted}_{i}"
        return name


def building_example(images: Tensor) -> Tensor:
    """The frames that a network is built on."""
    first = images[:_EXAMPLES].detach().float()
    # A batch of one could be mistaken for an axis of size 1.
    return first if len(first) > 1 else torch.cat([first, first])


def plain_name(name: str) -> str:
    """A name of letters, digits and underscores that starts with a letter."""
    clean = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "node"
    return clean[:80] if clean[0].isalpha() else f"n{clean[:80]}"


def _check_window(layer: nn.Module) -> None:
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = getattr(layer, name, 0)
        numbers = value if isinstance(value, tuple | list) else (value,)
        if any(isinstance(n, int) and not 0 <= n <= _MOST_SPATIAL for n in numbers):
            raise InputError(f"{name} must be 0 to {_MOST_SPATIAL}, not {value}")
