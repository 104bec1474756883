"""AdderNet's layers for torch: distances to weights where other networks multiply."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from ..errors import InputError
from .adder_function import AdderConv2dFunction, AdderLinearFunction, Window

# The paper (arXiv 1912.13200) takes 0.1; its released code multiplies every gradient by 1/5.
ETA = 0.2


class AdderLinear(nn.Module):
    """``y[..., m] = b[m] - sum_k |x[..., k] - w[m, k]|``.

    Weights start from N(0, 1), as in the released code. The layer's outputs are large and negative: a batch
    norm belongs behind it, so that it has no bias unless asked.

    Args:
        in_features, out_features: K and M.
        bias: whether to add a trained b, which starts at 0.
        chunk: elements of the buffer that the input's gradient takes; None chooses by device.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False, chunk: int | None = None):
        super().__init__()
        self.in_features, self.out_features, self.chunk = in_features, out_features, chunk
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., K) -> (..., M)."""
        y = self.distances(x, self.weight)
        return y if self.bias is None else y + self.bias

    def distances(self, x: Tensor, weight: Tensor) -> Tensor:
        """``-sum |x - weight|`` for weights of this layer's shape."""
        return AdderLinearFunction.apply(x, weight, self.chunk)

    def extra_repr(self) -> str:
        """The sizes, as torch prints them."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class AdderConv2d(nn.Module):
    """``AdderLinear`` over the windows of images; a padded tap is x = 0 and gives ``-|0 - w|``.

    Args:
        in_channels, out_channels: C and M.
        kernel_size, stride, padding, dilation: as in ``torch.nn.Conv2d``; padding is the same on both sides.
        bias, chunk: as in ``AdderLinear``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = False,
        chunk: int | None = None,
    ):
        super().__init__()
        self.in_channels, self.out_channels, self.chunk = in_channels, out_channels, chunk
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding, self.dilation = _pair(padding), _pair(dilation)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *self.kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, M, OH, OW)."""
        y = self.distances(x, self.weight)
        return y if self.bias is None else y + self.bias[:, None, None]

    def distances(self, x: Tensor, weight: Tensor) -> Tensor:
        """``-sum |x - weight|`` for weights of this layer's shape."""
        window = Window(self.kernel_size, self.stride, self.padding * 2, self.dilation)
        return AdderConv2dFunction.apply(x, weight, window, self.chunk)

    def extra_repr(self) -> str:
        """The sizes, as torch prints them."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"bias={self.bias is not None}"
        )


def scale_adder_gradients(module: nn.Module, eta: float = ETA) -> None:
    """Give the weight gradient of each adder layer its layer-wise size, between backward and the step.

    ``g <- eta sqrt(numel) g / |g|`` (arXiv 1912.13200, eq. 13): gradients of adder layers differ by orders
    of magnitude between layers, so that no one learning rate suits them.

    Args:
        eta: the root mean square that every gradient gets. The paper takes 0.1, its released code 0.2.
    """
    if not eta > 0:
        raise InputError(f"adder: eta must be positive, not {eta}. Use 0.1 to 0.2.")
    for layer in module.modules():
        if isinstance(layer, ADDER_LAYERS) and layer.weight.grad is not None:
            grad = layer.weight.grad
            grad.mul_(eta * math.sqrt(grad.numel()) / grad.norm().clamp_min(1e-12))


ADDER_LAYERS = (AdderLinear, AdderConv2d)
