"""Units of a quantized network: pieces of its graph in order, cut where each begins with its quantizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from .unit_rounding import LearnedStep, RoundedLayer

# Frames that pass through a piece of the network at once when nothing is learned.
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Unit:
    """Consecutive nodes of a graph.

    Attributes:
        nodes: in the graph's order.
        inputs: values of nodes before that they read.
        outputs: values of theirs that nodes behind read.
    """

    nodes: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]


def unit_of(nodes: Iterable[fx.Node]) -> Unit:
    """The unit of consecutive nodes; constants are no inputs."""
    nodes = tuple(nodes)
    inside = set(nodes)
    read = dict.fromkeys(i for n in nodes for i in n.all_input_nodes if i not in inside)
    inputs = tuple(i for i in read if i.op != "get_attr")
    return Unit(nodes, inputs, tuple(n for n in nodes if any(u not in inside for u in n.users)))


def layer_units(network: fx.GraphModule) -> list[Unit]:
    """One unit for each layer of weights: quantizers right before it, it, and what follows to the next.

    Nodes before the first layer belong to its unit.
    """
    pieces: list[list[fx.Node]] = []
    quantizers: list[fx.Node] = []
    for node in _computed(network):
        module = module_of(network, node)
        if isinstance(module, LearnedStep):
            quantizers.append(node)
            continue
        if (isinstance(module, RoundedLayer) and pieces and _layers(network, pieces[-1])) or not pieces:
            pieces.append([])
        pieces[-1] += [*quantizers, node]
        quantizers = []
    if quantizers:
        pieces[-1] += quantizers
    return [unit_of(p) for p in pieces]


def block_units(network: fx.GraphModule, run: int = 2) -> list[Unit]:
    """Residual blocks, and straight runs of at most ``run`` layers between them.

    A block lasts as long as more than one value is read further on.
    """
    groups: list[list[Unit]] = []
    open_block, straight = False, 0
    for unit in layer_units(network):
        last = unit.nodes[-1]
        crossing = _crossing(network, last)
        if open_block:
            groups[-1].append(unit)
        elif crossing > 1 or not groups or straight in (0, run):
            groups.append([unit])
            straight = 0
        else:
            groups[-1].append(unit)
        straight = 0 if open_block or crossing > 1 else straight + 1
        open_block = crossing > 1
    return [joined(g) for g in groups]


def joined(units: Iterable[Unit]) -> Unit:
    """Consecutive units as one."""
    return unit_of(n for u in units for n in u.nodes)


def module_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls, if it does."""
    return network.get_submodule(node.target) if node.op == "call_module" else None


def modules_in(network: fx.GraphModule, unit: Unit, kind: type) -> list[nn.Module]:
    """The unit's modules of a kind, each once."""
    found = (module_of(network, n) for n in unit.nodes)
    return list(dict.fromkeys(m for m in found if isinstance(m, kind)))


def run(network: fx.GraphModule, unit: Unit, values: dict[fx.Node, Tensor]) -> dict[fx.Node, Tensor]:
    """The unit's outputs for its inputs (N, ...)."""
    known: dict[fx.Node, object] = dict(values)

    def value(node: fx.Node) -> object:
        if node.op == "get_attr" and node not in known:
            owner, _, name = node.target.rpartition(".")
            known[node] = getattr(network.get_submodule(owner), name)
        return known[node]

    for node in unit.nodes:
        args, kwargs = fx.map_arg((node.args, node.kwargs), value)
        if node.op == "call_module":
            known[node] = network.get_submodule(node.target)(*args, **kwargs)
        elif node.op == "call_function":
            known[node] = node.target(*args, **kwargs)
        else:
            known[node] = getattr(args[0], node.target)(*args[1:], **kwargs)
    return {n: known[n] for n in unit.outputs}


@torch.no_grad()
def passed(network: fx.GraphModule, unit: Unit, values: dict[fx.Node, Tensor]) -> dict[fx.Node, Tensor]:
    """All values that nodes behind the unit read, of many frames: the unit's own, and those passing it by."""
    inside = set(unit.nodes)
    frames = len(next(iter(values.values())))
    parts = [
        run(network, unit, {n: values[n][i : i + _BATCH] for n in unit.inputs})
        for i in range(0, frames, _BATCH)
    ]
    after = {n: torch.cat([p[n] for p in parts]) for n in unit.outputs}
    last = unit.nodes[-1]
    kept = {n: v for n, v in values.items() if any(u not in inside and _behind(u, last) for u in n.users)}
    return kept | after


def set_modes(network: fx.GraphModule, mode: str, quantizers: bool, unit: Unit | None = None) -> None:
    """Weights of all layers, or a unit's, as ``mode`` says (see ``RoundedLayer``); quantizers on or off."""
    modules = network.modules() if unit is None else (module_of(network, n) for n in unit.nodes)
    for module in modules:
        if isinstance(module, RoundedLayer):
            module.mode = mode
        elif isinstance(module, LearnedStep):
            module.enabled = quantizers


def _computed(network: fx.GraphModule) -> list[fx.Node]:
    return [n for n in network.graph.nodes if n.op in ("call_module", "call_function", "call_method")]


def _layers(network: fx.GraphModule, nodes: list[fx.Node]) -> bool:
    return any(isinstance(module_of(network, n), RoundedLayer) for n in nodes)


def _behind(node: fx.Node, last: fx.Node) -> bool:
    return last < node


def _crossing(network: fx.GraphModule, last: fx.Node) -> int:
    """How many values of up to ``last`` are read behind it."""
    values = [n for n in network.graph.nodes if n.op != "get_attr" and not last < n]
    return sum(any(last < u for u in n.users) for n in values)
