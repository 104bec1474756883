"""Uniform quantizers whose steps learn (LSQ, arXiv 1902.08153), and layers of any two quantizers.

Steps learn as logarithms: Adam moves a parameter by about the learning rate whatever its gradient, which for
the step of an 8-bit weight would be more than all of it.
"""

from __future__ import annotations

import math

import torch
from brevitas.function.ops_ste import round_ste
from torch import Tensor, nn

from .codes import Rounded
from .integer_layer import IntegerLayer, Window

_LEAST = 1e-8
# Ranges tried for the first step, as shares of the largest magnitude.
_TRIED = tuple(i / 40 for i in range(4, 41))
_SEARCHED = 2**16


def learned(logarithm: Tensor, gain: float) -> Tensor:
    """The step ``exp(logarithm)``, whose gradient is ``gain`` times what it would be."""
    step = torch.exp(logarithm)
    return _Gained.apply(step, gain)


class _Gained(torch.autograd.Function):
    """x, its gradient times a number."""

    @staticmethod
    def forward(ctx, x: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        return x.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.gain, None


class _Codes(torch.autograd.Function):
    """``clamp(round(x / step), lo, hi)``, its gradient that of ``x / step`` between the limits.

    What torch's own clamp does, in a third of its time on a CPU.
    """

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, lo: int, hi: int) -> Tensor:
        ratio = x / step
        ctx.save_for_backward(ratio, step)
        ctx.limits = (lo, hi)
        return ratio.clamp(lo, hi).round_()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Gradients of x and of the step, one number."""
        ratio, step = ctx.saved_tensors
        of_x = torch.ops.aten.hardtanh_backward(grad, ratio, *ctx.limits).div_(step)
        return of_x, -(of_x * ratio).sum(), None, None


def first_step(x: Tensor, lo: int, hi: int) -> Tensor:
    """The step of the least squared error for ``lo..hi`` among 37; one for each row of x (M, K)."""
    x = x.detach()
    if x.shape[1] > _SEARCHED:
        x = x[:, :: x.shape[1] // _SEARCHED + 1]
    top = (x.amax(1) / max(hi, 1)).clamp(min=0)
    if lo < 0:
        top = torch.maximum(top, -x.amin(1) / -lo)
    best, least = top, torch.full_like(top, math.inf)
    for share in _TRIED:
        step = (top * share).clamp(min=_LEAST)[:, None]
        error = ((torch.round(x / step).clamp(lo, hi) * step - x) ** 2).sum(1)
        best, least = torch.where(error < least, step[:, 0], best), torch.minimum(error, least)
    return best.clamp(min=_LEAST)


class UniformQuant(nn.Module):
    """Activations as ``step * clamp(round(x / step), lo, hi)``, with LSQ's gradients.

    The first tensor that comes sets the step, and whether codes have a sign.

    Args:
        bits: 2 or more.
    """

    def __init__(self, bits: int):
        super().__init__()
        self.bits = bits
        self.logarithm = nn.Parameter(torch.zeros(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self.register_buffer("signed", torch.zeros((), dtype=torch.bool))

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest code."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)

    @property
    def step(self) -> Tensor:
        """The value of code 1."""
        return torch.exp(self.logarithm)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take sign and step from x."""
        self.signed.fill_(bool((x < 0).any()))
        self.logarithm.copy_(first_step(x.reshape(1, -1), *self.limits)[0].log())
        self.started.fill_(True)

    def scaled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The codes, and the step that they are to be multiplied by."""
        if not self.started:
            self.start(x)
        lo, hi = self.limits
        step = learned(self.logarithm, 1 / math.sqrt(x[0].numel() * hi))
        return _Codes.apply(x, step, lo, hi), step

    def forward(self, x: Tensor) -> Tensor:
        """The nearest values that codes stand for."""
        codes, step = self.scaled(x)
        return codes * step

    def frozen(self) -> Rounded:
        """The quantizer of inference."""
        return Rounded(self.step, *self.limits)


class UniformWeight(nn.Module):
    """Weights as ``step * clamp(round(w / step), -2^(b-1), 2^(b-1) - 1)``, with LSQ's gradients.

    Args:
        weight: (M, ...), from which the first steps are taken.
        bits: 2 or more.
        per_channel: whether every output has a step of its own.
    """

    def __init__(self, weight: Tensor, bits: int, per_channel: bool = True):
        super().__init__()
        self.limits = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        rows = weight.flatten(1) if per_channel else weight.reshape(1, -1)
        self.logarithm = nn.Parameter(first_step(rows, *self.limits).log())
        self.gain = 1 / math.sqrt(rows.shape[1] * max(self.limits[1], 1))

    def forward(self, weight: Tensor) -> Tensor:
        """The nearest values that codes stand for."""
        step = learned(self.logarithm, self.gain).reshape(-1, *(1,) * (weight.dim() - 1))
        return round_ste(torch.clamp(weight / step, *self.limits)) * step

    def codes(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Whole floats, and the value of 1: one number or (M,)."""
        weight, step = weight.detach(), torch.exp(self.logarithm.detach())
        wide = step.reshape(-1, *(1,) * (weight.dim() - 1))
        return torch.round(torch.clamp(weight / wide, *self.limits)), step


class QuantLayer(nn.Module):
    """A convolution or a product whose input and weights pass quantizers.

    Args:
        layer: one of ``integer_layer.LAYERS``, whose weights are taken.
        quantizer: of the input: ``forward``, and ``frozen()`` with ``codes(x)`` and ``step``.
        weight_quant: of the weights: ``forward``, and ``codes(weight) -> (whole floats, scale)``.
        border: the code around images.
        whole_bias: as in ``IntegerLayer``.
    """

    def __init__(self, layer: nn.Module, quantizer, weight_quant, border: float = 0.0, whole_bias=False):
        super().__init__()
        self.window, self.whole_bias = Window(layer, border), whole_bias
        self.weight, self.bias = layer.weight, layer.bias
        self.quantizer, self.weight_quant = quantizer, weight_quant

    def forward(self, x: Tensor) -> Tensor:
        """The layer, in the shapes of the float layer."""
        y = self.window(self.quantizer(x), self.weight_quant(self.weight))
        return y if self.bias is None else y + self.bias.reshape(-1, *(1,) * (self.weight.dim() - 2))

    def frozen(self) -> IntegerLayer:
        """The layer of inference."""
        codes, scale = self.weight_quant.codes(self.weight)
        return IntegerLayer(self.window, self.quantizer.frozen(), codes, scale, self.bias, self.whole_bias)
