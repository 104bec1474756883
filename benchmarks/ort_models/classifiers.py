"""Image classifiers: ResNet-18, MobileNetV2, ShuffleNetV2 and EfficientNet-B0, at their papers' widths.

``width`` makes them narrower and ``depth`` leaves blocks out, for tests.
"""

import torch
from torch import nn

from .layers import conv_norm, scaled_channels


class Residual(nn.Module):
    """Two convolutions and a way around them (He et al., 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(inputs, outputs, 3, stride), conv_norm(outputs, outputs, act=None)
        )
        same = inputs == outputs and stride == 1
        self.around = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride, act=None)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        return self.act(self.body(x) + self.around(x))


def resnet18(width: float = 1, depth: int = 2, classes: int = 1000) -> nn.Module:
    """ResNet-18: 64 to 512 channels, two blocks in each of four stages."""
    channels = [scaled_channels(c, width) for c in (64, 128, 256, 512)]
    layers = [conv_norm(3, channels[0], 7, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = channels[0]
    for stage, outputs in enumerate(channels):
        for block in range(depth):
            layers.append(Residual(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class Inverted(nn.Module):
    """Expand, depthwise, optionally squeeze and excite, project (Sandler et al., 2018; Tan and Le, 2019)."""

    def __init__(self, inputs, outputs, size, stride, expand, act, squeeze=None):
        super().__init__()
        wide = inputs * expand
        layers = [conv_norm(inputs, wide, 1, act=act)] if expand > 1 else []
        layers.append(conv_norm(wide, wide, size, stride, groups=wide, act=act))
        if squeeze:
            layers.append(SqueezeExcite(wide, max(1, inputs // squeeze), act))
        self.body = nn.Sequential(*layers, conv_norm(wide, outputs, 1, act=None))
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        return x + self.body(x) if self.residual else self.body(x)


class SqueezeExcite(nn.Module):
    """Each channel times a number that depends on all channels' means (Hu et al., 2017)."""

    def __init__(self, channels: int, narrow: int, act: type):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, narrow, 1), act(),
            nn.Conv2d(narrow, channels, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The gated channels."""
        return x * self.gate(x)


# Expansion, channels, blocks, stride, kernel of each stage: tables 2 and 1 of the papers.
_MOBILENET = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3), (6, 320, 1, 1, 3),
)  # fmt: skip
_EFFICIENTNET = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip


def _mobile(stages, width: float, depth: int, classes: int, act: type, squeeze: int | None) -> nn.Module:
    inputs = scaled_channels(32, width)
    layers = [conv_norm(3, inputs, 3, 2, act=act)]
    for expand, channels, blocks, stride, size in stages:
        outputs = scaled_channels(channels, width)
        for block in range(min(blocks, depth)):
            layers.append(Inverted(inputs, outputs, size, 1 if block else stride, expand, act, squeeze))
            inputs = outputs
    last = scaled_channels(1280, width)
    layers += [conv_norm(inputs, last, 1, act=act), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(last, classes))


def mobilenet_v2(width: float = 1, depth: int = 4, classes: int = 1000) -> nn.Module:
    """MobileNetV2: inverted residuals of depthwise convolutions, ReLU6."""
    return _mobile(_MOBILENET, width, depth, classes, nn.ReLU6, None)


def efficientnet_b0(width: float = 1, depth: int = 4, classes: int = 1000) -> nn.Module:
    """EfficientNet-B0: inverted residuals with squeeze-and-excitation, swish."""
    return _mobile(_EFFICIENTNET, width, depth, classes, nn.SiLU, 4)


class Shuffle(nn.Module):
    """Half of the channels pass; then both halves are interleaved (Ma et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        half = outputs // 2
        self.stride = stride
        first = inputs if stride > 1 else half
        self.body = nn.Sequential(
            conv_norm(first, half, 1), conv_norm(half, half, 3, stride, groups=half, act=None),
            conv_norm(half, half, 1),
        )  # fmt: skip
        self.around = nn.Sequential(
            conv_norm(inputs, inputs, 3, stride, groups=inputs, act=None), conv_norm(inputs, half, 1)
        ) if stride > 1 else None  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        if self.around is None:
            passed, rest = x.chunk(2, dim=1)
            y = torch.cat((passed, self.body(rest)), dim=1)
        else:
            y = torch.cat((self.around(x), self.body(x)), dim=1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet_v2(width: float = 1, depth: int = 8, classes: int = 1000) -> nn.Module:
    """ShuffleNetV2 1x: channel splits and shuffles."""
    inputs, last = scaled_channels(24, width), scaled_channels(1024, width)
    layers = [conv_norm(3, inputs, 3, 2), nn.MaxPool2d(3, 2, 1)]
    for channels, blocks in ((116, 4), (232, 8), (464, 4)):
        outputs = scaled_channels(channels, width, 4)
        for block in range(min(blocks, depth)):
            layers.append(Shuffle(inputs, outputs, 1 if block else 2))
            inputs = outputs
    layers += [conv_norm(inputs, last, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(last, classes))
