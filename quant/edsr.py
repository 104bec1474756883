"""EDSR, a super-resolution network: residual blocks without norms, and a pixel shuffle behind them.

Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (CVPRW 2017).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import InputError


class ResidualBlock(nn.Module):
    """``x + share * conv(relu(conv(x)))`` with 3x3 convolutions."""

    def __init__(self, features: int, share: float = 1.0):
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        y = self.second(self.relu(self.first(x)))
        return (y if self.share == 1 else y * self.share) + x


class Edsr(nn.Module):
    """Images enlarged 2, 3 or 4 times.

    Args:
        scale: how many times.
        features: channels inside; the authors' baseline has 64.
        blocks: residual blocks; the baseline has 16.
        colors: channels of images.
        share: of each block's branch in its sum; the large network has 0.1.
    Raises:
        InputError: another scale.
    """

    def __init__(
        self, scale: int = 2, features: int = 16, blocks: int = 4, colors: int = 3, share: float = 1.0
    ):
        super().__init__()
        if scale not in (2, 3, 4):
            raise InputError(f"edsr: the scale must be 2, 3 or 4, not {scale}.")
        self.head = nn.Conv2d(colors, features, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(features, share) for _ in range(blocks)))
        self.last = nn.Conv2d(features, features, 3, padding=1)
        stages = []
        for factor in (2, 2) if scale == 4 else (scale,):
            stages += [nn.Conv2d(features, features * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
        self.enlarge = nn.Sequential(*stages)
        self.tail = nn.Conv2d(features, colors, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x float (N, colors, H, W) in [0, 1] -> (N, colors, scale * H, scale * W)."""
        x = self.head(x)
        return self.tail(self.enlarge(self.last(self.blocks(x)) + x))
