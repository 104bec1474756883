"""The quantization methods by name; importing this loads none of them, and no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from ..errors import InputError


@dataclass(frozen=True)
class Method:
    """One way to quantize a float network.

    Attributes:
        name: on the command line.
        title: what it does, in a few words.
        entry: ``module:function`` below ``quant``; ``quantize(GraphModule, Request) -> nn.Module``.
        weights, activations: the fewest and the most bits that it takes.
        trains: whether it trains the network's weights, rather than only calibrates.
        needs_labels: whether the request must hold labels.
        paper: what it follows.
    """

    name: str
    title: str
    entry: str
    weights: tuple[int, int] = (2, 8)
    activations: tuple[int, int] = (2, 8)
    trains: bool = False
    needs_labels: bool = False
    paper: str = ""

    def load(self) -> Callable:
        """The method's function."""
        module, _, function = self.entry.partition(":")
        return getattr(import_module(f".{module}", __package__), function)


_ALL: tuple[Method, ...] = ()

METHODS: dict[str, Method] = {m.name: m for m in _ALL}


def method(name: str) -> Method:
    """The method of this name.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"quantize: the method must be one of {', '.join(METHODS)}, not {name!r}.")
    return METHODS[name]
