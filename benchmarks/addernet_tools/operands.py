"""What an array works on: activations and weights of a trained layer, and the order in which they come.

Two small networks learn scikit-learn's digits, alike but for their middle layer, 256 inputs and 64 outputs:
an adder layer in one, a multiplying one in the other. Test images give the layer's integer inputs.
"""

import gzip
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from gatewright.compiler.frontends.load import load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.ops import AdderMatMul, MatMul
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.quant.adder import AdderLinear, scale_adder_gradients

INPUTS, OUTPUTS = 256, 64
FRAMES = 8
_EPOCHS, _BATCH, _RATE, _SEED, _TEST = 60, 64, 0.05, 7, 400
# As AdderQuant takes an activation's range.
_SHARE = 0.9997


@dataclass(frozen=True)
class Operands:
    """A layer's integers: x (frames, K), not negative, and w (K, M); and the network's test accuracy."""

    x: np.ndarray
    w: np.ndarray
    accuracy: float


@dataclass(frozen=True)
class Layer:
    """A trained middle layer: its inputs on test images (frames, K), weights (K, M), float accuracy."""

    x: np.ndarray
    w: np.ndarray
    accuracy: float


@cache
def trained(adds: bool) -> Layer:
    """The middle layer of the network that adds, or of its multiplying twin; trained in a few seconds."""
    torch.manual_seed(_SEED)
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    middle = AdderLinear(INPUTS, OUTPUTS) if adds else nn.Linear(INPUTS, OUTPUTS, bias=False)
    first = nn.Sequential(nn.Linear(64, INPUTS, bias=False), nn.BatchNorm1d(INPUTS), nn.ReLU())
    last = nn.Sequential(nn.BatchNorm1d(OUTPUTS), nn.ReLU(), nn.Linear(OUTPUTS, 10))
    network = nn.Sequential(first, middle, last)
    _train(network, x[_TEST:], y[_TEST:])
    network.eval()
    with torch.no_grad():
        hidden = first(x[:_TEST])
        right = (network(x[:_TEST]).argmax(1) == y[:_TEST]).float().mean().item()
    return Layer(hidden.numpy(), middle.weight.detach().numpy().T, right)


def _train(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), _RATE, momentum=0.9)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _EPOCHS)
    for _ in range(_EPOCHS):
        for part in torch.randperm(len(x)).split(_BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            scale_adder_gradients(network)
            optimizer.step()
        rates.step()


def of_network(adds: bool, bits: int) -> Operands:
    """The trained layer in integers of ``bits`` bits.

    Activations have 2**bits - 1 steps up to all but 0.03 % of them. Weights of the adder layer are clamped to
    the activations' range and have their step, so both operands are unsigned; those of the twin are signed.
    """
    layer = trained(adds)
    top = (1 << bits) - 1
    step = np.quantile(layer.x, _SHARE) / top
    x = np.clip(np.rint(layer.x / step), 0, top).astype(np.int64)[:FRAMES]
    if adds:
        w = np.clip(np.rint(layer.w / step), 0, top)
    else:
        w = np.rint(layer.w / np.abs(layer.w).max() * (top >> 1))
    return Operands(x, w.astype(np.int64), layer.accuracy)


def of_lenet(model: Path, images: Path, simd: int, pe: int) -> Operands:
    """The first dense layer of a LeNet-5 in QONNX, on MNIST's first test images.

    Args:
        model: with 8-bit layers of one kind, adder or multiplying, as benchmarks/adder_mnist.py exports it.
        images: MNIST's t10k-images-idx3-ubyte.gz.
        simd, pe: inputs and outputs are cut to multiples of these.
    """
    graph = run_passes(load_model(model))
    node = next(n for n in graph.nodes() if isinstance(n.op, AdderMatMul | MatMul))
    source, weights = node.inputs[0], node.inputs[1].value
    with gzip.open(images) as file:
        pixels = np.frombuffer(file.read(16 + FRAMES * 28 * 28), np.uint8, offset=16)
    frames = pixels.reshape(FRAMES, *graph.inputs[0].type.shape).astype(np.int64)
    (x,) = evaluate(replace(graph, outputs=(source,), decodings=()), frames)
    columns, rows = (size // step * step for size, step in zip(weights.shape, (simd, pe), strict=True))
    return Operands(x[:, :columns], weights[:columns, :rows], 0.0)


def uniform(adds: bool, bits: int) -> Operands:
    """Operands that use all codes alike."""
    rng = np.random.default_rng(_SEED)
    low, high = (0, 1 << bits) if adds else (-(1 << bits - 1), 1 << bits - 1)
    x = rng.integers(0, 1 << bits, (FRAMES, INPUTS))
    return Operands(x, rng.integers(low, high, (INPUTS, OUTPUTS)), 0.0)
