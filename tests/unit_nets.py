"""Small classifiers of scikit-learn's digits, trained in seconds: a chain of layers, and residual blocks."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

_TRAINED = 1200


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images (N, 1, 8, 8) in [0, 1] and labels, then those of the test."""
    # So small layers that threads cost more than they save, and sums keep one order.
    torch.set_num_threads(1)
    data = load_digits()
    order = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32)[order, None] / 16
    labels = torch.tensor(data.target)[order]
    return images[:_TRAINED], labels[:_TRAINED], images[_TRAINED:], labels[_TRAINED:]


def _convolution(
    inputs: int, outputs: int, stride: int = 1, groups: int = 1, size: int = 3
) -> list[nn.Module]:
    window = (inputs, outputs, size, stride, size // 2)
    return [nn.Conv2d(*window, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1x1 convolution where the stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(*_convolution(inputs, outputs, stride), nn.ReLU())
        self.second = nn.Sequential(*_convolution(outputs, outputs))
        shortcut = _convolution(inputs, outputs, stride, size=1) if stride > 1 else [nn.Identity()]
        self.shortcut, self.relu = nn.Sequential(*shortcut), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W)."""
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


def residual(width: int = 8) -> nn.Module:
    """A convolution, two blocks, a linear layer."""
    return nn.Sequential(
        *(*_convolution(1, width), nn.ReLU(), Block(width, width, 1), Block(width, 2 * width, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10)),
    )


def chain(width: int = 8) -> nn.Module:
    """Five convolutions without branches, one of them depthwise, and a linear layer."""
    return nn.Sequential(
        *(*_convolution(1, width), nn.ReLU(), *_convolution(width, width, 2), nn.ReLU()),
        *(*_convolution(width, width, groups=width), nn.ReLU(), *_convolution(width, 2 * width, size=1)),
        *(nn.ReLU(), *_convolution(2 * width, 2 * width, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10)),
    )


def trained(model: nn.Module, images: Tensor, labels: Tensor, epochs: int = 12) -> nn.Module:
    """By Adam, in place, seeded; in evaluation mode."""
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=draw).split(64):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


class Branches(nn.Module):
    """Joined, gated, pooled and enlarged again: values that several units read, and layers of three kinds."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1)
        self.gate, self.down = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 6, 3, 2, 1)
        self.up = nn.ConvTranspose2d(6, 8, 2, 2)
        self.pool, self.last = nn.MaxPool2d(2), nn.Linear(8 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, 1, 8, 8) -> (N, 10)."""
        both = torch.cat([torch.relu(self.left(x)), torch.relu(self.right(x))], 1)
        gated = both * torch.sigmoid(self.gate(both))
        up = self.up(torch.nn.functional.leaky_relu(self.down(gated), 0.125))
        return self.last(torch.flatten(self.pool(torch.relu(up + gated)), 1))
