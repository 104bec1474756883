"""A trained network as deployed: integers, tables of 256 entries, scales of a multiplier and a shift.

Sums of products are taken in float64, where they are exact, and rounded to float32 once: the definition that
the integer graph has of a layer (docs/exactness.md), so that both give the same numbers on any machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Logits of a gate are codes of 4 bits in quarters; two of them index a table.
LOGIT_BITS, LOGIT_STEP = 4, 0.25
GATE_CODES = 1 << (2 * LOGIT_BITS)


def as_multiplier(scale: Tensor, bits: int = 8) -> Tensor:
    """The nearest ``M * 2**-k`` with M of ``bits`` bits, for positive numbers of any shape."""
    mantissa, exponent = torch.frexp(scale.detach().double())
    return torch.ldexp(torch.round(mantissa * 2**bits), exponent - bits).to(scale.dtype)


class _Quant(torch.autograd.Function):
    """QONNX's Quant: ``(round(clamp(x / scale + zero)) - zero) * scale``."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, zero: Tensor, bits: int, signed: bool) -> Tensor:
        low = -(1 << (bits - 1)) if signed else 0
        codes = torch.round(torch.clamp(x / scale + zero, low, low + (1 << bits) - 1))
        return (codes - zero) * scale

    @staticmethod
    def symbolic(g, x, scale, zero, bits: int, signed: bool):
        width = g.op("Constant", value_t=torch.tensor(float(bits)))
        y = g.op(
            "qonnx.custom_op.general::Quant", x, scale, zero, width,
            signed_i=int(signed), narrow_i=0, rounding_mode_s="ROUND",
        )  # fmt: skip
        y.setType(x.type())
        return y


class CodeQuant(nn.Module):
    """A fixed quantizer: multiples of ``scale`` from the code ``low`` on, ``2**bits`` of them.

    Args:
        scale: one positive number.
        low: the least multiple, as a whole number.
        bits: of the codes.
    """

    def __init__(self, scale: Tensor, low: int, bits: int):
        super().__init__()
        self.bits, self.low = bits, low
        self.signed = low == -(1 << (bits - 1))
        self.register_buffer("scale", scale.detach().reshape(()).clone())
        self.register_buffer("zero", torch.tensor(0.0 if self.signed else -float(low)))

    def forward(self, x: Tensor) -> Tensor:
        """x float -> the nearest of these numbers; ties to even codes, unsigned ones from the least on."""
        return _Quant.apply(x, self.scale, self.zero, self.bits, self.signed)


class IntegerConv(nn.Module):
    """A convolution of whole numbers: ``factor * sum x * codes + bias``, product and sum rounded once each.

    Args:
        codes: whole numbers (M, C / groups, KH, KW).
        scale: of the codes: one number, or (M,).
        source: the layer whose bias, strides, padding, dilation and groups it has.
    """

    def __init__(self, codes: Tensor, scale: Tensor, source: nn.Conv2d):
        super().__init__()
        self.register_buffer("codes", codes.detach().clone())
        self.register_buffer("scale", scale.detach().reshape(1, -1, 1, 1).clone())
        bias = source.bias
        self.register_buffer("bias", None if bias is None else bias.detach().reshape(1, -1, 1, 1).clone())
        self.window = (source.stride, source.padding, source.dilation, source.groups)

    def forward(self, x: Tensor, index: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
        """x (N, C, H, W), or its codes with each image's gate code (N, 1, 1, 1) and the table of steps."""
        if torch.onnx.is_in_onnx_export():
            y = functional.conv2d(x, self.codes, None, *self.window)
        else:
            y = functional.conv2d(x.double(), self.codes.double(), None, *self.window).to(x.dtype)
        y = y * (self.scale if index is None else (steps * self.scale.reshape(1))[index])
        return y if self.bias is None else y + self.bias


class IntegerGate(nn.Module):
    """An image's gate code, 0 to 255: two 1x1 convolutions of 2 bits on its channels' means.

    Args:
        entry, hidden: quantizers in front of the two convolutions.
        first, second: these.
        factor, offset: of the batch norm behind the first, (C,).
    """

    def __init__(self, entry: CodeQuant, first: IntegerConv, factor: Tensor, offset: Tensor,
                 hidden: CodeQuant, second: IntegerConv):  # fmt: skip
        super().__init__()
        self.entry, self.first, self.hidden, self.second = entry, first, hidden, second
        self.register_buffer("factor", factor.detach().reshape(1, -1, 1, 1).clone())
        self.register_buffer("offset", offset.detach().reshape(1, -1, 1, 1).clone())
        self.logits = CodeQuant(torch.tensor(LOGIT_STEP), -(1 << (LOGIT_BITS - 1)), LOGIT_BITS)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> int64 (N, 1, 1, 1)."""
        y = self.first(self.entry(x.mean((2, 3), keepdim=True)))
        y = self.second(self.hidden(torch.relu(y * self.factor + self.offset)))
        codes = self.logits(y) / LOGIT_STEP + (1 << (LOGIT_BITS - 1))
        return (codes[:, :1] * (1 << LOGIT_BITS) + codes[:, 1:]).long()


class StaticQuant(nn.Module):
    """A quantizer with bounds that are the same for all images."""

    steps = None

    def __init__(self, quant: CodeQuant):
        super().__init__()
        self.quant = quant

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """x -> its quantized numbers, and no gate code."""
        return self.quant(x), None


class DynamicQuant(nn.Module):
    """A quantizer whose bounds follow each image's gate code, in three tables of 256 entries.

    ``codes = clamp(round(x * multiplier - zero), 0, 2**bits - 1) + zero``, and a code is worth ``step``.

    Args:
        carrier: fixed-point numbers that x is first rounded to.
        gate: gives the index.
        multipliers, zeros, steps: (256,); multipliers and steps whole numbers of at most 10 bits times a
            power of two, zeros whole numbers.
        bits: of the codes.
    """

    def __init__(self, carrier: CodeQuant, gate: IntegerGate, multipliers: Tensor, zeros: Tensor,
                 steps: Tensor, bits: int):  # fmt: skip
        super().__init__()
        self.carrier, self.gate = carrier, gate
        self.round = CodeQuant(torch.tensor(1.0), 0, bits)
        self.register_buffer("multipliers", multipliers.detach().clone())
        self.register_buffer("zeros", zeros.detach().clone())
        self.register_buffer("steps", steps.detach().clone())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) -> codes, and each image's gate code (N, 1, 1, 1)."""
        x = self.carrier(x)
        index = self.gate(x)
        zero = self.zeros[index]
        return self.round(x * self.multipliers[index] - zero) + zero, index


class IntegerBlock(nn.Module):
    """A residual block: ``leave(share * conv(middle(relu(conv(enter(x)))))) + enter(x)``."""

    def __init__(self, quants: tuple[nn.Module, nn.Module, nn.Module], first: IntegerConv,
                 second: IntegerConv, share: float):  # fmt: skip
        super().__init__()
        self.enter, self.middle, self.leave = quants
        self.first, self.second, self.share = first, second, share

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        a, gate = self.enter(x)
        b, inner = self.middle(torch.relu(self.first(a, gate, self.enter.steps)))
        y = self.second(b, inner, self.middle.steps)
        c, last = self.leave(y if self.share == 1 else y * self.share)
        return _worth(c, last, self.leave.steps) + _worth(a, gate, self.enter.steps)


def _worth(codes: Tensor, index: Tensor | None, steps: Tensor | None) -> Tensor:
    """The numbers that codes stand for."""
    return codes if index is None else codes * steps[index]
