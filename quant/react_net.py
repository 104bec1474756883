"""ReActNet's topology as a float network, which ``adam-bnn`` and its peers make binary (arXiv 2003.03488).

A block is a 3x3 and a 1x1 convolution, each with a batch norm, a shortcut of its own and a rectifier. Strides
average the shortcut; where the width doubles, two 1x1 convolutions stand side by side on one shortcut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import InputError

# Width after the first layer and each block: ReActNet's architecture A.
ARCHITECTURE_A = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)


@dataclass(frozen=True)
class Step:
    """One block.

    Attributes:
        inputs, outputs: channels; as many, or twice as many.
        stride: of the 3x3 convolution, 1 or 2.
    """

    inputs: int
    outputs: int
    stride: int

    def __post_init__(self):
        if self.outputs not in (self.inputs, 2 * self.inputs) or self.stride not in (1, 2):
            raise InputError(
                "react_net: a block must keep or double its channels with stride 1 or 2, not have "
                f"{self.inputs}, {self.outputs} and stride {self.stride}."
            )


class Block(nn.Module):
    """A block of ReActNet; its rectifiers are ReLUs until a method puts RPReLUs in their places."""

    def __init__(self, step: Step):
        super().__init__()
        width, doubled = step.inputs, step.outputs > step.inputs
        self.spatial = _normed(nn.Conv2d(width, width, 3, step.stride, padding=1, bias=False))
        self.shortcut = nn.AvgPool2d(2) if step.stride == 2 else nn.Identity()
        self.between = nn.ReLU()
        self.pointwise = nn.ModuleList(
            _normed(nn.Conv2d(width, width, 1, bias=False)) for _ in range(1 + doubled)
        )
        self.behind = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, outputs, H / stride, W / stride)."""
        x = self.between(self.spatial(x) + self.shortcut(x))
        parts = [layer(x) + x for layer in self.pointwise]
        return self.behind(parts[0] if len(parts) == 1 else torch.cat(parts, 1))


def _normed(layer: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))


def steps_of(widths: Sequence[int], strided: Sequence[int]) -> list[Step]:
    """Blocks from each width to the next; those whose number, from 0, is in ``strided`` have stride 2."""
    return [Step(a, b, 2 if i in strided else 1) for i, (a, b) in enumerate(pairwise(widths))]


def react_net(
    planes: int, classes: int, widths: Sequence[int], strided: Sequence[int], first_stride: int = 1
) -> nn.Sequential:
    """A float network of ReActNet's blocks: a 3x3 convolution, the blocks, a mean and a product.

    Args:
        planes: channels of the images.
        classes: outputs.
        widths: channels behind the first convolution and behind each block.
        strided: numbers, from 0, of the blocks of stride 2; images must be even there.
        first_stride: of the first convolution.
    Raises:
        InputError: a width that is neither kept nor doubled.
    """
    first = _normed(nn.Conv2d(planes, widths[0], 3, first_stride, padding=1, bias=False))
    blocks = [Block(step) for step in steps_of(widths, strided)]
    return nn.Sequential(
        first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes)
    )


def react_net_a(planes: int = 3, classes: int = 1000) -> nn.Sequential:
    """ReActNet's own architecture A, for images of 224 x 224."""
    return react_net(planes, classes, ARCHITECTURE_A, (1, 3, 5, 11), first_stride=2)


def small_react_net(planes: int, classes: int = 10, width: int = 32) -> nn.Sequential:
    """Six blocks from ``width`` to four times as much, for images of 28 x 28 or 32 x 32."""
    widths = (width, width, 2 * width, 2 * width, 4 * width, 4 * width, 4 * width)
    return react_net(planes, classes, widths, (1, 3))
