"""How much of a network's values quantization leaves: signal to noise by layer, and what each layer costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn

from ..exact import exact_layer, quantizer
from .build import Weights
from .observe import CHUNK, Steps, Tapped
from .plan import Plan
from .prepare import set_module

# What stands for no noise at all; more than floats can tell.
MOST_DB = 120.0


def decibels(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)`` of two powers, at most MOST_DB."""
    if noise <= signal * 10 ** (-MOST_DB / 10):
        return MOST_DB
    return 10 * math.log10(signal / noise) if signal > 0 else -MOST_DB


def layer_sqnr(
    reference: fx.GraphModule, quantized: nn.Module, pairs: Mapping[str, tuple[str, str]], images: Tensor
) -> dict[str, float]:
    """Signal to quantization noise of results, both networks given the same images, in dB.

    Args:
        pairs: names of what is compared, each with the reference's node and the quantized network's.
    Returns:
        What of ``pairs`` exists in both in one shape; nothing for a network that is no graph.
    """
    if not isinstance(quantized, fx.GraphModule):
        return {}
    powers: dict[str, list[float]] = {name: [0.0, 0.0] for name in pairs}
    found: set[str] = set()
    with torch.no_grad():
        for chunk in images.split(CHUNK):
            wanted = _results(reference, {a for a, _ in pairs.values()}, chunk)
            given = _results(quantized, {b for _, b in pairs.values()}, chunk)
            for name, (a, b) in pairs.items():
                if a in wanted and b in given and wanted[a].shape == given[b].shape:
                    found.add(name)
                    powers[name][0] += wanted[a].double().square().sum().item()
                    powers[name][1] += (given[b].double() - wanted[a].double()).square().sum().item()
    return {name: decibels(*powers[name]) for name in pairs if name in found}


def _results(network: fx.GraphModule, names: set[str], images: Tensor) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}

    def keep(name: str, x: Tensor) -> None:
        if name in names:
            kept[name] = x

    Tapped(network, keep).run(images)
    return kept


def alone(
    plan: Plan, steps: Mapping[str, Steps], weights: Mapping[str, Weights], images: Tensor
) -> dict[str, float]:
    """Signal to noise at the network's output, in dB, when one layer alone is quantized, by layer.

    The layer has integer weights and inputs, and all else stays float.
    """
    with torch.no_grad():
        wanted = plan.network(images)
        signal = wanted.double().square().sum().item()
        found = {}
        for name in plan.layers:
            result = single(plan, steps, weights, name)(images)
            found[name] = decibels(signal, (result.double() - wanted.double()).square().sum().item())
    return found


def single(
    plan: Plan, steps: Mapping[str, Steps], weights: Mapping[str, Weights], name: str
) -> fx.GraphModule:
    """The float network with one layer, and its input, quantized."""
    planned, w = plan.layers[name], weights[name]
    network = copy.deepcopy(plan.network)
    node = next(n for n in network.graph.nodes if n.name == name)
    twin = exact_layer(network.get_submodule(node.target), w.values, w.scale, planned.bits, w.bias)
    step, bits = steps[planned.site], plan.sites[planned.site].bits
    set_module(network, node.target, nn.Sequential(quantizer(step.scale, bits, step.signed), twin).eval())
    return network
