"""Quantized layers whose floats are the integer graph's, whatever the order in which sums are made.

Scales have 12 significant bits. Then a code of 8 bits times its scale is a float32 of 20 bits, and so
exact; a sum of products is exact in float64, and rounded to float32 once, which is what the integer graph
means by ``scale * sum``. What an ordinary layer computes depends on the order of its float32 sums, so that
a value on the edge between two codes can fall to either side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import brevitas.nn as qnn
import torch
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn
from torch.nn import functional as F

SCALE_BITS = 12
# Fewer weight bits keep the lowest code, which a narrow range leaves out: at 2 bits it is one of four.
NARROW_FROM = 5
_BIAS_BITS = 32


def short_scale(scale: Tensor) -> Tensor:
    """The nearest scales of 12 significant bits, float32; zeros and denormals become the least above 0."""
    tiny = torch.finfo(torch.float32).tiny
    mantissa, exponent = torch.frexp(scale.detach().double().clamp(min=tiny))
    return torch.ldexp(torch.round(mantissa * 2**SCALE_BITS), exponent - SCALE_BITS).float()


def weight_limits(bits: int) -> tuple[int, int]:
    """The lowest and the highest code of signed weights."""
    top = 2 ** (bits - 1)
    return (1 - top if bits >= NARROW_FROM else -top), top - 1


def quantizer(scale: Tensor | float, bits: int, signed: bool) -> qnn.QuantIdentity:
    """A Brevitas quantizer ``scale * clamp(round(x / scale))`` of a scale that stays, made short."""
    step = short_scale(torch.as_tensor(scale, dtype=torch.float32)).item()
    return qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloat if signed else Uint8ActPerTensorFloat,
        bit_width=bits,
        scaling_impl_type="const",
        scaling_init=step * (2 ** (bits - 1) if signed else 2**bits - 1),
    ).eval()


class _Exact:
    """A Brevitas layer that sums in float64 when it neither trains nor is exported."""

    # A scale in whole steps of which the bias lies, and joins the sum; None: a float, added after rounding.
    bias_step: Tensor | None

    def inner_forward_impl(self, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's own operation on floats of quantized ``x`` and ``w``."""
        if self.training or torch.onnx.is_in_onnx_export():
            return super().inner_forward_impl(x, w, bias)
        # Brevitas hands on values with their scales while it prepares an export.
        x, w, bias = (getattr(t, "value", t) for t in (x, w, bias))
        y = super().inner_forward_impl(x.double(), w.double(), None)
        along = (-1, *(1,) * (self.weight.dim() - 2))
        if bias is None:
            return y.to(x.dtype)
        if self.bias_step is not None:
            step = self.bias_step.double()
            return (y + (torch.round(bias.double() / step) * step).reshape(along)).to(x.dtype)
        return y.to(x.dtype) + bias.reshape(along)


class ExactConv1d(_Exact, qnn.QuantConv1d):
    """``QuantConv1d`` with exact sums."""


class ExactConv2d(_Exact, qnn.QuantConv2d):
    """``QuantConv2d`` with exact sums."""


class ExactConvTranspose2d(_Exact, qnn.QuantConvTranspose2d):
    """``QuantConvTranspose2d`` with exact sums."""


class ExactLinear(_Exact, qnn.QuantLinear):
    """``QuantLinear`` with exact sums."""


LAYERS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def out_axis(layer: nn.Module) -> int:
    """The axis of a layer's weights along which its outputs lie; of grouped transposed ones, within one."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def exact_layer(
    layer: nn.Module, weight: Tensor, scale: Tensor, bits: int, bias: Tensor | None, input_scale=None
) -> nn.Module:
    """The quantized twin of a float layer.

    Args:
        layer: one of ``LAYERS``; its window is taken, its weights are not.
        weight: floats in the shape of the layer's.
        scale: one, or along the axis of outputs (M, 1, ...) as it broadcasts; made short.
        bits: of the weights' codes, 2 to 8; see ``weight_limits``.
        bias: floats (M,), or None.
        input_scale: of the layer's input, where the bias is to be whole in steps of both scales; ``scale``
            must then be one. Sums then are the whole meaning of the outputs, whose integers can be compared.
    """
    options, step = _weight_options(short_scale(scale), bits) | {"bias": bias is not None}, None
    if bias is not None and input_scale is not None:
        step = short_scale(scale).double().reshape(()) * torch.as_tensor(input_scale).double().reshape(())
        options |= _bias_options(step.item())
        step = step.float()
    twin = _constructed(layer, options)
    twin.register_buffer("bias_step", step)
    with torch.no_grad():
        twin.weight.copy_(weight)
        if bias is not None:
            twin.bias.copy_(bias)
    return twin.to(weight.device).eval()


def _weight_options(scale: Tensor, bits: int) -> dict:
    """Brevitas' keyword arguments for weights of this scale."""
    low, high = weight_limits(bits)
    narrow = low == -high
    return {
        "weight_quant": Int8WeightPerChannelFloat if scale.numel() > 1 else Int8WeightPerTensorFloat,
        "weight_bit_width": bits,
        "weight_narrow_range": narrow,
        "weight_scaling_impl_type": "const",
        "weight_scaling_init": scale * (high if narrow else -low),
    }


