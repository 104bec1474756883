"""Digits and a small classifier with batch norms, for methods that make images."""

import functools

import torch
from sklearn.datasets import load_digits
from torch import fx, nn
from torch.nn import functional

from gatewright.quant.network import of_module


@functools.cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 8, 8) in [0, 1], and labels."""
    data = load_digits()
    return torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, torch.tensor(data.target)


@functools.cache
def classifier() -> fx.GraphModule:
    """Three convolutions with batch norms, trained on digits for seconds; do not change it."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    x, y = digits()

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

    net = nn.Sequential(
        block(1, 8, 1), block(8, 12, 2), block(12, 16, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), 8e-3)
    for _ in range(200):
        index = torch.randint(1400, (64,))
        loss = functional.cross_entropy(net(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return of_module(net.eval(), x[:2])


def accuracy(net: nn.Module) -> float:
    """On digits that no training has seen."""
    x, y = digits()
    with torch.no_grad():
        return float((net(x[1400:]).argmax(1) == y[1400:]).double().mean())
