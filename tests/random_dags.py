"""Seeded random networks with branches that the FPGA target lowers, and foldings of them that are quick.

Blocks: residual sums, sums of two branches, long ways round, several readers, joins, shuffled channels,
a small image joined with a large one, gates.
"""

import numpy as np

from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.ops import (
    Add,
    Concat,
    Conv2d,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    Reshape,
    Slice,
    SumPool,
    Threshold,
    Upsample,
)
from gatewright.hw.lower import FPGA

_RANGES = [(-1, 1, 2), (0, 1, 1), (0, 3, 1), (-4, 3, 1), (0, 15, 1), (-8, 7, 1), (-3, 3, 2)]
_MOST_BITS = 8


def random_dag(seed: int) -> Graph:
    """An image or a vector through one to three blocks of branches that part and meet."""
    rng = np.random.default_rng(seed)
    lo, hi, step = _RANGES[int(rng.integers(len(_RANGES)))]
    image = rng.random() < 0.75
    shape = tuple(int(v) for v in rng.integers((3, 3, 1), (7, 7, 5))) if image else (int(rng.integers(1, 9)),)
    x = value = input_of("x", shape, lo, hi, step)
    for index in range(int(rng.integers(1, 4))):
        blocks = [*_BLOCKS, *_IMAGE_BLOCKS] if image else _BLOCKS
        value = blocks[int(rng.integers(len(blocks)))](rng, value, f"block {index}")
        if value.type.dtype.bits > _MOST_BITS or rng.random() < 0.4:
            value = _threshold(rng, value)
    if rng.random() < 0.3:
        value = Reshape((value.type.size,))(value)
    return Graph((x,), (value,), f"dag {seed}")


def quick_folds(seed: int, chain, most: int = 300) -> list:
    """One folding per layer, drawn from those that take at most ``most`` clocks a frame, or else from the
    quickest."""
    rng = np.random.default_rng(seed)
    picks = []
    for layer in chain:
        rule = FPGA.rule(layer.node)
        busy = [(max((u.busy for u in rule.lower(layer, f)), default=1), f) for f in rule.folds(layer)]
        limit = max(most, min(n for n, _ in busy))
        fast = [f for n, f in busy if n <= limit]
        picks.append(fast[int(rng.integers(len(fast)))])
    return picks


# Blocks: a value to a value.


def _skip(rng, x, name):
    return _joint(rng, x, _branch(rng, x, x.type.shape[-1]), name)


def _two_branches(rng, x, name):
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    return _joint(rng, _branch(rng, x, channels), _branch(rng, x, channels), name)


def _long_way(rng, x, name):
    """A skip over a block that has a skip itself."""
    first = _branch(rng, x, x.type.shape[-1])
    inner = Add()(first, _branch(rng, first, x.type.shape[-1]), name=f"{name} inner")
    return _joint(rng, inner, x, name)


def _three_readers(rng, x, name):
    channels = x.type.shape[-1]
    return _joint(rng, Add()(_branch(rng, x, channels), x), _branch(rng, x, channels), name)


def _join(rng, x, name):
    """Branches side by side in the channels, x perhaps among them."""
    parts = [_branch(rng, x, int(rng.choice([1, 2, 4]))) for _ in range(int(rng.integers(1, 4)))]
    parts = [*parts, x] if len(parts) == 1 or rng.random() < 0.5 else parts
    order = rng.permutation(len(parts))
    return Concat(len(x.type.shape) - 1)(*(parts[i] for i in order), name=name)


_BLOCKS = (_skip, _two_branches, _long_way, _three_readers, _join)


def _stacked(rng, x, name):
    """One image above another."""
    channels = x.type.shape[-1]
    return Concat(int(rng.integers(2)))(_branch(rng, x, channels), _branch(rng, x, channels), name=name)


def _shuffled(rng, x, name):
    """The first channels to the end, each part through a branch of its own."""
    h, w, c = x.type.shape
    if c == 1:
        return _skip(rng, x, name)
    cut = int(rng.integers(1, c))
    left = Slice((0, 0, 0), (h, w, cut), (1, 1, 1))(x)
    right = Slice((0, 0, cut), (h, w, c), (1, 1, 1))(x)
    return Concat(2)(_branch(rng, right, c - cut), left, name=name)


