"""What brings quantized tensors together: sums, products, joins and averages, each of codes in one step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .uniform import UniformQuant


class _OfCodes(nn.Module):
    """One quantizer for all operands, so that a sum of codes stands for the sum."""

    def __init__(self, bits: int):
        super().__init__()
        self.quantizer = UniformQuant(bits)

    def scaled(self, *operands: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each operand's codes, and the step of all."""
        quantizer = self.quantizer
        if not isinstance(quantizer, UniformQuant):
            return [quantizer.codes(x) for x in operands], quantizer.step
        if not quantizer.started:
            quantizer.start(torch.cat([x.flatten() for x in operands]))
        pairs = [quantizer.scaled(x) for x in operands]
        return [codes for codes, _ in pairs], pairs[0][1]


class QuantAdd(_OfCodes):
    """``step * (codes(a) + codes(b))``."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The sum of two tensors."""
        (a, b), step = self.scaled(a, b)
        return (a + b) * step


class QuantCat(_OfCodes):
    """``step * cat(codes)``."""

    def __init__(self, bits: int, dim: int):
        super().__init__(bits)
        self.dim = dim

    def forward(self, parts: list[Tensor]) -> Tensor:
        """The tensors joined."""
        codes, step = self.scaled(*parts)
        return torch.cat(codes, self.dim) * step


class QuantAverage(_OfCodes):
    """``step * function(codes)`` for a pool or a mean, which sums integers and divides once.

    Args:
        function: linear, from one tensor to one.
    """

    def __init__(self, bits: int, function: Callable[[Tensor], Tensor]):
        super().__init__(bits)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The averages of x."""
        (codes,), step = self.scaled(x)
        return self.function(codes) * step


class QuantMul(nn.Module):
    """The product of two tensors, each with a step of its own."""

    def __init__(self, bits: int):
        super().__init__()
        self.first, self.second = UniformQuant(bits), UniformQuant(bits)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The product of what two tensors are quantized to."""
        if isinstance(self.first, UniformQuant):
            (a, step_a), (b, step_b) = self.first.scaled(a), self.second.scaled(b)
        else:
            a, step_a = self.first.codes(a), self.first.step
            b, step_b = self.second.codes(b), self.second.step
        return a * b * (step_a * step_b)
