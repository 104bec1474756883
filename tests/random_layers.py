"""Seeded random layers that the FPGA target lowers, for vectors, matrices and images of a few elements."""

import numpy as np

from gatewright.compiler.ir.graph import Const, Value
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Upsample,
)
from gatewright.compiler.ir.types import Int

_MOST_BITS = 8
# Products and tables take values of up to this many.
_TABLE_LEVELS = 16
_MOST_PIXELS = 40
# Kernel, padding on each side and output padding of transposed convolutions that double a size.
_DOUBLING = [(2, 0, 0), (3, 1, 1), (4, 1, 0)]
_MOST_READS, _MOST_WEIGHTS = 150, 400


def narrow(x: Value) -> bool:
    """Whether a product may follow without a threshold between."""
    return x.type.dtype.bits <= _MOST_BITS


def branch(rng, x: Value, channels: int) -> Value:
    """One or two layers that keep all but the last axis and end in ``channels``."""
    depth = int(rng.integers(1, 3))
    for n in range(depth):
        x = linear(rng, x, channels if n == depth - 1 else int(rng.choice([1, 2, 4, 5])))
        if n < depth - 1 or not narrow(x) or rng.random() < 0.5:
            x = threshold(rng, x)
        if x.type.dtype.levels <= _TABLE_LEVELS and rng.random() < 0.2:
            x = lookup(rng, x)
    return x


