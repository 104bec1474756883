"""From floats to integer codes, as trained networks end: what is computed is what is exported.

Codes are whole float32 numbers, so that all sums of them are exact, whatever their order.
"""

from __future__ import annotations

import torch
from brevitas.export.onnx.qonnx.function import BrevitasBinaryQuantOp, BrevitasQuantOp
from torch import Tensor, nn

_DOMAIN = "qonnx.custom_op.general"


class _CountReached(torch.autograd.Function):
    """How many of the ascending thresholds each element reaches: QONNX's MultiThreshold."""

    @staticmethod
    def symbolic(g, x, thresholds):
        """The node."""
        count = g.op(f"{_DOMAIN}::MultiThreshold", x, g.op("Unsqueeze", thresholds, _axes(g)))
        count.setType(x.type())
        return count

    @staticmethod
    def forward(ctx, x, thresholds):
        """The number of thresholds that x has not fallen short of."""
        return torch.bucketize(x, thresholds, right=True).to(x.dtype)


def _axes(g):
    return g.op("Constant", value_t=torch.tensor([0]))


def whole(x: Tensor, lo: int, hi: int) -> Tensor:
    """``clamp(round(x), lo, hi)``, halves to even, for ``lo..hi`` of a signed or an unsigned width."""
    one, zero = torch.ones((), dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    bits = torch.tensor(float((hi - lo).bit_length()))
    return BrevitasQuantOp.torchscript.apply(x, one, zero, bits, False, lo < 0, "ROUND")


def signs(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1."""
    one, zero = torch.ones((), dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    return BrevitasBinaryQuantOp.torchscript.apply(x, one, zero, one, False, True, "ROUND")


class Rounded(nn.Module):
    """Codes ``clamp(round(x / step), lo, hi)``.

    Args:
        step: float32, one number: the value of code 1.
    """

    def __init__(self, step: Tensor, lo: int, hi: int):
        super().__init__()
        self.register_buffer("step", step.detach().clone().reshape(()))
        self.lo, self.hi = lo, hi

    def codes(self, x: Tensor) -> Tensor:
        """The codes of x, as whole floats."""
        return whole(x / self.step, self.lo, self.hi)

    def forward(self, x: Tensor) -> Tensor:
        """The values that the codes stand for."""
        return self.codes(x) * self.step


class Counted(nn.Module):
    """Codes ``#{i : factor * x > thresholds[i]}``, for a factor above 0.

    Args:
        factor: float32, one number.
        thresholds: float32 (N,), ascending.
        step: the value of code 1.
    """

    def __init__(self, factor: Tensor, thresholds: Tensor, step: Tensor):
        super().__init__()
        self.register_buffer("factor", factor.detach().clone().reshape(()))
        # Of float32 numbers, those above a threshold are those that reach the next one.
        infinity = torch.tensor(float("inf"), device=thresholds.device)
        self.register_buffer("reached", torch.nextafter(thresholds.detach(), infinity))
        self.register_buffer("step", step.detach().clone().reshape(()))

    def codes(self, x: Tensor) -> Tensor:
        """The codes of x, as whole floats."""
        return _CountReached.apply(x * self.factor, self.reached)


class Signs(nn.Module):
    """Codes +1 where ``x + bias >= 0``, else -1.

    Args:
        bias: float32 (C,), or None.
        step: the value of code 1.
    """

    def __init__(self, bias: Tensor | None, step: Tensor):
        super().__init__()
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.register_buffer("step", step.detach().clone().reshape(()))

    def codes(self, x: Tensor) -> Tensor:
        """The codes of x (N, C, ...), as whole floats."""
        return signs(x if self.bias is None else x + along_channels(self.bias, x))


def along_channels(values: Tensor, x: Tensor) -> Tensor:
    """(C,) as it broadcasts against x (N, C, ...)."""
    return values.reshape(-1, *(1,) * (x.dim() - 2))
