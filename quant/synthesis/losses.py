"""The published losses of image synthesis and of fine-tuning on synthetic images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .statistics import Moments

_TINY = 1e-6
# Distillation: temperature, and weight beside the cross-entropy.
TEMPERATURE, SHARE = 20.0, 20.0
# Aspect ratios of crops.
_NARROWEST, _WIDEST = 3 / 4, 4 / 3


def moments_loss(found: Moments, wanted: Moments) -> Tensor:
    """The mean over batch norms of the squared distances of means and of variances."""
    terms = [
        functional.mse_loss(mean, m) + functional.mse_loss(var, v)
        for (mean, var), (m, v) in zip(found, wanted, strict=True)
    ]
    return torch.stack(terms).mean()


def marginal_distance(features: Tensor, centres: Tensor, known: Tensor, lower: float, upper: float) -> Tensor:
    """IntraQ's: features keep ``d = 1 - cos`` from their class's centre within ``lower..upper``.

    Args:
        features, centres: (N, F).
        known: 1 where the class has a centre, else 0, (N,).
    """
    distance = 1 - functional.cosine_similarity(features, centres, dim=1, eps=_TINY)
    out = torch.clamp(lower - distance, min=0) + torch.clamp(distance - upper, min=0)
    return (out * known).sum() / (known.sum() + _TINY)


def soft_inception(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """IntraQ's: the squared distance of each image's own probability from its target (N,)."""
    own = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    return (own - targets).square().mean()


def distillation(outputs: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """``CE(labels) + 20 * T**2 * KL(teacher / T, outputs / T)`` with T = 20, logits (N, classes)."""
    soft = functional.kl_div(
        functional.log_softmax(outputs / TEMPERATURE, 1),
        functional.softmax(teacher / TEMPERATURE, 1),
        reduction="batchmean",
    )
    return functional.cross_entropy(outputs, labels) + SHARE * TEMPERATURE**2 * soft


def crops(images: Tensor, least: float, generator: torch.Generator, mirror: bool = True) -> Tensor:
    """IntraQ's local object reinforcement: of each image a random part, at full size, perhaps mirrored.

    Args:
        images: (N, C, H, W).
        least: the least share of the area; the greatest is 1.
        mirror: whether half of them are mirrored, left to right.
    """
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator, dtype=torch.float64).to(images) * (high - low) + low

    area = uniform(least, 1.0)
    ratio = torch.exp(uniform(math.log(_NARROWEST), math.log(_WIDEST)))
    width, height = ((area * r).sqrt().clamp(max=1) for r in (ratio, 1 / ratio))
    x, y = ((1 - size) * uniform(-1.0, 1.0) for size in (width, height))
    mirrored = torch.where(uniform(0.0, 1.0) < 0.5 * mirror, -1.0, 1.0)
    zero = torch.zeros_like(x)
    rows = torch.stack([width * mirrored, zero, x, zero, height, y], 1).reshape(n, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
