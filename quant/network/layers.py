"""Layers of torch from stored weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import InputError

_CONVS = {(1, False): nn.Conv1d, (2, False): nn.Conv2d, (1, True): nn.ConvTranspose1d,
          (2, True): nn.ConvTranspose2d}  # fmt: skip
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
# Asymmetric pads as (left, right, top, bottom), as torch has them.
_PADS = {2: nn.ZeroPad1d, 4: nn.ZeroPad2d}


def convolution(weight: object, bias: object, window: dict, transposed: bool) -> nn.Module:
    """A convolution, 1-D or 2-D, of these weights.

    Args:
        weight: (M, C/groups, ...), or (C, M/groups, ...) where it is transposed.
        window: stride, padding, dilation, groups, and output_padding where it is transposed.
    Raises:
        InputError: weights that are computed, or no such layer.
    """
    check_constant(weight, "its weights")
    kind = _CONVS.get((weight.dim() - 2, transposed))
    if kind is None:
        raise InputError(f"convolutions must be 1-D or 2-D, not of weights {tuple(weight.shape)}")
    groups, (a, b) = window["groups"], weight.shape[:2]
    channels = (a, b * groups) if transposed else (b * groups, a)
    layer = kind(*channels, tuple(weight.shape[2:]), bias=bias is not None, **window)
    return _filled(layer, weight=weight, bias=bias)


def linear(weight: object, bias: object) -> nn.Linear:
    """A linear layer of weights (M, K)."""
    check_constant(weight, "its weights")
    if weight.dim() != 2:
        raise InputError(f"the weights must have 2 axes, not shape {tuple(weight.shape)}")
    outputs, inputs = weight.shape
    return _filled(nn.Linear(inputs, outputs, bias=bias is not None), weight=weight, bias=bias)


def batch_norm(rank: int, weight, bias, mean, variance, eps: float) -> nn.Module:
    """A batch norm in evaluation mode for tensors of this rank, its batch included."""
    for name, value in (("running mean", mean), ("running variance", variance)):
        check_constant(value, f"its {name}")
    if rank not in _NORMS:
        raise InputError(f"batch norms must be of 2 to 4 axes, not {rank}")
    norm = _NORMS[rank](mean.numel(), eps=eps, affine=weight is not None or bias is not None)
    return _filled(norm, weight=weight, bias=bias, running_mean=mean, running_var=variance).eval()


def zero_pad(pads: tuple[int, ...]) -> nn.Module:
    """Zeros around frames; ``pads`` as torch has them, the last axis first."""
    if len(pads) not in _PADS or min(pads) < 0 or max(pads) > 2**12:
        raise InputError(f"padding must be of 1 or 2 axes, each 0 to {2**12}, not {pads}")
    return _PADS[len(pads)](pads)


def enlarged(factors: tuple[float, ...]) -> nn.Upsample:
    """An image enlarged by whole factors of height and width, to nearest neighbours."""
    if len(factors) != 2 or any(f < 1 or f > 64 or f != int(f) for f in factors):
        raise InputError(f"images must be enlarged by whole factors of height and width, not {factors}")
    return nn.Upsample(scale_factor=tuple(float(f) for f in factors), mode="nearest")


class Erf(nn.Module):
    """The error function."""

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return torch.erf(x)


def check_constant(value: object, what: str) -> None:
    """Raise InputError unless ``value`` is a stored tensor of finite floats."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise InputError(f"{what} must be constant floats")
    if not torch.isfinite(value).all():
        raise InputError(f"{what} must be finite, but hold NaN or infinity")


def _filled(layer: nn.Module, **tensors: object) -> nn.Module:
    for name, value in tensors.items():
        if value is None:
            continue
        check_constant(value, f"its {name}")
        own = getattr(layer, name)
        if own.shape != value.shape:
            raise InputError(f"its {name} must have shape {tuple(own.shape)}, not {tuple(value.shape)}")
        own.data.copy_(value)
    return layer
