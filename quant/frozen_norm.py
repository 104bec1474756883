"""Batch norms of a trained network as two plain operations, whose floats every executor rounds alike."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class FrozenNorm(nn.Module):
    """``y[n, c, ...] = x[n, c, ...] * factor[c] + offset[c]``, product and sum each rounded once.

    torch's own batch norm rounds product and sum together on some processors, so that a value on the edge
    between two codes can fall to either side.

    Args:
        norm: a trained batch norm; factor and offset are its own, computed in float64.
    """

    def __init__(self, norm: nn.Module):
        super().__init__()
        mean, variance = norm.running_mean.detach().double(), norm.running_var.detach().double()
        factor = 1 / torch.sqrt(variance + norm.eps)
        offset = torch.zeros_like(mean)
        if norm.affine:
            factor, offset = factor * norm.weight.detach().double(), norm.bias.detach().double()
        self.register_buffer("factor", factor.to(norm.running_mean.dtype))
        self.register_buffer("offset", (offset - mean * factor).to(norm.running_mean.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C) or (N, C, ...) -> the same shape."""
        along = (-1, *(1,) * (x.dim() - 2))
        return x * self.factor.reshape(along) + self.offset.reshape(along)


def freeze_norms(model: nn.Module) -> nn.Module:
    """A copy of a trained network, in evaluation mode, with its batch norms as ``FrozenNorm``."""
    if isinstance(model, _NORMS):
        return FrozenNorm(model).eval()
    result = copy.deepcopy(model)
    for name, layer in list(result.named_modules()):
        if isinstance(layer, _NORMS):
            parent, _, own = name.rpartition(".")
            setattr(result.get_submodule(parent), own, FrozenNorm(layer))
    return result.eval()
