"""A float super-resolution network with DDTB's blocks in place of its own, and a trained one in integers."""

from __future__ import annotations

import copy
import operator
from dataclasses import dataclass

import torch
from torch import fx, nn

from ...errors import InputError
from .bounds import BoundsQuant, percentile_weights
from .layers import FixedConv, FixedQuant, QuantBlock, WeightRule

# Where a network's body ends: student and teacher are compared here.
STRUCTURE = "structure"
_SUMS = (operator.add, operator.iadd, torch.add)
_PRODUCTS = (operator.mul, operator.imul, torch.mul)
# Layers that need no quantizer of their own.
_FREE = (nn.ReLU, nn.PixelShuffle, nn.PixelUnshuffle, nn.Identity, nn.Dropout)


@dataclass(frozen=True)
class _Match:
    """A residual block: ``add = x + share * second(relu(first(x)))``."""

    x: fx.Node
    add: fx.Node
    first: str
    second: str
    share: float


def marked(network: fx.GraphModule) -> fx.GraphModule:
    """A copy with a layer ``structure`` that does nothing, behind the last sum: the end of the body.

    Raises:
        InputError: the network has no sum.
    """
    result = copy.deepcopy(network)
    sums = [n for n in result.graph.nodes if n.target in _SUMS]
    if not sums:
        raise _no_block()
    result.add_submodule(STRUCTURE, nn.Identity())
    with result.graph.inserting_after(sums[-1]):
        mark = result.graph.call_module(STRUCTURE)
    sums[-1].replace_all_uses_with(mark)
    mark.args = (sums[-1],)
    result.recompile()
    return result


def trainable(
    network: fx.GraphModule,
    bits_w: int,
    bits_a: int,
    fixed_bits: int = 8,
    quant: type[BoundsQuant] = BoundsQuant,
    rule: WeightRule = percentile_weights,
) -> fx.GraphModule:
    """A copy, marked, with quantizers that are yet to be calibrated; the given network stays as it is.

    Blocks ``x + share * conv(relu(conv(x)))`` get ``bits_w`` and ``bits_a``, convolutions outside of them
    ``fixed_bits``, as do the tensors between these.

    Raises:
        InputError: no such block, or other layers than convolutions, ReLU and pixel shuffles.
    """
    net = marked(network)
    count = 0
    for node in list(net.graph.nodes):
        match = _match(net, node)
        if match is not None:
            first, second = net.get_submodule(match.first), net.get_submodule(match.second)
            block = QuantBlock(first, second, match.share, bits_w, bits_a, quant, rule)
            _replace_block(net, match, block, f"quant_block{count}")
            count += 1
    if not count:
        raise _no_block()
    for node in list(net.graph.nodes):
        _fix(net, node, fixed_bits)
    net.graph.eliminate_dead_code()
    net.delete_all_unused_submodules()
    net.recompile()
    return net


def deployed(network: fx.GraphModule) -> fx.GraphModule:
    """A copy of a trained network in integers, in evaluation mode; its scales are constants."""
    net = copy.deepcopy(network).eval()
    for node in net.graph.nodes:
        layer = net.get_submodule(node.target) if node.op == "call_module" else None
        if hasattr(layer, "deployed"):
            parent, _, own = node.target.rpartition(".")
            setattr(net.get_submodule(parent), own, layer.deployed())
    return net.eval()


def set_mode(network: nn.Module, mode: str) -> None:
    """The mode of all quantizers; DYNAMIC is for those with a gate, others take it as STATIC."""
    for layer in network.modules():
        if isinstance(layer, BoundsQuant | FixedQuant | FixedConv):
            layer.mode = mode


def _no_block() -> InputError:
    return InputError(
        "ddtb: the network must have residual blocks x + conv(relu(conv(x))), but has none. Use a plain "
        "method, such as mse."
    )


def _layer(net: fx.GraphModule, node: object, kind: type) -> nn.Module | None:
    """The layer of a kind that a node calls, and that nothing else reads."""
    if not isinstance(node, fx.Node) or node.op != "call_module" or len(node.users) != 1:
        return None
    layer = net.get_submodule(node.target)
    return layer if isinstance(layer, kind) else None


def _match(net: fx.GraphModule, add: fx.Node) -> _Match | None:
    if add.target not in _SUMS or len(add.args) != 2 or add.kwargs:
        return None
    for branch, x in (add.args, add.args[::-1]):
        share = 1.0
        if isinstance(branch, fx.Node) and branch.target in _PRODUCTS and len(branch.users) == 1:
            numbers = [a for a in branch.args if isinstance(a, int | float)]
            nodes = [a for a in branch.args if isinstance(a, fx.Node)]
            if len(numbers) != 1 or len(nodes) != 1:
                continue
            share, branch = float(numbers[0]), nodes[0]
        if _layer(net, branch, nn.Conv2d) is None or _layer(net, branch.args[0], nn.ReLU) is None:
            continue
        first = branch.args[0].args[0]
        if _layer(net, first, nn.Conv2d) is not None and first.args[0] is x:
            return _Match(x, add, first.target, branch.target, share)
    return None


def _replace_block(net: fx.GraphModule, match: _Match, block: QuantBlock, name: str) -> None:
    net.add_submodule(name, block)
    with net.graph.inserting_before(match.add):
        call = net.graph.call_module(name, (match.x,))
    match.add.replace_all_uses_with(call)
    net.graph.eliminate_dead_code()


def _fix(net: fx.GraphModule, node: fx.Node, bits: int) -> None:
    """Quantize a node outside of the blocks, and its result where a layer or a sum reads it."""
    layer = net.get_submodule(node.target) if node.op == "call_module" else None
    if isinstance(layer, nn.Conv2d):
        parent, _, own = node.target.rpartition(".")
        setattr(net.get_submodule(parent), own, FixedConv(layer, bits))
    elif isinstance(layer, nn.Module) and not isinstance(layer, (*_FREE, QuantBlock)):
        raise InputError(
            f"ddtb: layer {node.target!r} must be Conv2d, ReLU or a pixel shuffle, not "
            f"{type(layer).__name__}. Use a plain method, such as mse."
        )
    users = list(node.users)
    if len(users) == 1 and _layer(net, node, object) and isinstance(_called(net, users[0]), nn.ReLU):
        return
    if isinstance(layer, QuantBlock):
        users = [u for u in users if not isinstance(_called(net, u), QuantBlock)]
    made = (
        node.op == "placeholder"
        or node.target in _SUMS
        or isinstance(layer, nn.Conv2d | nn.ReLU | QuantBlock)
    )
    if not made or all(u.op == "output" for u in users):
        return
    name = f"fixed_{node.name}"
    net.add_submodule(name, FixedQuant(bits))
    with net.graph.inserting_after(node):
        call = net.graph.call_module(name)
    for user in users:
        user.replace_input_with(node, call)
    call.args = (node,)


def _called(net: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return net.get_submodule(node.target) if node.op == "call_module" else None
