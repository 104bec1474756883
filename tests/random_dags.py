"""Seeded random networks of every op that the FPGA target lowers, and foldings of them that are quick.

Blocks: residual sums, sums of two branches, long ways round, several readers, joins, shuffled channels,
a small image joined with a large one, gates, turned axes, whole axes summed, attention.
"""

from collections.abc import Sequence

import numpy as np

from gatewright.compiler.ir.graph import Graph, Value, input_of
from gatewright.compiler.ir.ops import (
    Add,
    ArgMax,
    BatchMatMul,
    Concat,
    MaxPool,
    Mul,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Transpose,
    Upsample,
)
from gatewright.hw.lower import FPGA
from gatewright.hw.rules.rule import Fold, Layer
from random_layers import (
    blocks_moved,
    branch,
    even,
    linear,
    lookup,
    narrow,
    scaled,
    smaller,
    threshold,
    transposed,
    twice_as_large,
)

_RANGES = [(-1, 1, 2), (0, 1, 1), (0, 3, 1), (-4, 3, 1), (0, 15, 1), (-8, 7, 1), (-3, 3, 2), (-128, 127, 1)]
_MOST_ELEMENTS = 100
_MOST_PRODUCTS = 32
_MOVERS = Transpose | Reshape | SpaceToDepth


def random_dag(seed: int) -> Graph:
    """An image, a matrix or a vector through one to three blocks of branches that part and meet."""
    rng = np.random.default_rng(seed)
    x = value = _input(rng)
    for index in range(int(rng.choice([1, 1, 2, 2, 3]))):
        blocks = _BLOCKS[len(value.type.shape)]
        value = blocks[int(rng.integers(len(blocks)))](rng, value, f"block {index}")
        if not narrow(value) or rng.random() < 0.4:
            value = threshold(rng, value)
        while value.type.size > _MOST_ELEMENTS:
            value = _less(rng, value)
    if all(isinstance(node.op, _MOVERS) for node in Graph((x,), (value,)).nodes()):
        value = threshold(rng, value)  # moved elements may lie as they were, and leave nothing to do
    return Graph((x,), (_last(rng, value),), f"dag {seed}")


def quick_folds(seed: int, chain: Sequence[Layer], most: int = 300) -> list[Fold]:
    """One folding per layer, drawn from those that take at most ``most`` clocks a frame, or else from the
    quickest; where there is a choice not from those of many multipliers, which take long to simulate."""
    rng = np.random.default_rng(seed)
    picks = []
    for layer in chain:
        rule = FPGA.rule(layer.node)
        busy = [(max((u.busy for u in rule.lower(layer, f)), default=1), f) for f in rule.folds(layer)]
        limit = max(most, min(n for n, _ in busy))
        fast = [f for n, f in busy if n <= limit]
        few = [f for f in fast if f.pe * f.simd <= _MOST_PRODUCTS] or fast
        picks.append(few[int(rng.integers(len(few)))])
    return picks


def _input(rng) -> Value:
    kind = rng.random()
    if kind < 0.65:
        shape = rng.integers((2, 2, 1), (6, 6, 5))
    else:
        shape = rng.integers((2, 1), (7, 7)) if kind < 0.85 else rng.integers(1, 9, 1)
    return input_of("x", tuple(int(v) for v in shape), *_RANGES[int(rng.integers(len(_RANGES)))])


