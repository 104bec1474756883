"""Digits and small float networks, and how a quantized module is compared with its integer graph."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, fx, nn

import gatewright
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.quant.network import of_module
from gatewright.quant.training import Recipe, train

TRAINING = 1437


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images float32 (N, 1, 8, 8) in [0, 1] and labels, to train and to test."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    images = torch.from_numpy((data.images[order] / 16).astype(np.float32))[:, None]
    labels = torch.from_numpy(data.target[order].astype(np.int64))
    return (images[:TRAINING], labels[:TRAINING]), (images[TRAINING:], labels[TRAINING:])


class Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU()
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.other_norm, self.other_relu = nn.BatchNorm2d(channels), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        return self.other_relu(x + self.other_norm(self.second(self.relu(self.norm(self.first(x))))))


def residual_net(seed: int = 1, width: int = 8) -> nn.Sequential:
    """Four convolutions, one of them outside the residual, and a product."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        Residual(width), nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * width, 10),
    )  # fmt: skip


def tiny_net(seed: int = 1) -> nn.Sequential:
    """As small as takes a convolution and a product inside."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip


def trained(net: nn.Module, images: Tensor, labels: Tensor, epochs: int = 5) -> fx.GraphModule:
    """The net as a float network after some epochs of Adam."""
    train(net, images, labels, Recipe(epochs, 64, 5e-3, optimizer="adam", schedule="linear"))
    return of_module(net, images[:2])


def integers(graph: Graph, images: Tensor) -> np.ndarray:
    """The graph's integers for float images."""
    return evaluate(graph, graph.encodings[0].apply(images.numpy(), graph.inputs[0].type))[0]


def equal_graph(module: nn.Module, images: Tensor, example: Tensor | None = None) -> Graph:
    """The module's integer graph, after its floats have been found equal to the module's on all images."""
    graph = gatewright.from_brevitas(module, images[:1] if example is None else example)
    with torch.no_grad():
        want = module(images).numpy()
    got = graph.decodings[0].apply(integers(graph, images)).astype(np.float32)
    np.testing.assert_array_equal(got, want)
    return graph


def beyond(images: Tensor, count: int = 200, seed: int = 5) -> Tensor:
    """Noise in the images' shape that leaves their range on both sides."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, *images.shape[1:]), generator=generator) * 2 - 0.5


def gradients(function, *tensors: Tensor, upstream: Tensor) -> list[Tensor]:
    """What flows back to each tensor for this gradient of the result."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    function(*leaves).backward(upstream)
    return [leaf.grad for leaf in leaves]
