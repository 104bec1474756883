"""Curved functions as every executor has them: tables over codes, and a softmax of whole numbers.

torch and ONNX Runtime round a sigmoid in float32 each in their own way, torch even by where a number stands
in its tensor, so that a value on the edge between two codes could fall to either side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .network.layers import Erf
from .qat.codes import whole

# Functions of one number, the same for all.
CURVES = (nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.GELU, nn.ELU, nn.CELU, nn.SELU,
          nn.Mish, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink,
          nn.Threshold, Erf)  # fmt: skip
# Exponents are whole multiples of this, as in the integer graph (docs/exactness.md, Softmax).
_UNIT = 2.0**-24


class TabledFunction(nn.Module):
    """``table[code]`` for inputs ``scale * code``; the table is the function in float64, rounded once.

    Args:
        function: of ``CURVES``.
        scale: float32 of the inputs' quantizer.
        low, high: its least and its greatest code.
    """

    def __init__(self, function: nn.Module, scale: float, low: int, high: int):
        super().__init__()
        self.low, self.high = low, high
        # Negative codes index from the end.
        codes = torch.cat([torch.arange(high + 1), torch.arange(low, 0)])
        self.register_buffer("scale", torch.tensor(scale))
        with torch.no_grad():
            self.register_buffer("table", function(codes.double() * self.scale.double()).float())

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape, as its quantizer gives it."""
        return self.table[whole(x / self.scale, self.low, self.high).long()]


class ExactSoftmax(nn.Module):
    """``e / sum(e)`` with ``e = round(2**24 * exp(x - max(x)))``, whose sums are exact.

    Args:
        dim: the axis.
    """

    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape, of one scale."""
        if self.training or torch.onnx.is_in_onnx_export():
            return x.softmax(self.dim)
        wide = x.double()
        e = torch.round(torch.exp(wide - wide.amax(self.dim, keepdim=True)) / _UNIT)
        return (e / e.sum(self.dim, keepdim=True)).to(x.dtype)
