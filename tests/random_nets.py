"""Seeded random networks that the FPGA target can lower, and random foldings of them."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import ArgMax, Conv2d, MatMul, MaxPool, Reshape, Threshold
from gatewright.hw.lower import FPGA


def random_net(seed: int) -> Graph:
    """An image or a vector through one to three blocks of conv or matmul, thresholds and pooling."""
    rng = np.random.default_rng(seed)
    x = value = _input(rng)
    for index in range(int(rng.integers(1, 4))):
        image = len(value.type.shape) == 3
        if image and rng.random() < 0.75:
            value = _conv(rng, value, f"conv {index}")
        else:
            if image:
                value = Reshape((value.type.size,))(value, name=f"flat {index}")
            value = _matmul(rng, value, f"dense {index}")
        if rng.random() < 0.85:
            value = _threshold(rng, value, f"act {index}")
        if len(value.type.shape) == 3 and rng.random() < 0.5:
            value = _pool(rng, value, f"pool {index}")
    if len(value.type.shape) == 1 and rng.random() < 0.3:
        value = ArgMax()(value, name="class")
    return Graph((x,), (value,), f"random {seed}")


def random_folds(seed: int, chain) -> list:
    """One folding per layer, drawn from all that the rules offer."""
    rng = np.random.default_rng(seed)
    picks = []
    for layer in chain:
        options = list(FPGA.rule(layer.node).folds(layer))
        picks.append(options[int(rng.integers(len(options)))])
    return picks


def frames_for(seed: int, graph: Graph, count: int) -> np.ndarray:
    """``count`` frames of uniform random inputs."""
    t = graph.inputs[0].type
    draw = np.random.default_rng(seed).integers(0, t.dtype.levels, (count, *t.shape))
    return t.dtype.lo + t.dtype.step * draw


def _range(rng) -> tuple[int, int, int]:
    kinds = [(-1, 1, 2), (0, 1, 1), (0, 3, 1), (-4, 3, 1), (0, 15, 1), (-8, 7, 1), (-128, 127, 1), (-3, 3, 2)]
    return kinds[int(rng.integers(len(kinds)))]


def _input(rng):
    if rng.random() < 0.3:
        return input_of("x", (int(rng.integers(1, 13)),), *_range(rng))
    h, w, c = (int(v) for v in rng.integers((3, 3, 1), (8, 8, 5)))
    return input_of("x", (h, w, c), *_range(rng))


def _weights(rng, shape) -> Const:
    if rng.random() < 0.35:
        return Const(rng.choice([-1, 1], shape))
    bits = int(rng.integers(2, 9))
    return Const(rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape))


def _bias(rng, channels: int) -> tuple[Const, ...]:
    return (Const(rng.integers(-50, 50, channels)),) if rng.random() < 0.4 else ()


def _conv(rng, x, name: str):
    h, w, c = x.type.shape
    kh, kw = (int(rng.integers(1, min(4, n) + 1)) for n in (h, w))
    pads = tuple(int(p) for p in rng.integers(0, 3, 4)) if rng.random() < 0.5 else (0, 0, 0, 0)
    strides = tuple(int(s) for s in rng.integers(1, 3, 2))
    m = int(rng.choice([1, 2, 3, 4, 6, 8]))
    return Conv2d(strides, pads)(x, _weights(rng, (kh, kw, c, m)), *_bias(rng, m), name=name)


def _matmul(rng, x, name: str):
    k, m = x.type.shape[-1], int(rng.choice([1, 2, 4, 5, 6, 10]))
    return MatMul()(x, _weights(rng, (k, m)), *_bias(rng, m), name=name)


def _threshold(rng, x, name: str):
    count = int(rng.choice([1, 1, 2, 3, 7, 15]))
    rows = x.type.shape[-1] if rng.random() < 0.7 else 1
    t = x.type.dtype
    spread = np.sort(rng.integers(t.lo - 2, t.hi + 3, (rows, count)), axis=1)
    if count == 1 and rng.random() < 0.7:
        return Threshold(-1, 2)(x, Const(spread), name=name)
    bias, step = (-(2 ** (count.bit_length() - 1)), 1) if rng.random() < 0.4 else (0, 1)
    return Threshold(bias, step)(x, Const(spread), name=name)


def _pool(rng, x, name: str):
    h, w, _ = x.type.shape
    k = tuple(int(rng.integers(1, min(3, n) + 1)) for n in (h, w))
    pads = tuple(int(rng.integers(0, k[i % 2])) for i in range(4)) if rng.random() < 0.3 else (0, 0, 0, 0)
    return MaxPool(k, tuple(int(s) for s in rng.integers(1, 3, 2)), pads)(x, name=name)
