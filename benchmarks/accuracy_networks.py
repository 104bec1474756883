"""The float networks of benchmarks/accuracy.py: a small ResNet and a small MobileNet, and their data."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from adder_resnet import flipped, load_cifar
from gatewright.quant.adder_training import Recipe

_IDX_IMAGES, _IDX_LABELS = 16, 8


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> (N, M, H / stride, W / stride)."""
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet8(planes: int, width: int) -> nn.Sequential:
    """ResNet of one block a stage, of width, 2 width and 4 width channels (16 in MLPerf Tiny's)."""
    return nn.Sequential(
        *(nn.Conv2d(planes, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
        *(Residual(width, width, 1), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)),
    )


def mobilenet(planes: int, width: int) -> nn.Sequential:
    """MobileNetV1's blocks, five of them, at an eighth of the size in each direction at the end."""
    layers = [nn.Conv2d(planes, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for outputs, stride in ((2, 2), (2, 1), (4, 2), (4, 1), (8, 2)):
        layers += [
            nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
            *(nn.BatchNorm2d(channels), nn.ReLU()),
            nn.Conv2d(channels, outputs * width, 1, bias=False),
            *(nn.BatchNorm2d(outputs * width), nn.ReLU()),
        ]
        channels = outputs * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


@dataclass(frozen=True)
class Case:
    """A network on a data set; ``load`` gives training images and labels, then those of the test."""

    title: str
    make: Callable[[], nn.Module]
    load: Callable[[Path], tuple[Tensor, Tensor, Tensor, Tensor]]
    recipe: Recipe
    augment: Callable[[Tensor, torch.Generator], Tensor] | None


def load_mnist(data: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first 20,000 training images and all test images of ``data/mnist``, as floats in [0, 1]."""
    parts = []
    for kind, count in (("train", 20_000), ("t10k", 10_000)):
        pixels = _idx(data / "mnist" / f"{kind}-images-idx3-ubyte.gz", _IDX_IMAGES)
        labels = _idx(data / "mnist" / f"{kind}-labels-idx1-ubyte.gz", _IDX_LABELS)
        images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28)[:count].copy()).float() / 255
        parts += [images, torch.from_numpy(labels[:count].astype(np.int64))]
    return tuple(parts)


def _idx(file: Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=header)


def load_slice(data: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """20,000 training and 1,000 test images of CIFAR-10 in ``data/cifar10``, normalized per channel."""
    folder = data / "cifar10"
    return *load_cifar(folder / "train_20k.npz"), *load_cifar(folder / "test_1k.npz")


CASES = {
    "mnist-resnet": Case("ResNet-8, width 8, MNIST", lambda: resnet8(1, 8), load_mnist, Recipe(4), None),
    "cifar-resnet": Case(
        "ResNet-8, width 16, CIFAR-10 slice", lambda: resnet8(3, 16), load_slice, Recipe(24), flipped
    ),
    "cifar-mobilenet": Case(
        "MobileNet, width 16, CIFAR-10 slice", lambda: mobilenet(3, 16), load_slice, Recipe(24), flipped
    ),
}
