"""Seeded random graphs for ARM: those of other tests, and layers wide enough for whole vectors and tiles."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from arm_bench import Case
from gatewright.compiler.ir.graph import Const, Graph, Value, input_of
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    Concat,
    Conv2d,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    ReduceSum,
    Reshape,
    SumPool,
    Threshold,
    Transpose,
)
from gatewright.compiler.passes.pipeline import run
from graph_builder import arrays
from random_dags import random_dag
from random_nets import random_net
from strategies import graphs_with_inputs

FRAMES = 4
# Least and greatest value, and step: what fits bytes with an offset or without, and what needs more.
_RANGES = [
    (-128, 127, 1), (-128, 127, 1), (0, 255, 1), (-8, 7, 1), (0, 15, 1), (-2, 1, 1), (0, 3, 1), (-1, 1, 2),
    (-1, 1, 1), (-7, 7, 2), (100, 300, 1), (-2000, 3000, 1), (-(2**15), 2**15 - 1, 1), (-(2**24), 2**24, 1),
    (-(2**33), 2**33 - 1, 1),
]  # fmt: skip
_CHANNELS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 20, 24, 29, 31, 32, 33, 40, 48]
# A value of more bits feeds no product.
_NARROW = 17
_MOST = 6000


def cases(first: int, count: int) -> list[Case]:
    """``count`` graphs, the same ones for the same seed; every second one behind the passes.

    A quarter have every op in sequences of front ends; the rest are small networks that branch, chains, wide
    layers and adder layers.
    """
    made = [*_drawn(first, -(-count // 4))]
    kinds = (random_dag, random_net, wide_graph, adder_graph)
    made += [kinds[i % 4](3000 * first + i) for i in range(count - len(made))]
    made = [run(graph) if i % 2 else graph for i, graph in enumerate(made)]
    return [case_of(graph, first) for graph in made]


def case_of(graph: Graph, number: int, frames: int = FRAMES) -> Case:
    """A graph on frames of which one is all smallest and one all largest."""
    rng = np.random.default_rng(number)
    return Case(graph, tuple(arrays(rng, i.type, frames) for i in graph.inputs))


def _drawn(number: int, count: int) -> list[Graph]:
    found: list[Graph] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, derandomize=False, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(graphs_with_inputs())
    def take(case):
        found.append(case[0])

    take()
    return found


def wide_graph(number: int) -> Graph:
    """Two to five layers on an image or a matrix of up to 48 channels."""
    rng = np.random.default_rng(number)
    x = value = _input(rng)
    for _ in range(int(rng.integers(2, 6))):
        layers = _IMAGE if len(value.type.shape) == 3 else _ANY
        value = layers[int(rng.integers(len(layers)))](rng, value)
        if value.type.dtype.bits > _NARROW or rng.random() < 0.5:
            value = staircase(rng, value)
    return Graph((x,), (value,), f"wide {number}")


def adder_graph(number: int) -> Graph:
    """One to three adder layers, among others on an image or a matrix of up to 48 channels."""
    rng = np.random.default_rng(number)
    x = value = _input(rng)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.3:
            layers = _IMAGE if len(value.type.shape) == 3 else _ANY
            value = layers[int(rng.integers(len(layers)))](rng, value)
        adders = (_adder_conv, _adder_conv, _adder_matmul) if len(value.type.shape) == 3 else (_adder_matmul,)
        value = adders[int(rng.integers(len(adders)))](rng, value)
        if value.type.dtype.bits > _NARROW or rng.random() < 0.7:
            value = staircase(rng, value)
    return Graph((x,), (value,), f"adders {number}")


def _adder_weights(rng, x: Value, shape) -> Const:
    """Over x's range, at its ends, in part beyond it, or anywhere around 0."""
    lo, hi = x.type.dtype.lo, x.type.dtype.hi
    kind = int(rng.integers(4))
    if kind == 0:
        return Const(np.where(rng.random(shape) < 0.9, lo, hi))
    if kind == 1:
        return Const(rng.integers(-128, 128, shape))
    beyond = (hi - lo + 1) // 2 * (kind - 2)
    return Const(rng.integers(lo - beyond, hi + beyond + 1, shape))


