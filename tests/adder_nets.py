"""Adder layers with weights and requantization as training leaves them: one, or the CNN of five as adders."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, Input, Node, Value
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, MatMul, ReduceSum, Threshold
from gatewright.compiler.ir.types import Int, TensorType
from low_bit_nets import LAYERS, WEIGHTS, averaged, weights


def adder_codes(bits: int) -> Int:
    """What activations are behind a ReLU, and weights once clamped to them (METHODS.md A2): no sign."""
    return Int(0, 2**bits - 1)


def adder_layer(
    rng: np.random.Generator, x: Value, op: AdderConv2d | AdderMatMul, shape: tuple[int, ...], codes: Int
) -> Node:
    """``op`` on ``x`` with normal weights over its codes, and a rounding scale for each channel behind it.

    Args:
        shape: of the weights.
        codes: of the result; thresholds lie over about two deviations of the sums.
    """
    d = x.type.dtype
    w = np.rint(rng.normal((d.lo + d.hi) / 2, (d.hi - d.lo) / 6, shape))
    node = Node(op, (x, Const(np.clip(w, d.lo, d.hi).astype(int))))
    mean, variance = (moment.sum(0) for moment in _moments(node.inputs[1].value.reshape(-1, shape[-1]), d))
    steps = codes.levels - 1
    scale = 4 * np.sqrt(variance) / (steps + 1) * rng.uniform(0.8, 1.2, shape[-1])
    centre = np.rint(-mean + np.sqrt(variance) * rng.uniform(-0.3, 0.3, shape[-1]))
    places = np.arange(steps) + 0.5 - steps / 2
    t = np.ceil(centre[:, None] + scale[:, None] * places[None]).astype(int)
    return Node(Threshold(codes.lo), (node, Const(t)))


def _moments(w: np.ndarray, d: Int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each weight's distance from codes that are all as frequent."""
    below, above = (w - d.lo).astype(float), (d.hi - w).astype(float)
    mean = sum(n * (n + 1) / 2 for n in (below, above)) / d.levels
    square = sum(n * (n + 1) * (2 * n + 1) / 6 for n in (below, above)) / d.levels
    return mean, square - mean**2


def five_adder_layers(bits: int, seed: int = 7) -> Graph:
    """``low_bit_nets.five_convolutions`` with adder layers: 7.5 M distances, codes of ``bits`` (2 to 8)."""
    rng, codes = np.random.default_rng(seed), adder_codes(bits)
    x = first = Input("image", TensorType((32, 32, 3), codes))
    for source, target, stride in LAYERS:
        op = AdderConv2d((stride, stride), (1, 1, 1, 1))
        x = adder_layer(rng, x, op, (3, 3, source, target), codes)
    x = averaged(Node(ReduceSum((0, 1)), (x,)))
    return Graph((first,), (Node(MatMul(), (x, Const(weights(rng, (64, 10), WEIGHTS[8])))),))
