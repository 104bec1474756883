"""Small float networks for the tests of quantization."""

import torch
from torch import nn
from torch.nn import functional as F

SHAPE = (3, 8, 8)


class Residual(nn.Module):
    """An inverted bottleneck with a sum at its end, a block with a shortcut of its own, a mean."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.expand, self.expand_norm = nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16)
        self.depth, self.depth_norm = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16)
        self.project, self.project_norm = nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8)
        self.body, self.body_norm = nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12)
        self.short = nn.Conv2d(8, 12, 1, stride=2)
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        y = F.relu6(self.expand_norm(self.expand(x)))
        y = F.relu6(self.depth_norm(self.depth(y)))
        x = x + self.project_norm(self.project(y))
        x = F.relu(self.body_norm(self.body(x)) + self.short(x))
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """Joined branches, a gate, pools, slopes, a norm behind a product, a transposed convolution."""

    def __init__(self):
        super().__init__()
        self.first, self.pool = nn.Conv2d(3, 6, 3, padding=1), nn.MaxPool2d(2)
        self.left, self.right = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.slope, self.gate = nn.PReLU(4), nn.Linear(8, 8)
        self.norm, self.up = nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.average, self.head = nn.AvgPool2d(2), nn.Linear(4 * 4 * 4, 5)

    def forward(self, x):
        x = self.pool(torch.relu(self.first(x)))
        x = torch.cat([F.leaky_relu(self.left(x), 0.1), self.slope(self.right(x))], 1)
        gate = torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        x = F.relu(self.norm(x * gate.view(-1, 8, 1, 1)))
        x = self.average(F.hardtanh(self.up(x), -2.0, 3.0))
        return self.head(x.view(x.size(0), -1))


class Sequence(nn.Module):
    """1-D layers, activations of all kinds, a product with a constant, shared layers."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv1d(3, 6, 3, padding=2, dilation=2), nn.BatchNorm1d(6)
        self.shared, self.pool = nn.Conv1d(6, 6, 1), nn.MaxPool1d(2)
        self.acts = nn.Sequential(nn.SiLU(), nn.ELU(), nn.Hardswish(), nn.Tanh(), nn.Dropout(0.5))
        self.register_buffer("gain", torch.linspace(0.5, 1.5, 6)[:, None])
        self.head, self.tail = nn.Linear(6 * 8, 7), nn.BatchNorm1d(7)

    def forward(self, x):
        x = self.pool(F.relu(self.norm(self.first(x))))
        x = self.acts(self.shared(self.shared(x)) * self.gain) - 0.25
        return self.tail(self.head(torch.flatten(x, 1)))


class Tokens(nn.Module):
    """Linear layers over tokens, padded by hand, and their mean."""

    def __init__(self):
        super().__init__()
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = F.pad(x.flatten(2), (1, 4)).permute(0, 2, 1)
        x = self.narrow(F.gelu(self.wide(F.pad(x, (0, 5)))))
        return self.head(x.mean(1))


class SuperResolution(nn.Module):
    """A skip in front of a larger image; its outputs are moved, so that they need one scale."""

    def __init__(self):
        super().__init__()
        self.head, self.tail = nn.Conv2d(3, 8, 3, padding="same"), nn.Conv2d(8, 12, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = F.interpolate(self.head(x), scale_factor=2.0, mode="nearest")
        return F.pixel_shuffle(self.tail(x + self.body(F.relu(x))), 2)


class Preactivated(nn.Module):
    """Norms in front of layers, sums of sums, a layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.input_norm, self.stem = nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3, padding=1)
        self.norm, self.again = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.body, self.head = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(self.input_norm(x))
        x = x + self.body(F.relu(self.norm(x)))
        x = x + self.body(F.relu(self.again(x)))
        return self.head(F.adaptive_avg_pool2d(F.relu(x), 1).flatten(1))


class Dense(nn.Module):
    """Linear layers, and curved functions up to the output."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(192, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), nn.Sigmoid(),
            nn.Linear(16, 4), nn.Softmax(1),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


CASES = {
    "residual": (Residual, SHAPE),
    "branches": (Branches, SHAPE),
    "sequence": (Sequence, (3, 16)),
    "tokens": (Tokens, SHAPE),
    "superresolution": (SuperResolution, SHAPE),
    "preactivated": (Preactivated, SHAPE),
    "dense": (Dense, SHAPE),
}


def settled(module: nn.Module, shape: tuple[int, ...] = SHAPE) -> nn.Module:
    """The module with batch norms that have seen data, in evaluation mode."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(5)
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn(32, *shape, generator=generator))
    return module.eval()


def seeded(kind: type[nn.Module], shape: tuple[int, ...] = SHAPE) -> nn.Module:
    """The network of this class from a fixed seed."""
    torch.manual_seed(3)
    return settled(kind(), shape)


def frames(count: int = 96, shape: tuple[int, ...] = SHAPE, seed: int = 7) -> torch.Tensor:
    """Standard normal frames."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