def _less(rng, x: Value) -> Value:
    """Fewer elements than ``x``."""
    if len(x.type.shape) < 3 or x.type.shape[-1] > _MOST_ELEMENTS // 4:
        return threshold(rng, linear(rng, x, max(1, x.type.shape[-1] // 2)))
    pool = SumPool if rng.random() < 0.5 else MaxPool
    k = tuple(min(2, n) for n in x.type.shape[:2])
    return threshold(rng, pool(k, k)(x))


def _last(rng, x: Value) -> Value:
    """x, or its class, or its elements in another shape."""
    if rng.random() < 0.15:
        return ArgMax()(x, name="class")
    return Reshape((x.type.size,))(x) if rng.random() < 0.2 else x


# Blocks: a value to a value.


def _skip(rng, x, name):
    return _joint(rng, x, branch(rng, x, x.type.shape[-1]), name)


def _two_branches(rng, x, name):
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    return _joint(rng, branch(rng, x, channels), branch(rng, x, channels), name)


def _long_way(rng, x, name):
    """A skip over a block that has a skip itself."""
    first = branch(rng, x, x.type.shape[-1])
    inner = Add()(first, branch(rng, first, x.type.shape[-1]), name=f"{name} inner")
    return _joint(rng, inner, x, name)


def _three_readers(rng, x, name):
    channels = x.type.shape[-1]
    return _joint(rng, Add()(branch(rng, x, channels), x), branch(rng, x, channels), name)


def _join(rng, x, name):
    """Branches side by side in the channels, x perhaps among them."""
    parts = [branch(rng, x, int(rng.choice([1, 2, 4]))) for _ in range(int(rng.integers(1, 4)))]
    parts = [*parts, x] if len(parts) == 1 or rng.random() < 0.5 else parts
    order = rng.permutation(len(parts))
    return Concat(len(x.type.shape) - 1)(*(parts[i] for i in order), name=name)


def _table(rng, x, name):
    """A product and any function of its few values."""
    return lookup(rng, threshold(rng, branch(rng, x, int(rng.integers(1, 5)))))


_ANY = (_skip, _two_branches, _long_way, _three_readers, _join, _table)


def _turned(rng, x, name):
    """Axes in another order, and a branch that sees them so."""
    turned = Transpose(tuple(int(a) for a in rng.permutation(len(x.type.shape))))(x, name=name)
    return branch(rng, turned, int(rng.integers(1, 4))) if rng.random() < 0.7 else turned


def _summed(rng, x, name):
    """Neighbouring axes summed away, down to a vector at least."""
    axes = len(x.type.shape)
    first = int(rng.integers(axes))
    last = int(rng.integers(first + 1, axes + 1))
    if last - first == axes:
        first += 1
    return threshold(rng, ReduceSum(tuple(range(first, last)))(x, name=name))


def _merged(rng, x, name):
    """The first two axes as one."""
    a, b, *rest = x.type.shape
    return branch(rng, Reshape((a * b, *rest))(x), int(rng.integers(1, 5)))


def _scores(rng, x, name):
    """Products of all pairs of rows, perhaps through branches; of a square matrix also with itself."""
    *lead, rows, columns = x.type.shape
    if rows == columns and rng.random() < 0.5:
        return BatchMatMul()(x, x, name=name)
    width = int(rng.choice([1, 2, 3, 4]))
    first, second = (_narrowed(rng, branch(rng, x, width)) for _ in range(2))
    if width == columns and rng.random() < 0.7:
        first = x
    swapped = Transpose((*range(len(lead)), len(lead) + 1, len(lead)))(second)
    return BatchMatMul()(first, swapped, name=name)


def _attended(rng, x, name):
    """Rows mixed by scores."""
    scores = threshold(rng, _scores(rng, x, f"{name} scores"))
    values = x if rng.random() < 0.3 else _narrowed(rng, branch(rng, x, int(rng.integers(1, 5))))
    return BatchMatMul()(scores, values, name=name)


def _narrowed(rng, x):
    return x if narrow(x) else threshold(rng, x)


_MATRIX = (_turned, _summed, _merged, _scores, _attended)


def _stacked(rng, x, name):
    """One image above another."""
    channels = x.type.shape[-1]
    return Concat(int(rng.integers(2)))(branch(rng, x, channels), branch(rng, x, channels), name=name)


def _shuffled(rng, x, name):
    """The first channels to the end, each part through a branch of its own."""
    h, w, c = x.type.shape
    if c == 1:
        return _skip(rng, x, name)
    cut = int(rng.integers(1, c))
    left = Slice((0, 0, 0), (h, w, cut), (1, 1, 1))(x)
    right = Slice((0, 0, cut), (h, w, c), (1, 1, 1))(x)
    return Concat(2)(branch(rng, right, c - cut), left, name=name)


def _small_and_large(rng, x, name):
    """A quarter of the image through a branch and back to its size, beside the image."""
    if min(x.type.shape[:2]) < 2:
        return _skip(rng, x, name)
    whole = even(x)
    pool = MaxPool((2, 2), (2, 2)) if rng.random() < 0.5 else SumPool((2, 2), (2, 2))
    small = branch(rng, pool(whole), x.type.shape[-1])
    return Concat(2)(twice_as_large(rng, small), whole, name=name)


def _gate(rng, x, name):
    """Each channel times a function of its sum."""
    h, w, c = x.type.shape
    scores = threshold(rng, linear(rng, SumPool((h, w))(x), c))
    return Mul()(branch(rng, x, c) if rng.random() < 0.5 else x, Upsample((h, w))(scores), name=name)


def _fewer_pixels(rng, x, name):
    return smaller(rng, x)


def _spread(rng, x, name):
    """A transposed convolution, behind a threshold where x has many bits."""
    return transposed(rng, _narrowed(rng, x), int(rng.choice([1, 2, 3, 4])))


def _blocks(rng, x, name):
    return blocks_moved(rng, x)


_IMAGE = (
    _stacked, _shuffled, _small_and_large, _gate, _fewer_pixels, _fewer_pixels, _blocks, _blocks, _spread
)  # fmt: skip

_BLOCKS = {1: _ANY, 2: _ANY + _MATRIX, 3: _ANY + _MATRIX + _IMAGE}


def _joint(rng, left, right, name):
    if rng.random() < 0.5:
        left, right = right, left
    few = left.type.dtype.bits + right.type.dtype.bits < 30
    joint = Mul() if few and rng.random() < 0.25 else Add()
    return joint(scaled(rng, left), scaled(rng, right), name=name)