def _adder_conv(rng, x: Value) -> Value:
    x = _narrowed(rng, x) if rng.random() < 0.9 else x
    h, w, c = x.type.shape
    m = int(rng.choice(_CHANNELS))
    k = [min(int(rng.choice([1, 2, 3, 3, 5])), n) for n in (h, w)]
    if k[0] * k[1] * c * m > _MOST:
        k = [1, 1]
    d = [int(rng.choice([1, 1, 1, 2])) if 2 * (a - 1) < n else 1 for a, n in zip(k, (h, w), strict=True)]
    pads = tuple(int(rng.integers(0, 2)) for _ in range(4)) if rng.random() < 0.6 else (0, 0, 0, 0)
    strides = (1, 1) if rng.random() < 0.6 else tuple(int(s) for s in rng.integers(1, 3, 2))
    return AdderConv2d(strides, pads, tuple(d))(x, _adder_weights(rng, x, (*k, c, m)), *_bias(rng, m))


def _adder_matmul(rng, x: Value) -> Value:
    x = _narrowed(rng, x) if rng.random() < 0.9 else x
    c, m = x.type.shape[-1], int(rng.choice(_CHANNELS))
    return AdderMatMul()(x, _adder_weights(rng, x, (c, m)), *_bias(rng, m))


def _input(rng) -> Value:
    c = int(rng.choice(_CHANNELS))
    shape = [(h, w, c) for h, w in [rng.integers(1, 10, 2).tolist()]] + [(int(rng.integers(1, 9)), c), (c,)]
    return input_of("x", shape[int(rng.choice(3, p=[0.7, 0.15, 0.15]))], *_RANGES[rng.integers(len(_RANGES))])


def staircase(rng, x: Value) -> Value:
    """A threshold as quantizers make it: multiplied, rounded and clipped, with or without a batch norm."""
    lo, hi = x.type.dtype.lo, x.type.dtype.hi
    bits = int(rng.choice([1, 2, 4, 8, 8, 8]))
    low = int(rng.choice([0, -(2 ** (bits - 1))]))
    rows = x.type.shape[-1] if rng.random() < 0.7 else 1
    scale = (2**bits - 1) / max(hi - lo, 1) * rng.uniform(0.3, 4, (rows, 1))
    offset = rng.uniform(-1, 1, (rows, 1)) * 2**bits * rng.integers(0, 2)
    middle = (lo + hi) / 2 * rng.integers(0, 2)
    results = np.arange(low + 1, low + 2**bits)
    t = np.ceil((results - 0.5 - offset) / scale + middle)
    t = np.clip(t, lo - 2, hi + 2).astype(np.int64)
    return Threshold(low, int(rng.choice([1, 1, 1, 2, 3])))(x, Const(t))


def _weights(rng, shape) -> Const:
    bits = int(rng.choice([1, 2, 3, 4, 8, 8, 8, 10]))
    if bits == 1:
        return Const(rng.choice([-1, 1], shape))
    half = 2 ** (bits - 1)
    return Const(rng.integers(-half + int(rng.integers(2)), half, shape))


def _bias(rng, m: int) -> tuple[Const, ...]:
    return (Const(rng.integers(-5000, 5000, m)),) if rng.random() < 0.5 else ()


def _narrowed(rng, x: Value) -> Value:
    return x if x.type.dtype.bits <= _NARROW else staircase(rng, x)