def _small_and_large(rng, x, name):
    """A quarter of the image through a branch and back to its size, beside the image."""
    h, w, c = x.type.shape
    even = Slice((0, 0, 0), (h // 2 * 2, w // 2 * 2, c), (1, 1, 1))(x) if h % 2 or w % 2 else x
    pool = MaxPool((2, 2), (2, 2)) if rng.random() < 0.5 else SumPool((2, 2), (2, 2))
    small = _branch(rng, pool(even), c)
    return Concat(2)(Upsample((2, 2))(small), even, name=name)


def _gate(rng, x, name):
    """Each channel times a function of its sum."""
    h, w, c = x.type.shape
    scores = _threshold(rng, _linear(rng, SumPool((h, w))(x), c))
    return Mul()(_branch(rng, x, c) if rng.random() < 0.5 else x, Upsample((h, w))(scores), name=name)


_IMAGE_BLOCKS = (_stacked, _shuffled, _small_and_large, _gate)


def _joint(rng, left, right, name):
    if rng.random() < 0.5:
        left, right = right, left
    narrow = left.type.dtype.bits + right.type.dtype.bits < 30
    joint = Mul() if narrow and rng.random() < 0.25 else Add()
    return joint(_scaled(rng, left), _scaled(rng, right), name=name)


# Layers.


def _branch(rng, x, channels):
    """One to three layers that keep the image's size and end in ``channels``."""
    depth = int(rng.integers(1, 4))
    for n in range(depth):
        m = channels if n == depth - 1 else int(rng.choice([1, 2, 4, 5]))
        x = _linear(rng, x, m)
        if n < depth - 1 or x.type.dtype.bits > _MOST_BITS or rng.random() < 0.5:
            x = _threshold(rng, x)
        if x.type.dtype.levels <= 16 and rng.random() < 0.2:
            x = Lookup(x.type.dtype.lo)(x, _table(rng, x))
    return x


def _linear(rng, x, m):
    signs = rng.random() < 0.3

    def weights(shape):
        return Const(rng.choice([-1, 1], shape) if signs else rng.integers(-7, 8, shape))

    c = x.type.shape[-1]
    if len(x.type.shape) == 1 or rng.random() < 0.3:
        return MatMul()(x, weights((c, m)))
    k = int(rng.choice([1, 2, 3]))
    pads = (k // 2, (k - 1) // 2, (k - 1) // 2, k // 2)
    if m % c == 0 and rng.random() < 0.4:
        return Conv2d((1, 1), pads, groups=c)(x, weights((k, k, 1, m)))
    if rng.random() < 0.2:
        x = Pad((pads[0], pads[1], 0, pads[2], pads[3], 0), int(rng.integers(-1, 2)))(x)
        pads = (0, 0, 0, 0)
    return Conv2d((1, 1), pads)(x, weights((k, k, c, m)))


def _threshold(rng, x):
    count = int(rng.choice([1, 2, 3, 7, 15]))
    t = x.type.dtype
    rows = x.type.shape[-1] if rng.random() < 0.5 else 1
    table = Const(np.sort(rng.integers(t.lo, t.hi + 2, (rows, count)), axis=1))
    if count == 1 and rng.random() < 0.5:
        return Threshold(-1, 2)(x, table)
    return Threshold(-4 if rng.random() < 0.4 else 0)(x, table)


def _table(rng, x):
    span = x.type.dtype.hi - x.type.dtype.lo + 1
    rows = (x.type.shape[-1],) if rng.random() < 0.5 else ()
    return Const(rng.integers(-8, 9, (*rows, span)))


def _scaled(rng, x):
    """x times and plus constants, for all channels or for each."""
    for op in (Mul(), Add()):
        if rng.random() < 0.35:
            size = 1 if rng.random() < 0.6 else x.type.shape[-1]
            x = op(x, Const(rng.integers(-20, 21, size)))
    return x
