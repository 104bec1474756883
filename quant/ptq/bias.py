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
        shift = wanted[name] - _means(y)
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros_like(shift).to(y.dtype))
        with torch.no_grad():
            layer.bias += shift.to(layer.bias.dtype)
        return y + shift.to(y.dtype).reshape((1, -1) + (1,) * (y.dim() - 2))

    with torch.no_grad():
        Tapped(quantized, correct).run(images)


def channel_means(network: fx.GraphModule, names, images: Tensor) -> dict[str, Tensor]:
    """The mean of each channel of the results of these nodes, float64 (C,)."""
    sums: dict[str, Tensor] = {}

    def add(name: str, y: Tensor) -> None:
        if name in names:
            sums[name] = sums.get(name, 0) + _means(y) * len(y)

    run_tapped(network, images, add)
    return {name: total / len(images) for name, total in sums.items()}


def _means(y: Tensor) -> Tensor:
    """Means over all axes but that of the channels, the second; the last of tokens (N, T, C)."""
    channels = y.dim() - 1 if y.dim() == 3 else 1
    return y.double().mean([d for d in range(y.dim()) if d != channels])