def _bias_options(step: float) -> dict:
    """Brevitas' keyword arguments for a bias in whole steps."""
    return {
        "bias_quant": Int8BiasPerTensorFloatInternalScaling,
        "bias_bit_width": _BIAS_BITS,
        "bias_scaling_impl_type": "const",
        "bias_scaling_init": step * 2.0 ** (_BIAS_BITS - 1),
    }


def _constructed(layer: nn.Module, options: dict) -> nn.Module:
    """A Brevitas layer of the same window."""
    if isinstance(layer, nn.Linear):
        return ExactLinear(layer.in_features, layer.out_features, **options)
    window = {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "groups")}
    channels = (layer.in_channels, layer.out_channels, layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):
        window["output_padding"] = layer.output_padding
        return ExactConvTranspose2d(*channels, **window, **options)
    kind = ExactConv1d if isinstance(layer, nn.Conv1d) else ExactConv2d
    return kind(*channels, **window, **options)


class ExactAvgPool2d(nn.AvgPool2d):
    """``AvgPool2d`` whose sum is exact, then rounded to float32, then divided."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) of short scales."""
        if self.training or torch.onnx.is_in_onnx_export():
            return super().forward(x)
        window = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        total = F.avg_pool2d(x.double(), *window, divisor_override=1)
        ones = torch.ones_like(x[:1, :1], dtype=torch.float64)
        # What share of a window's elements is divided by, found by the pool's own rule.
        mean = F.avg_pool2d(ones, *window, self.count_include_pad)
        count = torch.round(F.avg_pool2d(ones, *window, divisor_override=1) / mean)
        return total.to(x.dtype) / count.to(x.dtype)


class ExactAvgPool1d(nn.AvgPool1d):
    """``AvgPool1d`` in the same way."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, L) of short scales."""
        if self.training or torch.onnx.is_in_onnx_export():
            return super().forward(x)
        window = ((1, *self.kernel_size), (1, *self.stride), (0, *self.padding))
        image = ExactAvgPool2d(*window, self.ceil_mode, self.count_include_pad).eval()
        return image(x[:, :, None])[:, :, 0]


class ExactGlobalAvgPool2d(nn.Module):
    """The mean of each channel (N, C, H, W) -> (N, C, 1, 1), its sum exact."""

    def forward(self, x: Tensor) -> Tensor:
        """x of short scales."""
        if self.training or torch.onnx.is_in_onnx_export():
            return F.adaptive_avg_pool2d(x, 1)
        return x.double().sum((2, 3), keepdim=True).to(x.dtype) / (x.shape[2] * x.shape[3])


class ExactMean(nn.Module):
    """The mean over some axes behind the batch, its sum exact.

    Args:
        dims: the axes.
        keepdim: whether they stay, with size 1.
    """

    def __init__(self, dims: tuple[int, ...], keepdim: bool = False):
        super().__init__()
        self.dims, self.keepdim = tuple(dims), keepdim

    def forward(self, x: Tensor) -> Tensor:
        """x of short scales."""
        if self.training or torch.onnx.is_in_onnx_export():
            return x.mean(self.dims, self.keepdim)
        count = math.prod(x.shape[d] for d in self.dims)
        return x.double().sum(self.dims, self.keepdim).to(x.dtype) / count


@contextmanager
def ordinary_sums(network: nn.Module) -> Iterator[None]:
    """Within it the network's layers sum as float32 comes, some four times as fast.

    For measurements of errors alone: a value on the edge between two codes may fall to either side.
    """
    exact = (_Exact, ExactAvgPool2d, ExactGlobalAvgPool2d, ExactMean)
    changed = [m for m in network.modules() if isinstance(m, exact) and not m.training]
    for module in changed:
        module.training = True
    try:
        yield
    finally:
        for module in changed:
            module.training = False
