"""Float networks made ready: batch norms inside the layers before them, exact pools, weights equalised."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ...errors import InputError
from ..exact import LAYERS, ExactAvgPool1d, ExactAvgPool2d, ExactGlobalAvgPool2d, ExactMean, out_axis
from ..frozen_norm import FrozenNorm
from ..function_table import ExactSoftmax

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_EQUALIZE_ROUNDS = 20


def prepare(network: fx.GraphModule, example: Tensor, equalize: bool = False) -> fx.GraphModule:
    """A copy whose nodes carry the example's shapes, with norms absorbed where a layer comes before them.

    Args:
        network: in the form of ``quant.network``.
        example: float32 frames (N, ...).
        equalize: also balance the weights of neighbouring layers (cross-layer equalisation).
    """
    network = copy.deepcopy(network).eval()
    absorb_norms(network)
    if equalize:
        network = equalized(network, example)
    with torch.no_grad():
        ShapeProp(network).propagate(example[:2])
    _exact_sums(network)
    for node in layer_nodes(network):
        layer = network.get_submodule(node.target)
        if getattr(layer, "padding_mode", "zeros") != "zeros":
            raise InputError(
                f"quantize: layer {node.target!r} must pad with zeros, not {layer.padding_mode!r}."
            )
    network.recompile()
    return network


def layer_nodes(network: fx.GraphModule) -> list[fx.Node]:
    """The calls of layers that have weights, in order."""
    return [n for n in network.graph.nodes if module_of(network, n, LAYERS) is not None]


def module_of(network: fx.GraphModule, node: fx.Node, kinds: type | tuple) -> nn.Module | None:
    """The module that a node calls, where it is of these kinds."""
    if node.op != "call_module":
        return None
    module = network.get_submodule(node.target)
    return module if isinstance(module, kinds) else None


def absorb_norms(network: fx.GraphModule) -> None:
    """Batch norms into the layers before them, in float64; others become a product and a sum."""
    for node in list(network.graph.nodes):
        norm = module_of(network, node, _NORMS)
        if norm is None:
            continue
        source = node.args[0]
        layer = module_of(network, source, LAYERS)
        if layer is not None and len(source.users) == 1 and _absorbs(layer):
            _absorb(layer, norm)
            node.replace_all_uses_with(source)
            network.graph.erase_node(node)
        else:
            set_module(network, node.target, FrozenNorm(norm))
    network.delete_all_unused_submodules()
    network.recompile()


def _absorbs(layer: nn.Module) -> bool:
    return not (isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1)


def _absorb(layer: nn.Module, norm: nn.Module) -> None:
    frozen = FrozenNorm(copy.deepcopy(norm).double())
    along = [1] * layer.weight.dim()
    along[out_axis(layer)] = -1
    bias = torch.zeros_like(frozen.offset) if layer.bias is None else layer.bias.detach().double()
    with torch.no_grad():
        layer.weight.copy_(layer.weight.double() * frozen.factor.reshape(along))
        bias = (bias * frozen.factor + frozen.offset).to(layer.weight.dtype)
    layer.bias = nn.Parameter(bias)


def equalized(network: fx.GraphModule, example: Tensor) -> fx.GraphModule:
    """Cross-layer equalisation (arXiv 1906.04721), by Brevitas: channels of layers that follow each other,
    with ReLUs at most between them, get equal weight ranges; what the network computes stays the same."""
    from brevitas.graph.equalize import EqualizeGraph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EqualizeGraph(iterations=_EQUALIZE_ROUNDS).apply(network)


def _exact_sums(network: fx.GraphModule) -> None:
    """Averages and softmaxes whose floats do not depend on the order of their sums."""
    for node in list(network.graph.nodes):
        if node.target is torch.mean:
            _replace_mean(network, node)
            continue
        softmax = module_of(network, node, nn.Softmax)
        if softmax is not None:
            set_module(network, node.target, ExactSoftmax(softmax.dim))
        pool = module_of(network, node, _AVERAGES)
        if pool is not None:
            shapes = (node.args[0].meta["tensor_meta"].shape[2:], node.meta["tensor_meta"].shape[2:])
            set_module(network, node.target, _exact_pool(node, pool, *map(tuple, shapes)))


def _replace_mean(network: fx.GraphModule, node: fx.Node) -> None:
    source, *options = node.args
    with network.graph.inserting_before(node):
        name = f"{node.name}_exact"
        network.add_submodule(name, ExactMean(*options).eval())
        call = network.graph.call_module(name, (source,))
    call.meta = dict(node.meta)
    node.replace_all_uses_with(call)
    network.graph.erase_node(node)


def _exact_pool(node: fx.Node, pool: nn.Module, before: tuple, after: tuple) -> nn.Module:
    kind = ExactAvgPool1d if len(before) == 1 else ExactAvgPool2d
    if isinstance(pool, nn.AvgPool1d | nn.AvgPool2d):
        if getattr(pool, "divisor_override", None):
            raise InputError(f"quantize: pool {node.target!r} must divide by its window, not by a number.")
        window = (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, pool.count_include_pad)
        return kind(*window).eval()
    if set(after) == {1}:
        return (ExactMean((2,), True) if len(before) == 1 else ExactGlobalAvgPool2d()).eval()
    if any(b % a for a, b in zip(after, before, strict=True)):
        raise InputError(
            f"quantize: pool {node.target!r} must have windows of one size, not {before} to {after}. Choose "
            "an output size that divides the input's."
        )
    return kind(tuple(b // a for a, b in zip(after, before, strict=True))).eval()


def set_module(network: fx.GraphModule, target: str, module: nn.Module) -> None:
    """Put another module where ``target`` names one."""
    parent, _, own = target.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
