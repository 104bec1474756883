"""Bias correction: what quantization shifts a layer's mean outputs by goes back into its bias."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from .observe import Tapped, run_tapped
from .plan import Plan

# Frames that means are taken of; all at once, so that a layer sees what corrected layers before it give.
_FRAMES = 256


def correct_biases(plan: Plan, quantized: fx.GraphModule, images: Tensor) -> None:
    """Change the biases of ``quantized`` so that every layer's mean outputs are those of the float network.

    Each layer in turn is corrected for what the layers before it, corrected already, leave
    (arXiv 1906.04721, section 4.2, with means of data instead of those of batch norms).
    """
    images = images[:_FRAMES]
    wanted = channel_means(plan.network, plan.layers, images)
    targets = {n.name: n.target for n in quantized.graph.nodes if n.name in plan.layers}

    def correct(name: str, y: Tensor) -> Tensor | None:
        if name not in targets:
            return None
        layer = quantized.get_submodule(targets[name])
        axis = _axis(layer, y)
        shift = wanted[name] - _means(y, axis)
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros_like(shift).to(y.dtype))
        with torch.no_grad():
            layer.bias += shift.to(layer.bias.dtype)
        return y + shift.to(y.dtype).reshape((-1,) + (1,) * (y.dim() - 1 - axis))

    with torch.no_grad():
        Tapped(quantized, correct).run(images)


def channel_means(network: fx.GraphModule, names, images: Tensor) -> dict[str, Tensor]:
    """The mean of each channel of the results of these layers' nodes, float64 (C,)."""
    layers = {n.name: network.get_submodule(n.target) for n in network.graph.nodes if n.name in names}
    sums: dict[str, Tensor] = {}

    def add(name: str, y: Tensor) -> None:
        if name in layers:
            sums[name] = sums.get(name, 0) + _means(y, _axis(layers[name], y)) * len(y)

    run_tapped(network, images, add)
    return {name: total / len(images) for name, total in sums.items()}


def _axis(layer: nn.Module, y: Tensor) -> int:
    """The axis of a layer's channels: the last of linear ones, else the second."""
    return y.dim() - 1 if isinstance(layer, nn.Linear) else 1


def _means(y: Tensor, axis: int) -> Tensor:
    return y.double().mean([d for d in range(y.dim()) if d != axis])
