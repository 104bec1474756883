"""A residual block with DDTB's quantizers, and the layers around the blocks at 8 bits in powers of two."""

from __future__ import annotations

from collections.abc import Callable

import torch
from brevitas.function.ops_ste import round_ste
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InputError
from .bounds import FLOAT, BoundsQuant, integer_conv, percentile_weights
from .integers import CodeQuant, IntegerBlock, IntegerConv

WeightRule = Callable[[Tensor, int], Tensor]
# Powers of two below the one that clips nothing, of which the best by squared error is taken.
_TRIED = 3


class QuantBlock(nn.Module):
    """``leave(share * conv(middle(relu(conv(enter(x)))))) + enter(x)``, weights quantized by ``rule``.

    Args:
        first, second: the float block's convolutions.
        share: of the branch in the sum.
        bits_w, bits_a: of weights and activations.
        quant: the class of the three activation quantizers.
        rule: quantizes weights.
    """

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, share: float, bits_w: int, bits_a: int,
                 quant: type[BoundsQuant] = BoundsQuant, rule: WeightRule = percentile_weights):  # fmt: skip
        super().__init__()
        self.first, self.second, self.share, self.bits_w, self.rule = first, second, share, bits_w, rule
        self.enter, self.middle, self.leave = (
            quant(bits_a, c) for c in (first.in_channels, first.out_channels, second.out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        x = self.enter(x)
        y = self.middle(torch.relu(self._convolved(self.first, x)))
        return self.leave(self._convolved(self.second, y) * self.share) + x

    def deployed(self) -> IntegerBlock:
        """The block in integers; raises InputError where its quantizers are of another class than ours."""
        if self.rule is not percentile_weights:
            raise InputError("ddtb: only weights by percentiles are deployed, not those of another rule.")
        quants = self.enter.deployed(), self.middle.deployed(positive=True), self.leave.deployed()
        first, second = (integer_conv(c, self.bits_w) for c in (self.first, self.second))
        return IntegerBlock(quants, first, second, self.share)

    def _convolved(self, layer: nn.Conv2d, x: Tensor) -> Tensor:
        # Floats as they are while ranges are collected.
        w = layer.weight if self.enter.mode == FLOAT else self.rule(layer.weight, self.bits_w)
        return functional.conv2d(x, w, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)


class FixedQuant(nn.Module):
    """Activations outside of blocks: a power-of-two scale from the first batch, then fixed.

    Args:
        bits: of the codes.
    """

    def __init__(self, bits: int):
        super().__init__()
        self.bits, self.mode = bits, FLOAT
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("least", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """x -> the same shape; gradients pass where nothing is clipped."""
        if self.mode == FLOAT:
            if not self.scale:
                self._choose(x.detach())
            return x
        return self._rounded(x, self.scale)

    def deployed(self) -> CodeQuant:
        """The quantizer in integers."""
        return CodeQuant(self.scale, int(self.least), self.bits)

    def _rounded(self, x: Tensor, scale: Tensor) -> Tensor:
        least = float(self.least)
        return round_ste(torch.clamp(x / scale, least, least + 2**self.bits - 1)) * scale

    def _choose(self, x: Tensor) -> None:
        signed = bool((x < 0).any())
        self.least.fill_(-(2 ** (self.bits - 1)) if signed else 0)
        most = 2 ** (self.bits - signed) - 1
        widest = torch.ceil(torch.log2(x.abs().max().clamp(min=1e-6) / most))
        tried = [torch.exp2(widest - i) for i in range(_TRIED)]
        errors = torch.stack([(self._rounded(x, s) - x).square().mean() for s in tried])
        self.scale.copy_(tried[int(errors.argmin())])


class FixedConv(nn.Conv2d):
    """A convolution outside of blocks: weights of a power-of-two scale per output channel.

    Args:
        source: the float layer, whose parameters it takes over.
        bits: of the weights.
    """

    def __init__(self, source: nn.Conv2d, bits: int):
        super().__init__(
            source.in_channels, source.out_channels, source.kernel_size, source.stride, source.padding,
            source.dilation, source.groups, source.bias is not None,
        )  # fmt: skip
        self.weight, self.bias, self.bits, self.mode = source.weight, source.bias, bits, FLOAT

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, M, ...)."""
        if self.mode == FLOAT:
            return super().forward(x)
        scale = self._scale()
        return self._conv_forward(x, round_ste(self.weight / scale) * scale, self.bias)

    def deployed(self) -> IntegerConv:
        """The layer in integers."""
        scale = self._scale()
        return IntegerConv(torch.round(self.weight.detach() / scale), scale, self)

    def _scale(self) -> Tensor:
        peak = self.weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
        return torch.exp2(torch.ceil(torch.log2(peak / (2 ** (self.bits - 1) - 1))))
