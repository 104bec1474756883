"""How ``graph_builder`` makes a node of each basic op: the op and its operands, or None if no value fits.

``b`` is always a Builder.
"""

from functools import partial
from math import prod

import numpy as np
from hypothesis import strategies as st

from gatewright.compiler.ir.graph import Const, Value
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    Conv2d,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Threshold,
    Transpose,
)

# Above this many bits a value feeds no further product, so that chains stay within 62 bits.
_PRODUCT_BITS = 16


def narrow(v: Value, axes: int = 0) -> bool:
    """Whether a value may enter a product."""
    shape = v.type.shape
    return v.type.dtype.bits <= _PRODUCT_BITS and len(shape) >= 1 and (not axes or len(shape) == axes)


def weights(b, shape) -> Const:
    """Constant weights of 1 to 8 bits."""
    half = 2 ** (b.integer(1, 8) - 1)
    return b.const(shape, -half, half - 1)


def bias(b, columns: int) -> tuple[Const, ...]:
    """A bias operand, or none."""
    return (b.const((columns,), -300, 300),) if b.integer(0, 1) else ()


def _dense(op, b):
    x = b.pick(narrow)
    if x is None:
        return None
    m = b.integer(1, 4)
    return op(), x, weights(b, (x.type.shape[-1], m)), *bias(b, m)


def window(b, size: tuple[int, int]):
    """Kernel, strides, pads and dilations of windows that all meet an image of this size."""
    kind = b.integer(0, 4)
    if kind == 3 or (kind == 4 and max(size) <= 5):
        # Pointwise, and as large as the image: products in disguise.
        return (1, 1) if kind == 3 else size, (1, 1), (0, 0, 0, 0), (1, 1)
    kernel, dilations, pads = [], [], [0, 0, 0, 0]
    for axis, length in enumerate(size):
        k = b.one_of(1, min(2, length), min(3, length), min(length, 5))
        d = b.integer(1, 2) if 2 * (k - 1) < length else 1
        for side in (axis, axis + 2):
            pads[side] = b.one_of(0, min(1, k - 1), min(2, d * (k - 1))) if length >= d else 0
        kernel.append(k)
        dilations.append(d)
    strides = (b.one_of(1, 1, 2, 3), b.one_of(1, 1, 2, 3))
    return tuple(kernel), strides, tuple(pads), tuple(dilations)


def _conv2d(b):
    x = b.pick(lambda v: narrow(v, 3))
    if x is None:
        return None
    h, w, c = x.type.shape
    kernel, strides, pads, dilations = window(b, (h, w))
    groups = b.one_of(1, 1, *(g for g in range(2, c + 1) if c % g == 0))
    m = groups * b.integer(1, 2)
    w = weights(b, (*kernel, c // groups, m))
    return Conv2d(strides, pads, dilations, groups), x, w, *bias(b, m)


def _adder_conv2d(b):
    x = b.pick(lambda v: narrow(v, 3))
    if x is None:
        return None
    kernel, strides, pads, dilations = window(b, x.type.shape[:2])
    m = b.integer(1, 4)
    w = weights(b, (*kernel, x.type.shape[2], m))
    return AdderConv2d(strides, pads, dilations), x, w, *bias(b, m)


def _maxpool(b):
    x = b.pick(lambda v: len(v.type.shape) == 3)
    return x and (MaxPool(*window(b, x.type.shape[:2])), x)


def _elementwise(op, limit: int, low: int, high: int):
    def make(b):
        x = b.pick(lambda v: narrow(v) or (op is Add and v.type.dtype.bits <= 30))
        if x is None:
            return None
        shape = x.type.shape
        others = [v for v in b.values if v.type.shape == shape and v.type.dtype.bits <= limit]
        kind, least = b.integer(0, 4), b.one_of(low, 0)
        if kind == 0 and others:
            return op(), x, b.one_of(*others)
        if kind == 1:
            return op(), b.const(shape, least, high), x
        return op(), x, b.const(b.one_of((1,), shape[-1:], shape) if shape else (), least, high)

    return make


def _threshold(b):
    x = b.pick(lambda v: len(v.type.shape) >= 1)
    if x is None:
        return None
    d = x.type.dtype
    if d.levels <= 8 and b.integer(0, 3) == 0:
        row = d.lo + d.step * np.arange(1, d.levels) if d.levels > 1 else np.array([d.hi + 1])
        return Threshold(d.lo, d.step), x, Const(np.repeat(row[None], b.one_of(1, x.type.shape[-1]), 0))
    n = b.one_of(1, 2 ** b.integer(1, 5) - 1, 3)
    rows = b.one_of(1, x.type.shape[-1])
    t = np.sort(b.rng.integers(d.lo - 2, d.hi + 4, (rows, n)), axis=1)
    if b.integer(0, 3) == 0:
        t[:] = t[0]
    low, step = b.one_of((0, 1), (-1, 2), (-(2 ** (n.bit_length() - 1)), 1), (b.integer(-9, 9), 3))
    return Threshold(low, step), x, Const(t, b.one_of("", "t"))


def _argmax(b):
    x = b.pick(lambda v: len(v.type.shape) >= 2) or b.pick(lambda v: len(v.type.shape) == 1)
    return x and (ArgMax(), x)


def _reshape(b):
    x = b.pick(lambda v: True)
    shape, size = x.type.shape, x.type.size
    choices = [(size,), (1, *shape), tuple(d for d in shape if d != 1), shape]
    choices += [(f, size // f) for f in range(2, size) if size % f == 0]
    if len(shape) > 1:
        choices += [(prod(shape[:-1]), shape[-1]), (shape[0], size // shape[0])]
    target = b.one_of(*(c for c in choices if len(c) <= 4))
    return Reshape(target), x


def _transpose(b):
    x = b.pick(lambda v: len(v.type.shape) >= 1)
    if x is None:
        return None
    axes = tuple(range(len(x.type.shape)))
    if len(axes) == 3 and b.integer(0, 2):
        return Transpose(b.one_of((2, 0, 1), (1, 2, 0))), x
    return Transpose(tuple(b.draw(st.permutations(axes)))), x


MAKERS = {
    MatMul: partial(_dense, MatMul),
    Conv2d: _conv2d,
    AdderMatMul: partial(_dense, AdderMatMul),
    AdderConv2d: _adder_conv2d,
    Add: _elementwise(Add, 30, -40, 40),
    Mul: _elementwise(Mul, 8, -3, 3),
    Threshold: _threshold,
    ArgMax: _argmax,
    MaxPool: _maxpool,
    Reshape: _reshape,
    Transpose: _transpose,
}
