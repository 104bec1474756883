"""The networks of fpga_peers.py: integers that all peers take alike, and their graphs here.

A network is a dict that JSON holds, so that a peer in an environment of its own can read it:
``input`` (shape without batch), ``input_bits`` (unsigned codes), ``activation_bits``, and ``layers``, each
{"op": "conv"} (3x3, padded by 1), {"op": "dense"} or {"op": "pool"} (2x2 maximum).
Weights are (M, 3, 3, C) or (M, K). A layer with a ``shift`` gives
``min(max((sum + half) >> shift, 0), top)``: half is ``2**(shift - 1)`` where the network rounds, else 0,
and top ``2**activation_bits - 1``. The last layer gives its sums.
"""

from itertools import pairwise

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from gatewright.compiler.ir.boundary import plain_input, plain_output
from gatewright.compiler.ir.graph import Const, Graph, Node, Value, input_of
from gatewright.compiler.ir.ops import Conv2d, MatMul, MaxPool, Reshape, Threshold

_TRAINED = 1437
_WEIGHT_TOP = 127
_EPOCHS = 60
_SEED = 2
# Jet tagging, hls4ml's model: widths of the layers (Duarte et al., 2018).
JET = (16, 64, 32, 32, 5)


def graph_of(network: dict) -> Graph:
    """The integer graph of a network."""
    x: Value = input_of("x", tuple(network["input"]), 0, 2 ** network["input_bits"] - 1)
    source = x
    for n, layer in enumerate(network["layers"]):
        if layer["op"] == "pool":
            x = MaxPool((2, 2), (2, 2))(x, name=f"pool{n}")
            continue
        x = _sums(x, layer, f"{layer['op']}{n}")
        if "shift" in layer:
            steps = np.arange(1, 2 ** network["activation_bits"], dtype=np.int64) << layer["shift"]
            x = Threshold()(x, Const(steps[None] - _half(network, layer)), name=f"act{n}")
    shapes = source.type.shape, x.type.shape
    graph = Graph((source,), (x,), network["name"], (plain_input(shapes[0]),), (plain_output(shapes[1]),))
    graph.verify()
    return graph


def _sums(x: Value, layer: dict, name: str) -> Node:
    weights, bias = np.array(layer["weights"], np.int64), Const(np.array(layer["bias"], np.int64))
    if layer["op"] == "conv":
        return Conv2d(pads=(1, 1, 1, 1))(x, Const(weights.transpose(1, 2, 3, 0)), bias, name=name)
    if len(x.type.shape) > 1:
        x = Reshape((x.type.size,))(x, name=f"{name}_flat")
    return MatMul()(x, Const(weights.T), bias, name=name)


def _half(network: dict, layer: dict) -> int:
    return (1 << layer["shift"]) >> 1 if network["rounds"] else 0


def digits_mlp() -> dict:
    """64-32-32-10 on scikit-learn's digits, 8-bit weights and activations."""
    torch.manual_seed(_SEED)
    sizes = (64, 32, 32, 10)
    modules = [nn.Flatten()]
    for n, m in pairwise(sizes):
        modules += [nn.Linear(n, m), nn.ReLU()]
    return _digits("digits MLP 64-32-32-10", nn.Sequential(*modules[:-1]), (64,))


