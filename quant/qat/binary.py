"""Layers of one bit: signs of activations and weights, with each method's own gradient of the sign.

sign(0) is +1, and what surrounds an image is -1, in training as in inference: the integer graph has
{-1, +1} on both sides of every product, and no third value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .codes import Signs, along_channels
from .uniform import QuantLayer

BORDER = -1.0
Slope = Callable[[Tensor], Tensor]


def clipped(x: Tensor) -> Tensor:
    """1 on [-1, 1], else 0: the plain straight-through estimator's."""
    return (x.abs() <= 1).to(x.dtype)


def quadratic(x: Tensor) -> Tensor:
    """2 + 2x on [-1, 0), 2 - 2x on [0, 1), else 0: Bi-Real net's, ReActNet's for activations."""
    return (2 - 2 * x.abs()).clamp_(min=0)


def fourier(terms: int, frequency: float) -> Slope:
    """FDA-BNN's: the derivative of ``4/pi sum_{i=0..n} sin((2i+1) w x) / (2i+1)`` on [-1, 1], else 0.

    In closed form ``2w/pi * sin(2(n+1) w x) / sin(w x)``.

    Args:
        terms: n.
        frequency: w, below pi so that the sine in the denominator has one zero.
    """

    def slope(x: Tensor) -> Tensor:
        sine = torch.sin(frequency * x)
        ratio = torch.sin(2 * (terms + 1) * frequency * x).div_(sine)
        ratio.masked_fill_(sine == 0, 2.0 * (terms + 1))
        return ratio.mul_(2 * frequency / math.pi).mul_(clipped(x))

    return slope


class _Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; the gradient is multiplied by ``slope(x)``."""

    @staticmethod
    def forward(ctx, x: Tensor, slope: Slope) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        # Several times faster than torch.where on a CPU, and the same.
        return (x >= 0).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.slope(ctx.saved_tensors[0]), None


def sign(x: Tensor, slope: Slope) -> Tensor:
    """+1 where x >= 0, else -1, with this derivative."""
    return _Sign.apply(x, slope)


class BinaryInput(nn.Module):
    """Signs of activations.

    Args:
        slope: the derivative of the sign; may be replaced while training.
        channels: of the bias that is added first and learns, as in RSign; None for none.
        noise: what training adds to the signs, or None.
    """

    def __init__(self, slope: Slope, channels: int | None = None, noise: nn.Module | None = None):
        super().__init__()
        self.slope, self.noise = slope, noise
        self.bias = None if channels is None else nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> -1 and +1."""
        if self.bias is not None:
            x = x + along_channels(self.bias, x)
        y = sign(x, self.slope)
        return y if self.noise is None or not self.training else y + self.noise(x)

    def frozen(self) -> Signs:
        """The quantizer of inference."""
        return Signs(self.bias, torch.ones(()))


class BinaryWeight(nn.Module):
    """Signs of weights times their mean magnitude, which is a constant to gradients.

    Args:
        slope: the derivative of the sign.
        per_channel: the mean over each output's weights, else over the layer's.
        scaled_gradient: whether the mean multiplies the gradient too.
        noise: what training adds to the signs, or None.
    """

    def __init__(
        self,
        slope: Slope,
        per_channel: bool = True,
        scaled_gradient: bool = True,
        noise: nn.Module | None = None,
    ):
        super().__init__()
        self.slope, self.per_channel, self.scaled_gradient = slope, per_channel, scaled_gradient
        self.noise, self.active = noise, True

    def scale(self, weight: Tensor) -> Tensor:
        """The mean magnitude, (M,) or one number."""
        sizes = weight.detach().abs()
        return sizes.flatten(1).mean(1) if self.per_channel else sizes.mean().reshape(1)

    def forward(self, weight: Tensor) -> Tensor:
        """The values that signs stand for; the weights themselves while not ``active``."""
        if not self.active:
            return weight
        scale = self.scale(weight).reshape(-1, *(1,) * (weight.dim() - 1))
        signs = sign(weight, self.slope)
        if self.noise is not None and self.training:
            signs = signs + self.noise(weight)
        if self.scaled_gradient:
            return signs * scale
        return (signs * scale - signs).detach() + signs

    def codes(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """-1 and +1 as floats, and the value of 1."""
        return torch.where(weight.detach() >= 0, 1.0, -1.0), self.scale(weight)


def binary_layer(layer: nn.Module, quantizer: BinaryInput, weights: BinaryWeight) -> QuantLayer:
    """A layer of signs, images surrounded by ``BORDER``."""
    return QuantLayer(layer, quantizer, weights, border=BORDER)


def input_channels(layer: nn.Module) -> int:
    """Axis 1 of a layer's input (of a product's input, its last)."""
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
