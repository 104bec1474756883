"""Quantized networks from plans: quantizers at the sites, exact layers in place of the float ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from ..exact import exact_layer, out_axis, quantizer, weight_limits
from ..function_table import TabledFunction
from .observe import Steps
from .plan import LayerPlan, Plan
from .prepare import set_module

_CLIPS = 100


@dataclass
class Weights:
    """A layer's weights and their scale.

    Attributes:
        values: floats in the layer's shape; the layer rounds them to the nearest code.
        scale: one, or along the axis of outputs as it broadcasts.
        bias: float (M,), or None.
    """

    values: Tensor
    scale: Tensor
    bias: Tensor | None


def weight_scale(weight: Tensor, bits: int, axis: int | None, rule: str) -> Tensor:
    """The scale of weights, along ``axis`` or one for all (None).

    Args:
        rule: "minmax": the least step that clips nothing; else the step of least squared error, of 100.
    """
    low, high = weight_limits(bits)
    dims = [d for d in range(weight.dim()) if d != axis]
    w = weight.detach()
    widest = torch.maximum(w.amax(dims, keepdim=True) / high, w.amin(dims, keepdim=True) / low)
    widest = widest.clamp(min=torch.finfo(torch.float32).tiny * 2**24)
    if rule == "minmax":
        return widest
    best, least = widest, None
    # The lowest code reaches further than the highest: larger steps than the widest are of no use.
    for i in range(_CLIPS, 9, -1):
        step = widest * (i / _CLIPS)
        error = ((torch.round(w / step).clamp(low, high) * step - w) ** 2).sum(dims, keepdim=True)
        if least is None:
            least = error
        best = torch.where(error < least, step, best)
        least = torch.minimum(error, least)
    return best


def layer_axis(layer: nn.Module, planned: LayerPlan) -> int | None:
    """The axis along which a layer's weights have scales of their own; None: one for all."""
    if planned.whole or (isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1):
        return None
    return out_axis(layer)


def plain_weights(plan: Plan, rule: str) -> dict[str, Weights]:
    """All layers' weights as they are, with scales by this rule."""
    found = {}
    for name, planned in plan.layers.items():
        layer = float_layer(plan, name)
        weight = layer.weight.detach()
        scale = weight_scale(weight, planned.bits, layer_axis(layer, planned), rule)
        found[name] = Weights(weight, scale, None if layer.bias is None else layer.bias.detach())
    return found


def float_layer(plan: Plan, name: str) -> nn.Module:
    """The float layer of this name."""
    node = next(n for n in plan.network.graph.nodes if n.name == name)
    return plan.network.get_submodule(node.target)


def build(plan: Plan, steps: Mapping[str, Steps], weights: Mapping[str, Weights]) -> fx.GraphModule:
    """The quantized network; nodes keep their names, and a site's quantizer is called ``NAME_quant``."""
    network = copy.deepcopy(plan.network)
    for node in list(network.graph.nodes):
        if node.name in plan.layers:
            planned = plan.layers[node.name]
            layer = network.get_submodule(node.target)
            w = weights[node.name]
            given = torch.tensor(steps[planned.site].scale) if planned.whole else None
            twin = exact_layer(layer, w.values, w.scale, planned.bits, w.bias, given)
            set_module(network, node.target, twin)
        if node.name in plan.curves:
            site = plan.sites[plan.curves[node.name]]
            table = _tabled(network.get_submodule(node.target), steps[site.node], site.bits)
            set_module(network, node.target, table)
        if node.name in plan.sites:
            found = steps[node.name]
            insert(network, node, quantizer(found.scale, plan.sites[node.name].bits, found.signed))
    network.graph.lint()
    network.recompile()
    return network.eval()


def _tabled(function: nn.Module, step: Steps, bits: int) -> TabledFunction:
    low = -(2 ** (bits - 1)) if step.signed else 0
    return TabledFunction(function, step.scale, low, low + 2**bits - 1).eval()


def insert(network: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """A call of ``module`` on a node's result, for all who read it."""
    name = f"{node.name}_quant"
    network.add_submodule(name, module)
    with network.graph.inserting_after(node):
        call = network.graph.call_module(name, (node,))
    node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)
