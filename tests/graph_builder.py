"""Random nodes of every op, added to a growing graph; what ``strategies`` is built from."""

from math import prod

import numpy as np
from gatewright.compiler.ir.graph import Const, Input, Node, Value
from gatewright.compiler.ir.ops import (
    OPS,
    Add,
    ArgMax,
    Conv2d,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Threshold,
    Transpose,
)
from gatewright.compiler.ir.types import Int, TensorType
from hypothesis import strategies as st

# Above this many bits a value feeds no further product, so that chains stay within 62 bits.
_PRODUCT_BITS = 14
NAMES = ("", "", "layer", "a b", 'quo"te', "new\nline", "ünïcode", "%7", "x:y")


def dtypes() -> st.SearchStrategy[Int]:
    """Unsigned, two's complement, bipolar and shifted ranges of 1 to 8 bits."""
    bits = st.integers(1, 8)
    return st.one_of(
        bits.map(lambda b: Int(0, 2**b - 1)),
        bits.map(lambda b: Int(-(2 ** (b - 1)), 2 ** (b - 1) - 1)),
        st.just(Int(-1, 1, 2)),
        st.tuples(st.integers(-20, 20), st.integers(0, 30), st.integers(1, 4)).map(
            lambda t: Int(t[0], t[0] + t[1] * t[2], t[2])
        ),
    )


def arrays(rng: np.random.Generator, type_: TensorType, frames: int = 4) -> np.ndarray:
    """Frames of a type, int64 (frames, *shape): one all smallest, one all largest, the others random."""
    d = type_.dtype
    values = d.lo + d.step * rng.integers(0, d.levels, (frames, *type_.shape))
    values[0] = d.lo
    values[-1] = d.hi
    return values


class Builder:
    """Adds random nodes to a growing graph."""

    def __init__(self, draw, rng: np.random.Generator):
        self.draw, self.rng = draw, rng
        self.values: list[Value] = []

    def one_of(self, *choices):
        """One of the choices; Hypothesis shrinks towards the first."""
        return self.draw(st.sampled_from(choices))

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return self.draw(st.integers(low, high))

    def name(self, label: str) -> str:
        """A unique name, or none."""
        name = self.one_of(*NAMES)
        return f"{name} {label}{len(self.values)}" if name else ""

    def pick(self, fits) -> Value | None:
        """A value that fits, the newest more often than others."""
        found = [v for v in reversed(self.values) if fits(v)]
        if not found:
            return None
        return found[0] if self.integer(0, 3) else self.one_of(*found)

    def input(self) -> None:
        """Add an input: mostly an image, else a vector or a matrix."""
        axes = self.one_of(3, 3, 1, 2)
        shape = tuple(self.integer(1, 5) for _ in range(axes))
        name = self.one_of(*NAMES) + f" in{len(self.values)}"
        self.values.append(Input(name, TensorType(shape, self.draw(dtypes()))))

    def const(self, shape, low: int, high: int) -> Const:
        """A random constant; sometimes bipolar, or all the same."""
        kind = self.integer(0, 5)
        if kind == 1:
            return Const(self.rng.choice([-1, 1], shape))
        if kind == 2:
            return Const(np.full(shape, self.rng.integers(low, high + 1)))
        return Const(self.rng.integers(low, high + 1, shape), self.one_of("", "c"))

    def add(self, op: type) -> None:
        """Add a node of this op, if any value fits it."""
        operands = _MAKERS[op](self)
        if operands:
            made, *inputs = operands
            if self.integer(0, 11) == 11:
                inputs[0] = Const(arrays(self.rng, inputs[0].type, 2)[0])
            self.values.append(Node(made, tuple(inputs), self.name(made.name)))


def _narrow(v: Value, axes: int = 0) -> bool:
    shape = v.type.shape
    return v.type.dtype.bits <= _PRODUCT_BITS and len(shape) >= 1 and (not axes or len(shape) == axes)


def _weights(b: Builder, shape) -> Const:
    half = 2 ** (b.integer(1, 8) - 1)
    return b.const(shape, -half, half - 1)


def _bias(b: Builder, columns: int) -> tuple[Const, ...]:
    return (b.const((columns,), -300, 300),) if b.integer(0, 1) else ()


def _matmul(b: Builder):
    x = b.pick(_narrow)
    if x is None:
        return None
    m = b.integer(1, 4)
    return MatMul(), x, _weights(b, (x.type.shape[-1], m)), *_bias(b, m)


def _window(b: Builder, size: tuple[int, int]):
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


def _conv2d(b: Builder):
    x = b.pick(lambda v: _narrow(v, 3))
    if x is None:
        return None
    h, w, c = x.type.shape
    kernel, strides, pads, dilations = _window(b, (h, w))
    groups = b.one_of(1, 1, *(g for g in range(2, c + 1) if c % g == 0))
    m = groups * b.integer(1, 2)
    weights = _weights(b, (*kernel, c // groups, m))
    return Conv2d(strides, pads, dilations, groups), x, weights, *_bias(b, m)


def _maxpool(b: Builder):
    x = b.pick(lambda v: len(v.type.shape) == 3)
    return x and (MaxPool(*_window(b, x.type.shape[:2])), x)


def _elementwise(op, limit: int, low: int, high: int):
    def make(b: Builder):
        x = b.pick(lambda v: _narrow(v) or (op is Add and v.type.dtype.bits <= 30))
        if x is None:
            return None
        shape = x.type.shape
        others = [v for v in b.values if v.type.shape == shape and v.type.dtype.bits <= limit]
        kind = b.integer(0, 4)
        if kind == 0 and others:
            return op(), x, b.one_of(*others)
        if kind == 1:
            return op(), b.const(shape, low, high), x
        return op(), x, b.const(b.one_of((1,), shape[-1:], shape) if shape else (), low, high)

    return make


def _threshold(b: Builder):
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
    bias, step = b.one_of((0, 1), (-1, 2), (-(2 ** (n.bit_length() - 1)), 1), (b.integer(-9, 9), 3))
    return Threshold(bias, step), x, Const(t, b.one_of("", "t"))


def _argmax(b: Builder):
    x = b.pick(lambda v: len(v.type.shape) >= 2) or b.pick(lambda v: len(v.type.shape) == 1)
    return x and (ArgMax(), x)


def _reshape(b: Builder):
    x = b.pick(lambda v: True)
    shape, size = x.type.shape, x.type.size
    choices = [(size,), (1, *shape), tuple(d for d in shape if d != 1), shape]
    choices += [(f, size // f) for f in range(2, size) if size % f == 0]
    if len(shape) > 1:
        choices += [(prod(shape[:-1]), shape[-1]), (shape[0], size // shape[0])]
    target = b.one_of(*(c for c in choices if len(c) <= 4))
    return Reshape(target), x


def _transpose(b: Builder):
    x = b.pick(lambda v: len(v.type.shape) >= 1)
    if x is None:
        return None
    axes = tuple(range(len(x.type.shape)))
    if len(axes) == 3 and b.integer(0, 2):
        return Transpose(b.one_of((2, 0, 1), (1, 2, 0))), x
    return Transpose(tuple(b.draw(st.permutations(axes)))), x


_MAKERS = {
    MatMul: _matmul,
    Conv2d: _conv2d,
    Add: _elementwise(Add, 30, -40, 40),
    Mul: _elementwise(Mul, 8, -3, 3),
    Threshold: _threshold,
    ArgMax: _argmax,
    MaxPool: _maxpool,
    Reshape: _reshape,
    Transpose: _transpose,
}
assert set(_MAKERS) == set(OPS)
