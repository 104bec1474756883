"""PyTorch networks with gates and smooth activations, as ONNX Runtime quantizes them: every integer."""

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from gatewright.compiler.ir.ops import Lookup
from gatewright.compiler.passes.pipeline import run as pipeline
from qdq_models import execute, imported, run, statically_quantized

FRAMES = 24


class Gated(nn.Module):
    """A squeeze-excite block: each channel times what a small network makes of all channels' means."""

    def __init__(self, activation: nn.Module, gate: nn.Module):
        super().__init__()
        self.activation, self.gate, self.pool = activation, gate, nn.AdaptiveAvgPool2d(1)
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 1)
        self.down, self.up, self.head = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1), nn.Linear(6, 5)

    def forward(self, x):
        y = self.activation(self.first(x))
        y = y * self.gate(self.up(self.activation(self.down(self.pool(y)))))
        return self.head(self.activation(self.second(y)).mean((2, 3)))


class Attended(nn.Module):
    """A spatial gate of one channel, and a product of two branches of one size."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.map = (
            nn.Conv2d(3, 6, 1),
            nn.Conv2d(3, 6, 3, padding=1),
            nn.Conv2d(6, 1, 1),
        )

    def forward(self, x):
        y = torch.tanh(self.left(x)) * torch.sigmoid(self.right(x))
        return y * torch.sigmoid(self.map(y))


class Perceptron(nn.Module):
    """Two layers with an activation between."""

    def __init__(self, activation: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 32), activation, nn.Linear(32, 7))

    def forward(self, x):
        return self.layers(x)


class Transformer(nn.Module):
    """Attention with two heads and a perceptron, each behind a layer normalization and beside a residual."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        y = self.norms[0](x)
        q, k, v = (f(y).reshape(1, 9, 2, 8).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, -1) @ v
        x = x + self.out(y.transpose(1, 2).reshape(1, 9, 16))
        return x + self.second(nn.functional.gelu(self.first(self.norms[1](x))))


IMAGE, VECTOR, TOKENS = (3, 6, 8), (12,), (9, 16)
NETWORKS = {
    "swish gate": (lambda: Gated(nn.SiLU(), nn.Sigmoid()), IMAGE),
    "hard swish gate": (lambda: Gated(nn.Hardswish(), nn.Hardsigmoid()), IMAGE),
    "relu gate": (lambda: Gated(nn.ReLU(), nn.Sigmoid()), IMAGE),
    "two branches": (Attended, IMAGE),
    "gelu": (lambda: Perceptron(nn.GELU()), VECTOR),
    "gelu tanh": (lambda: Perceptron(nn.GELU("tanh")), VECTOR),
    "mish": (lambda: Perceptron(nn.Mish()), VECTOR),
    "elu": (lambda: Perceptron(nn.ELU()), VECTOR),
    "softsign": (lambda: Perceptron(nn.Softsign()), VECTOR),
}  # fmt: skip


def exported(name: str, opset: int) -> tuple[bytes, tuple[int, ...]]:
    """The network's ONNX file, and its frames' shape."""
    torch.manual_seed(7)
    build, shape = NETWORKS.get(name, (Transformer, TOKENS))
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build().eval(), torch.zeros(1, *shape), target, opset_version=opset, dynamo=False,
            input_names=["x"], output_names=["y"],
        )  # fmt: skip
    return target.getvalue(), shape


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name, opset):
    """Per tensor and asymmetric, per channel and symmetric: before and after the passes."""
    data, shape = exported(name, opset)
    x = np.random.default_rng(0).normal(size=(FRAMES, *shape)).astype(np.float32) * 2
    for one in (False, True):
        model = statically_quantized(onnx.load_model_from_string(data), x, one, one)
        graph = imported(model)
        theirs = np.concatenate([execute(model, frame[None]) for frame in x])
        np.testing.assert_array_equal(run(graph, x)[0].astype(np.float32), theirs)
        np.testing.assert_array_equal(run(pipeline(graph), x)[1], run(graph, x)[1])
        if shape == VECTOR:
            tables = [n for n in graph.nodes() if isinstance(n.op, Lookup)]
            assert [n.inputs[1].type.shape for n in tables] == [(256,)]


@pytest.mark.parametrize("one", [False, True])
def test_transformer(one):
    """The only approximation is the normalizations': few codes of the output differ, and little."""
    data, shape = exported("transformer", 20)
    x = np.random.default_rng(0).normal(size=(FRAMES, *shape)).astype(np.float32)
    model = statically_quantized(onnx.load_model_from_string(data), x, one, one)
    graph = imported(model)
    theirs = np.concatenate([execute(model, frame[None]) for frame in x])
    (scale,) = graph.decodings[0].scale
    off = np.abs(np.rint((run(graph, x)[0] - theirs) / scale))
    assert off.max() <= 2
    assert (off > 0).mean() < 0.03
    np.testing.assert_array_equal(run(pipeline(graph), x)[1], run(graph, x)[1])
