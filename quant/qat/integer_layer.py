"""Layers of integer weights on integer codes, and trained networks made of them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..frozen_norm import freeze_norms
from .codes import whole

# Integers up to here are exact in float32.
_EXACT = 2**24
_BIAS = 2**31
_CONVOLUTIONS = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d}
LAYERS = (*_CONVOLUTIONS, nn.Linear)


class Window(nn.Module):
    """What a convolution or a product does with inputs and weights, without either.

    Args:
        layer: one of ``LAYERS``.
        border: what lies around the codes of an image.
    """

    def __init__(self, layer: nn.Module, border: float = 0.0):
        super().__init__()
        self.apply_weights = F.linear
        self.around, self.border = (), border
        self.arguments: tuple = ()
        if isinstance(layer, nn.Linear):
            return
        self.apply_weights = next(f for kind, f in _CONVOLUTIONS.items() if isinstance(layer, kind))
        padding = layer.padding
        if border:
            # F.pad wants the last axis first; torch keeps the widths so, also of "same".
            self.around, padding = tuple(layer._reversed_padding_repeated_twice), 0
        self.arguments = (layer.stride, padding, layer.dilation, layer.groups)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """The sums of products, without a bias."""
        if any(self.around):
            x = F.pad(x, self.around, value=self.border)
        return self.apply_weights(x, weight, None, *self.arguments)


class IntegerLayer(nn.Module):
    """``(sums of codes and integer weights + whole_bias) * factor + bias``, the sums exact.

    Args:
        window: what is summed.
        quantizer: gives ``codes(x)``; its ``step`` is the value of code 1.
        weight: whole floats in the shape of the layer's weights, (M, ...).
        scale: value of weight 1, one number or (M,).
        bias: floats (M,), or None.
        whole_bias: whether the bias is rounded to the sums' unit and joins them, so that with one scale
            all outputs can be compared as integers.
    """

    def __init__(self, window: Window, quantizer, weight: Tensor, scale: Tensor, bias, whole_bias: bool):
        super().__init__()
        self.window, self.quantizer, self.whole_bias = window, quantizer, whole_bias
        self.register_buffer("weight", weight.detach().clone())
        factor = quantizer.step.detach().double() * scale.detach().double().reshape(-1)
        self.register_buffer("factor", factor.float())
        if bias is not None and whole_bias:
            bias = torch.round(bias.detach().double() / factor).clamp(-_BIAS, _BIAS - 1).float()
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """The layer of floats x, as the float layer takes them."""
        codes, weight = self.quantizer.codes(x), self.weight
        if not torch.onnx.is_in_onnx_export() and self._wide(codes):
            y = self.window(codes.double(), weight.double())
            if self.bias is not None and self.whole_bias:
                y = y + self._along(self.bias.double())
            y = y.float() * self._along(self.factor)
        else:
            y = self.window(codes, weight)
            if self.bias is not None and self.whole_bias:
                y = y + whole(self._along(self.bias), -_BIAS, _BIAS - 1)
            y = y * self._along(self.factor)
        if self.bias is not None and not self.whole_bias:
            y = y + self._along(self.bias)
        return y

    def _wide(self, codes: Tensor) -> bool:
        """Whether sums may be too large for float32."""
        largest = self.weight.flatten(1).abs().sum(1).max() * codes.abs().max().clamp(min=1)
        if self.bias is not None and self.whole_bias:
            largest = largest + self.bias.abs().max()
        return bool(largest >= _EXACT)

    def _along(self, values: Tensor) -> Tensor:
        return values.reshape(-1, *(1,) * (self.weight.dim() - 2))


def freeze(network: nn.Module) -> nn.Module:
    """A trained network as what is exported: integer layers, batch norms as a product and a sum each.

    Args:
        network: it is not changed. Modules with a method ``frozen()`` become what that gives.
    """
    result = copy.deepcopy(network)
    _freeze_children(result)
    result = freeze_norms(result)
    for parameter in result.parameters():
        parameter.requires_grad_(False)
    return result.eval()


def _freeze_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if hasattr(child, "frozen"):
            setattr(module, name, child.frozen())
        else:
            _freeze_children(child)
