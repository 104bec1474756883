"""Networks with an image as their result: a U-Net, and a YOLO-like detector of two scales."""

import torch
from torch import nn

from .layers import conv_norm, scaled_channels


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_norm(inputs, outputs), conv_norm(outputs, outputs))


class UNet(nn.Module):
    """Down and up again, with the image of each size joined on the way up (Ronneberger et al., 2015).

    Upwards each pixel becomes four, or a transposed convolution (``transposed``) makes them.
    """

    def __init__(self, channels: list[int], classes: int, transposed: bool):
        super().__init__()
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([3, *channels[:-1]], channels, strict=True))
        steps = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, 2) if transposed
            else nn.Sequential(nn.Upsample(scale_factor=2), conv_norm(a, b, 1))
            for a, b in steps
        )  # fmt: skip
        self.up = nn.ModuleList(_double(2 * b, b) for _, b in steps)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of each class for each pixel."""
        kept = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            kept.append(x)
        for grow, block, across in zip(self.grow, self.up, kept[-2::-1], strict=True):
            x = block(torch.cat((across, grow(x)), dim=1))
        return self.head(x)


def unet(width: float = 1, depth: int = 5, classes: int = 21) -> nn.Module:
    """U-Net of 64 to 1024 channels, pixels repeated upwards."""
    return UNet([scaled_channels(64 << i, width) for i in range(depth)], classes, False)


def unet_transposed(width: float = 1, depth: int = 5, classes: int = 21) -> nn.Module:
    """U-Net of 64 to 1024 channels, transposed convolutions upwards."""
    return UNet([scaled_channels(64 << i, width) for i in range(depth)], classes, True)


class Detector(nn.Module):
    """Convolutions down to 1/32 of the size; boxes from there and, upsampled and joined, from 1/16.

    The plan is YOLOv3-tiny's (Redmon and Farhadi, 2018), with LeakyReLU 0.1.
    """

    def __init__(self, width: float, depth: int, classes: int):
        super().__init__()
        channels = [scaled_channels(16 << i, width) for i in range(depth)]
        pairs = zip([3, *channels[:-1]], channels, strict=True)
        self.stages = nn.ModuleList(conv_norm(a, b, act=_Leaky) for a, b in pairs)
        self.pool = nn.MaxPool2d(2, 2)
        last, near = channels[-1], channels[-2]
        deep, narrow = 2 * last, last // 2
        self.neck = nn.Sequential(conv_norm(last, deep, act=_Leaky), conv_norm(deep, narrow, 1, act=_Leaky))
        boxes = 3 * (5 + classes)
        self.far = nn.Sequential(conv_norm(narrow, last, act=_Leaky), nn.Conv2d(last, boxes, 1))
        self.grow = nn.Sequential(conv_norm(narrow, narrow // 2, 1, act=_Leaky), nn.Upsample(scale_factor=2))
        self.near = nn.Sequential(conv_norm(narrow // 2 + near, near, act=_Leaky), nn.Conv2d(near, boxes, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Box parameters of both scales, the coarse one first."""
        kept = x
        for level, stage in enumerate(self.stages):
            kept, x = x, stage(self.pool(x) if level else x)
        neck = self.neck(x)
        return self.far(neck), self.near(torch.cat((self.grow(neck), kept), dim=1))


class _Leaky(nn.LeakyReLU):
    def __init__(self):
        super().__init__(0.1)


def yolo(width: float = 1, depth: int = 6, classes: int = 80) -> nn.Module:
    """YOLOv3-tiny's plan: 16 to 1024 channels, two scales, 80 classes."""
    return Detector(width, depth, classes)