def digits_cnn() -> dict:
    """Two 3x3 convolutions of 8 and 16 channels with pools and a dense layer, on the same digits, 8 bits."""
    torch.manual_seed(_SEED)
    blocks = []
    for n, m in ((1, 8), (8, 16)):
        blocks += [nn.Conv2d(n, m, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(64, 10))
    return _digits("digits CNN 8-16-10", model, (8, 8, 1))


def _digits(name: str, model: nn.Sequential, shape: tuple[int, ...]) -> dict:
    """Train on the digits and quantize after training, scales powers of two."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    # Pixels are 0..16; codes 0..126 make use of 7 of 8 signed bits.
    codes, labels = np.rint(data.images[order] * (126 / 16)), data.target[order]
    images = torch.from_numpy(codes.astype(np.float32) / 128)[:, None]
    _train(model, images[:_TRAINED], torch.from_numpy(labels[:_TRAINED]))
    layers = _quantized(model, images[:_TRAINED])
    return {
        "name": name, "input": list(shape), "input_bits": 7, "activation_bits": 7, "rounds": True,
        "layers": layers,
        "frames": codes[_TRAINED:].astype(int).reshape(-1, *shape).tolist(),
        "labels": labels[_TRAINED:].tolist(),
    }  # fmt: skip


def _train(model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(_EPOCHS):
        for index in torch.randperm(len(images)).split(48):
            loss = nn.functional.cross_entropy(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def _quantized(model: nn.Sequential, images: torch.Tensor) -> list[dict]:
    """Integer layers: weights of at most 7 bits and sign, a shift that brings activations to 7 bits."""
    layers, bits, x = [], 7, images  # a code of x is worth 2**-bits
    modules = list(model)
    products = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    for module in modules:
        x = module(x)
        if isinstance(module, nn.MaxPool2d):
            layers.append({"op": "pool"})
        if module not in products:
            continue
        power = int(np.floor(np.log2(_WEIGHT_TOP / module.weight.abs().max().item())))
        weights = torch.round(module.weight * 2.0**power).to(int)
        bias = torch.round(module.bias * 2.0 ** (power + bits)).to(int)
        layers.append(_layer(module, weights, bias, model))
        if module is not products[-1]:
            wanted = int(np.floor(np.log2(_WEIGHT_TOP / x.max().item())))
            layers[-1]["shift"] = power + bits - wanted
            bits = wanted
    return layers


def _layer(module: nn.Module, weights: torch.Tensor, bias: torch.Tensor, model: nn.Sequential) -> dict:
    if isinstance(module, nn.Conv2d):
        return {"op": "conv", "weights": weights.permute(0, 2, 3, 1).tolist(), "bias": bias.tolist()}
    if any(isinstance(m, nn.Conv2d) for m in model):
        # Flattened as (C, H, W) there, as (H, W, C) here.
        weights = weights.reshape(len(weights), 16, 2, 2).permute(0, 2, 3, 1).reshape(len(weights), -1)
    return {"op": "dense", "weights": weights.tolist(), "bias": bias.tolist()}


def jet(bits: int, pruned: float, seed: int = 1) -> dict:
    """The jet-tagging MLP with random weights of ``bits`` bits, a share of them zero; inputs and
    activations have as many bits, and are cut, not rounded."""
    rng = np.random.default_rng(seed)
    top = 2 ** (bits - 1) - 1
    x = frames = rng.integers(0, 2**bits, (256, JET[0]))
    layers = []
    for k, m in pairwise(JET):
        weights = np.clip(np.rint(rng.normal(0, top / 2.5, (m, k))), -top, top).astype(int)
        weights[rng.random((m, k)) < pruned] = 0
        bias = rng.integers(-(4**bits) // 8, 4**bits // 8, m)
        sums = x @ weights.T + bias
        layers.append({"op": "dense", "weights": weights.tolist(), "bias": bias.tolist()})
        if m != JET[-1]:
            # The largest sums saturate, as after calibration on data.
            shift = max(int(np.ceil(np.log2(np.quantile(sums, 0.98) / 2**bits))), 0)
            layers[-1]["shift"] = shift
            x = np.clip(sums >> shift, 0, 2**bits - 1)
    name = f"jet MLP 16-64-32-32-5, {bits} bits, {pruned:.0%} pruned"
    return {
        "name": name, "input": [JET[0]], "input_bits": bits, "activation_bits": bits, "rounds": False,
        "layers": layers, "frames": frames.tolist(), "labels": [],
    }  # fmt: skip