def linear(rng, x: Value, m: int) -> Value:
    """A product with constants, or distances to them, of ``m`` channels out, on an image often a convolution
    that keeps its size."""
    c = x.type.shape[-1]
    adds = rng.random() < 0.2
    if len(x.type.shape) != 3 or rng.random() < 0.25:
        if adds:
            return AdderMatMul()(x, centres(rng, x, (c, m)), *_bias(rng, m))
        return MatMul()(x, weights(rng, (c, m), x.type.dtype.bipolar), *_bias(rng, m))
    h, w, _ = x.type.shape
    # A window unit gives a pixel of a window a clock, and weights cost lanes or clocks.
    sizes = [k for k in (1, 2, 3) if h * w * k * k <= _MOST_READS and k * k * c * m <= _MOST_WEIGHTS]
    k = int(rng.choice(sizes or [1]))
    d = int(rng.choice([1, 1, 2]))
    before, after = k // 2 * d, (k - 1) // 2 * d
    if rng.random() < 0.2:
        x = Pad((before, after, 0, after, before, 0), int(rng.integers(-1, 2)))(x)
        before = after = 0
    pads = before, after, after, before
    if adds:
        return AdderConv2d((1, 1), pads, (d, d))(x, centres(rng, x, (k, k, c, m)), *_bias(rng, m))
    groups = _groups(rng, c, m)
    op = Conv2d((1, 1), pads, (d, d), groups)
    return op(x, weights(rng, (k, k, c // groups, m), x.type.dtype.bipolar), *_bias(rng, m))


def smaller(rng, x: Value) -> Value:
    """An image with fewer pixels: a convolution, a pool, or a part of it."""
    h, w, c = x.type.shape
    kind = int(rng.integers(4))
    if kind == 0 and narrow(x):
        k = tuple(int(rng.integers(1, min(3, n) + 1)) for n in (h, w))
        m = int(rng.choice([1, 2, 3]))
        pads = tuple(int(p) for p in rng.integers(0, 2, 4))
        if rng.random() < 0.2:
            return AdderConv2d(_strides(rng), pads)(x, centres(rng, x, (*k, c, m)), *_bias(rng, m))
        return Conv2d(_strides(rng), pads)(x, weights(rng, (*k, c, m)), *_bias(rng, m))
    if kind == 1:
        steps = tuple(int(s) for s in rng.integers(1, 3, 2))
        starts = tuple(int(rng.integers(0, n)) for n in (h, w, c))
        stops = tuple(int(rng.integers(a + 1, n + 1)) for a, n in zip(starts, (h, w, c), strict=True))
        return Slice(starts, stops, (*steps, 1))(x)
    k = tuple(int(rng.integers(1, min(3, n) + 1)) for n in (h, w))
    pads = tuple(int(rng.integers(0, k[i % 2])) for i in range(4)) if rng.random() < 0.5 else (0, 0, 0, 0)
    return (MaxPool if kind == 2 else SumPool)(k, _strides(rng), pads)(x)


def transposed(rng, x: Value, m: int) -> Value:
    """A transposed convolution of an image with any attributes, to a few pixels of ``m`` channels."""
    h, w, c = x.type.shape
    groups = _groups(rng, c, m)
    while True:
        k, strides = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
        dilations = tuple(int(v) for v in rng.choice([1, 1, 2], 2))
        pads = tuple(int(v) for v in rng.integers(0, 2, 4))
        extra = tuple(int(rng.integers(0, max(v))) for v in zip(strides, dilations, strict=True))
        sizes = [
            (n - 1) * strides[i] + (k[i] - 1) * dilations[i] + 1 + extra[i] - pads[i] - pads[i + 2]
            for i, n in enumerate((h, w))
        ]
        if min(sizes) >= 1 and sizes[0] * sizes[1] <= _MOST_PIXELS:
            op = ConvTranspose2d(strides, pads, extra, dilations, groups)
            return op(x, weights(rng, (*k, c // groups, m)), *_bias(rng, m))


def twice_as_large(rng, x: Value) -> Value:
    """An image of twice the size, each pixel several times or by a transposed convolution."""
    if not narrow(x) or rng.random() < 0.5:
        return Upsample((2, 2))(x)
    c = x.type.shape[-1]
    k, pads, extra = _DOUBLING[int(rng.integers(len(_DOUBLING)))]
    return ConvTranspose2d((2, 2), (pads,) * 4, (extra,) * 2)(x, weights(rng, (k, k, c, c)))


def even(x: Value) -> Value:
    """An image without its last row and column where they are odd."""
    h, w, c = x.type.shape
    return Slice((0, 0, 0), (h // 2 * 2, w // 2 * 2, c), (1, 1, 1))(x) if h % 2 or w % 2 else x


def blocks_moved(rng, x: Value) -> Value:
    """Blocks of four pixels as channels, or channels as such blocks."""
    if min(x.type.shape[:2]) > 1 and rng.random() < 0.5:
        return SpaceToDepth(2)(even(x))
    return DepthToSpace(2, int(rng.integers(2)))(branch(rng, x, 4 * int(rng.integers(1, 3))))


def threshold(rng, x: Value) -> Value:
    """Random steps, or steps on a line or two as scaling and rounding have them, for all channels or for
    each."""
    count = int(rng.choice([1, 1, 2, 3, 7, 15]))
    t = x.type.dtype
    rows = x.type.shape[-1] if rng.random() < 0.5 else 1
    kind = rng.random()
    if kind < 0.2 and t.hi - t.lo >= 64:
        count = int(rng.choice([7, 15]))
        return Threshold(-(count // 2))(x, Const(_two_lines(rng, t, rows, count)))
    if kind < 0.5:
        slope, start = rng.uniform(0.3, (t.hi - t.lo + 2) / count + 0.5, (rows, 1)), rng.random((rows, 1))
        steps = np.ceil(t.lo + (start + np.arange(count)) * slope).astype(np.int64)
        table = Const(np.minimum(steps, t.hi + 1))
    else:
        table = Const(np.sort(rng.integers(t.lo, t.hi + 2, (rows, count)), axis=1))
    if count == 1 and rng.random() < 0.6:
        return Threshold(-1, 2)(x, table)
    return Threshold(-4 if rng.random() < 0.4 else 0, int(rng.choice([1, 1, 1, 1, 2, 3])))(x, table)


def _two_lines(rng, t: Int, rows: int, count: int) -> np.ndarray:
    """Steps on two lines that part where the count passes its half, as two roundings in a row have them."""
    slope = rng.uniform(4, (t.hi - t.lo) / count, (rows, 1)) if t.hi - t.lo > 4 * count else 4
    n = np.arange(count) - count // 2
    steps = np.floor((t.lo + t.hi) / 2 + slope * n - np.where(n < 0, 0, slope / 3))
    return np.clip(steps.astype(np.int64), t.lo, t.hi + 1)


def lookup(rng, x: Value) -> Value:
    """Any function of x, for all channels or for each; x has few values."""
    t = x.type.dtype
    rows = (x.type.shape[-1],) if rng.random() < 0.5 else ()
    return Lookup(t.lo)(x, Const(rng.integers(-8, 9, (*rows, t.hi - t.lo + 1))))


def scaled(rng, x: Value) -> Value:
    """x times and plus constants, for all channels or for each."""
    for op in (Mul(), Add()):
        if rng.random() < 0.35:
            size = 1 if rng.random() < 0.6 else x.type.shape[-1]
            x = op(x, Const(rng.integers(-20, 21, size)))
    return x


def weights(rng, shape, of_signs: bool = False) -> Const:
    """Signs, which signs meet more often, or integers of 2 to 8 bits."""
    if rng.random() < (0.7 if of_signs else 0.3):
        return Const(rng.choice([-1, 1], shape))
    half = 2 ** int(rng.choice([1, 2, 3, 3, 7]))
    return Const(rng.integers(-half, half, shape))


def centres(rng, x: Value, shape) -> Const:
    """What distances are measured to: values of x and a few beyond."""
    t = x.type.dtype
    return Const(rng.integers(t.lo - 2, t.hi + 3, shape))


def _bias(rng, channels: int) -> tuple[Const, ...]:
    return (Const(rng.integers(-50, 50, channels)),) if rng.random() < 0.3 else ()


def _strides(rng) -> tuple[int, int]:
    return int(rng.choice([1, 2, 2, 3])), int(rng.choice([1, 2, 2, 3]))


def _groups(rng, c: int, m: int) -> int:
    """One, or any number that divides the channels in and out."""
    if rng.random() < 0.5:
        return 1
    return int(rng.choice([g for g in range(1, c + 1) if c % g == m % g == 0]))
