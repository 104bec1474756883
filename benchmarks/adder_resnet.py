"""AdderNet's ResNet for CIFAR-10: adder layers throughout but the first convolution and the classifier."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from gatewright.quant.adder import AdderConv2d

# Of CIFAR-10's training images, per channel, of pixels in [0, 1].
_MEAN, _DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_SHIFT = 4


class Block(nn.Module):
    """Two 3x3 adder layers beside a shortcut, which is a 1x1 adder layer where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(
            AdderConv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.second = nn.Sequential(AdderConv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(AdderConv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, C, H, W) -> (N, M, H / stride, W / stride)."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet(depth: int = 20, width: int = 16) -> nn.Sequential:
    """ResNet of ``6 n + 2`` layers with stages of width, 2 width and 4 width channels (16 in the paper)."""
    channels = width
    layers = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    for stage in range(3):
        for index in range((depth - 2) // 6):
            layers.append(Block(channels, width << stage, 2 if stage and not index else 1))
            channels = width << stage
    # As released: the classifier multiplies, behind it a batch norm.
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10, bias=False), nn.BatchNorm1d(10)]
    return nn.Sequential(*layers)


def load_cifar(file: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images float32 (N, 3, 32, 32), normalized, and labels int64 (N,), of an .npz with both."""
    with np.load(file, allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (_MEAN, _DEVIATION))
    return (pixels - mean) / deviation, torch.from_numpy(labels.astype(np.int64)).flatten()


def flipped(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored or not, and moved by up to 4 pixels along both axes; what comes in is grey."""
    size = images.shape[-1]
    padded = nn.functional.pad(images, (_SHIFT,) * 4)
    moves = torch.randint(0, 2 * _SHIFT + 1, (len(images), 2), generator=generator).tolist()
    mirror = torch.randint(0, 2, (len(images),), generator=generator).bool()
    moved = torch.stack([p[:, y : y + size, x : x + size] for p, (y, x) in zip(padded, moves, strict=True)])
    return torch.where(mirror[:, None, None, None], moved.flip(3), moved)