def _conv(rng, x: Value) -> Value:
    x = _narrowed(rng, x)
    h, w, c = x.type.shape
    m = int(rng.choice(_CHANNELS))
    k = [int(rng.integers(1, min(n, 5) + 1)) for n in (h, w)]
    if rng.random() < 0.4:
        k = [min(3, n) for n in (h, w)]
    d = [int(rng.integers(1, 3)) if 2 * (a - 1) < n else 1 for a, n in zip(k, (h, w), strict=True)]
    pads = tuple(int(rng.integers(0, 2)) for _ in range(4)) if rng.random() < 0.5 else (0, 0, 0, 0)
    strides = (1, 1) if rng.random() < 0.6 else tuple(int(s) for s in rng.integers(1, 3, 2))
    if k[0] * k[1] * c * m > _MOST:
        k, d = [1, 1], [1, 1]
    return Conv2d(strides, pads, tuple(d))(x, _weights(rng, (*k, c, m)), *_bias(rng, m))


def _grouped(rng, x: Value) -> Value:
    """Depthwise, with one result a channel or two; or in two groups."""
    x = _narrowed(rng, x)
    h, w, c = x.type.shape
    k = tuple(min(int(rng.choice([1, 3, 3, 5])), n) for n in (h, w))
    groups = 2 if c % 2 == 0 and rng.random() < 0.3 else c
    m = groups * int(rng.choice([1, 1, 2]))
    pads = tuple(a // 2 for a in (*k, *k)) if rng.random() < 0.7 else (0, 0, 0, 0)
    strides = (1, 1) if rng.random() < 0.6 else (2, 2)
    return Conv2d(strides, pads, (1, 1), groups)(x, _weights(rng, (*k, c // groups, m)), *_bias(rng, m))


def _matmul(rng, x: Value) -> Value:
    x = _narrowed(rng, x)
    c, m = x.type.shape[-1], int(rng.choice(_CHANNELS))
    return MatMul()(x, _weights(rng, (c, m)), *_bias(rng, m))


def _residual(rng, x: Value) -> Value:
    """A sum or product of x and a product of it, each scaled by constants."""
    c = x.type.shape[-1]
    y = MatMul()(_narrowed(rng, x), _weights(rng, (c, c)), *_bias(rng, c))
    if rng.random() < 0.5:
        y = staircase(rng, y)
    factor = Const(rng.integers(-300, 300, int(rng.choice([1, c]))))
    joint = Mul() if x.type.dtype.bits + y.type.dtype.bits < 40 and rng.random() < 0.3 else Add()
    return joint(*((Mul()(x, factor), y) if rng.random() < 0.5 else (y, x)))


def _pool(rng, x: Value) -> Value:
    h, w, _ = x.type.shape
    k = (h, w) if rng.random() < 0.2 else tuple(int(rng.integers(1, min(3, n) + 1)) for n in (h, w))
    pads = tuple(int(rng.integers(0, k[i % 2])) for i in range(4)) if rng.random() < 0.4 else (0, 0, 0, 0)
    op = MaxPool if rng.random() < 0.5 else SumPool
    return op(k, tuple(int(s) for s in rng.integers(1, 4, 2)), pads)(x)


def _join(rng, x: Value) -> Value:
    return Concat(len(x.type.shape) - 1)(x, _matmul(rng, x))


def _flat(rng, x: Value) -> Value:
    if rng.random() < 0.5:
        x = Transpose(tuple(int(a) for a in rng.permutation(len(x.type.shape))))(x)
    return ArgMax()(x) if len(x.type.shape) > 1 and rng.random() < 0.2 else Reshape((x.type.size,))(x)


def _summed(rng, x: Value) -> Value:
    axes = len(x.type.shape)
    return x if axes < 2 else ReduceSum(tuple(range(axes - 1)))(x)


def _table(rng, x: Value) -> Value:
    d = x.type.dtype
    if d.hi - d.lo >= 2**12:
        x = staircase(rng, x)
        d = x.type.dtype
    length, most = d.hi - d.lo + 1, int(rng.choice([1, 100, 127, 1000, 10**6]))
    rows = (x.type.shape[-1],) if rng.random() < 0.3 else ()
    return Lookup(d.lo)(x, Const(rng.integers(-most, most + 1, (*rows, length))))


_ANY = (_matmul, _matmul, _residual, _table, _join, _summed)
_IMAGE = (_conv, _conv, _conv, _grouped, _grouped, _pool, _residual, _table, _join, _flat, _summed)
