"""Seeded random networks with branches that the FPGA target lowers: skips, sums, gates, several readers."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import Add, Conv2d, MatMul, MaxPool, Mul, Reshape, Threshold

_RANGES = [(-1, 1, 2), (0, 1, 1), (0, 3, 1), (-4, 3, 1), (0, 15, 1), (-8, 7, 1), (-3, 3, 2)]


def random_dag(seed: int) -> Graph:
    """An image or a vector through one to three blocks, each with a skip or two branches that meet."""
    rng = np.random.default_rng(seed)
    lo, hi, step = _RANGES[int(rng.integers(len(_RANGES)))]
    if rng.random() < 0.3:
        shape = (int(rng.integers(1, 9)),)
    else:
        shape = tuple(int(v) for v in rng.integers((3, 3, 1), (8, 8, 5)))
    x = value = input_of("x", shape, lo, hi, step)
    for index in range(int(rng.integers(1, 4))):
        value = _block(rng, value, f"block {index}")
        if len(value.type.shape) == 3 and rng.random() < 0.2:
            value = MaxPool((2, 2))(value) if min(value.type.shape[:2]) > 1 else value
        if value.type.dtype.bits > 8 or rng.random() < 0.4:
            value = _threshold(rng, value)
    if rng.random() < 0.3:
        value = Reshape((value.type.size,))(value)
    return Graph((x,), (value,), f"dag {seed}")


def _block(rng, x, name):
    """Two ways from x to one shape, joined."""
    kind = rng.integers(4)
    channels = x.type.shape[-1]
    if kind == 0:  # identity skip
        left, right = x, _branch(rng, x, channels)
    elif kind == 1:  # both computed
        channels = int(rng.choice([1, 2, 3, 4, 6]))
        left, right = _branch(rng, x, channels), _branch(rng, x, channels)
    elif kind == 2:  # a long way round, and a skip over half of it
        first = _branch(rng, x, channels)
        left, right = Add()(first, _branch(rng, first, channels), name=f"{name} inner"), x
    else:  # three readers
        first = _branch(rng, x, channels)
        left, right = Add()(first, x), _branch(rng, x, channels)
    if rng.random() < 0.5:
        left, right = right, left
    joint = Mul() if rng.random() < 0.25 and left.type.dtype.bits + right.type.dtype.bits < 30 else Add()
    return joint(_scaled(rng, left), _scaled(rng, right), name=name)


def _branch(rng, x, channels):
    """One to three layers that keep the image's size and end in ``channels``."""
    depth = int(rng.integers(1, 4))
    for n in range(depth):
        m = channels if n == depth - 1 else int(rng.choice([1, 2, 4, 5]))
        x = _linear(rng, x, m)
        if n < depth - 1 or rng.random() < 0.7:
            x = _threshold(rng, x)
    return x


def _linear(rng, x, m):
    signs = rng.random() < 0.3

    def weights(shape):
        return Const(rng.choice([-1, 1], shape) if signs else rng.integers(-7, 8, shape))

    if len(x.type.shape) == 1 or rng.random() < 0.3:
        return MatMul()(x, weights((x.type.shape[-1], m)))
    k = int(rng.choice([1, 2, 3]))
    pads = (k // 2, (k - 1) // 2, (k - 1) // 2, k // 2)
    return Conv2d((1, 1), pads)(x, weights((k, k, x.type.shape[-1], m)))


def _threshold(rng, x):
    count = int(rng.choice([1, 2, 3, 7, 15]))
    t = x.type.dtype
    rows = x.type.shape[-1] if rng.random() < 0.5 else 1
    table = Const(np.sort(rng.integers(t.lo, t.hi + 2, (rows, count)), axis=1))
    if count == 1 and rng.random() < 0.5:
        return Threshold(-1, 2)(x, table)
    return Threshold(-4 if rng.random() < 0.4 else 0)(x, table)


def _scaled(rng, x):
    """x times and plus constants, for all channels or for each."""
    for op in (Mul(), Add()):
        if rng.random() < 0.35:
            size = 1 if rng.random() < 0.6 else x.type.shape[-1]
            x = op(x, Const(rng.integers(-20, 21, size)))
    return x
