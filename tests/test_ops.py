"""Every op against its definition written out in loops, and its inferred range against its values."""

from itertools import product

import numpy as np
import pytest
from gatewright.compiler.ir.evaluate import trace
from gatewright.compiler.ir.graph import Const, Graph, Input, Node
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
)  # fmt: skip
from graph_builder import Builder, arrays
from hypothesis import assume, given
from hypothesis import strategies as st


def _each(shape):
    return product(*(range(d) for d in shape))


def matmul(op, x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]), object)
    for *lead, m in _each(y.shape):
        total = int(b[m]) if b is not None else 0
        for k in range(w.shape[0]):
            total += int(x[(*lead, k)]) * int(w[k, m])
        y[(*lead, m)] = total
    return y


def _taps(op, kernel, size, i, j):
    """For each kernel element its image position, or None in the padding."""
    for u, v in _each(kernel):
        row = i * op.strides[0] + u * op.dilations[0] - op.pads[0]
        col = j * op.strides[1] + v * op.dilations[1] - op.pads[1]
        inside = 0 <= row < size[0] and 0 <= col < size[1]
        yield u, v, ((row, col) if inside else None)


def _windows(op, kernel, size):
    counts = []
    for axis in (0, 1):
        padded = size[axis] + op.pads[axis] + op.pads[axis + 2]
        starts = range(0, padded - op.dilations[axis] * (kernel[axis] - 1), op.strides[axis])
        counts.append(len(starts))
    return tuple(counts)


def conv2d(op, x, w, b=None):
    kh, kw, per_group, m_all = w.shape
    y = np.zeros((*_windows(op, (kh, kw), x.shape), m_all), object)
    for i, j, m in _each(y.shape):
        first = m // (m_all // op.groups) * per_group
        total = int(b[m]) if b is not None else 0
        for u, v, at in _taps(op, (kh, kw), x.shape, i, j):
            if at:
                total += sum(int(x[(*at, first + c)]) * int(w[u, v, c, m]) for c in range(per_group))
        y[i, j, m] = total
    return y


def maxpool(op, x):
    y = np.zeros((*_windows(op, op.kernel, x.shape), x.shape[2]), object)
    for i, j, c in _each(y.shape):
        y[i, j, c] = max(int(x[(*at, c)]) for _, _, at in _taps(op, op.kernel, x.shape, i, j) if at)
    return y


def _elementwise(function):
    def reference(op, x, z):
        y = np.zeros(x.shape, object)
        for index in _each(x.shape):
            at = index if z.shape == x.shape else index[-1:] if z.size > 1 else (0,)
            y[index] = function(int(x[index]), int(z[at]))
        return y

    return reference


def threshold(op, x, t):
    y = np.zeros(x.shape, object)
    for index in _each(x.shape):
        row = t[index[-1]] if len(t) > 1 else t[0]
        y[index] = op.bias + op.step * sum(1 for limit in row if x[index] >= limit)
    return y


def argmax(op, x):
    y = np.zeros(x.shape[:-1], object)
    for index in _each(y.shape):
        row = list(x[index])
        y[index] = row.index(max(row))
    return y


def reshape(op, x):
    y = np.zeros(op.shape, object)
    for target, value in zip(_each(op.shape), (x[i] for i in _each(x.shape)), strict=True):
        y[target] = value
    return y


def transpose(op, x):
    y = np.zeros(tuple(x.shape[a] for a in op.perm), object)
    for index in _each(x.shape):
        y[tuple(index[a] for a in op.perm)] = x[index]
    return y


REFERENCES = {
    MatMul: matmul,
    Conv2d: conv2d,
    Add: _elementwise(lambda a, b: a + b),
    Mul: _elementwise(lambda a, b: a * b),
    Threshold: threshold,
    ArgMax: argmax,
    MaxPool: maxpool,
    Reshape: reshape,
    Transpose: transpose,
}


@st.composite
def one_node(draw, op):
    """A node of ``op`` on fresh inputs, and a generator for its data."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    builder = Builder(draw, rng)
    builder.input()
    builder.input()
    builder.add(op)
    assume(len(builder.values) == 3)
    return builder.values[-1], rng


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_is_its_definition(op):
    """Evaluation equals the loops in value and shape, and no value leaves the inferred type."""
    reference = REFERENCES[op]

    @given(one_node(op))
    def check(case):
        node, rng = case
        inputs = tuple(dict.fromkeys(v for v in node.inputs if isinstance(v, Input)))
        assume(inputs)
        graph = Graph(inputs, (node,))
        results = trace(graph, *(arrays(rng, v.type) for v in inputs))
        got = results[id(node)]
        for n in range(len(got)):
            operands = [v.value if isinstance(v, Const) else results[id(v)][n] for v in node.inputs]
            want = reference(node.op, *operands)
            assert want.shape == node.type.shape
            assert np.array_equal(got[n].astype(object), want)
        assert node.type.dtype.contains(got)

    check()


def _extremes(node: Node, x: Input, m: int, largest: bool) -> np.ndarray | None:
    """The frame at which output channel m of a product is as large, or as small, as it gets."""
    d, w = x.type.dtype, node.inputs[1].value
    toward = (w[..., m] > 0) == largest
    best = np.where(toward, d.hi, d.lo)
    if isinstance(node.op, MatMul):
        return np.broadcast_to(best, x.type.shape)
    op, (kh, kw, per_group, m_all) = node.op, w.shape
    for i, j in _each(node.type.shape[:2]):
        taps = list(_taps(op, (kh, kw), x.type.shape, i, j))
        if all(at for *_, at in taps):
            frame = np.full(x.type.shape, d.lo)
            first = m // (m_all // op.groups) * per_group
            for u, v, at in taps:
                frame[at][first : first + per_group] = best[u, v]
            return frame
    return None


@pytest.mark.parametrize("op", [MatMul, Conv2d], ids=lambda op: op.name)
def test_products_range_is_tight(op):
    """Both ends of a product's inferred range are reached.

    Padding aside where no window lies inside the image, or x has no zero: then zeros in the padding
    only bound the range.
    """
    tight = 0

    @given(one_node(op))
    def check(case):
        nonlocal tight
        node, _ = case
        x = node.inputs[0]
        assume(isinstance(x, Input))
        d = x.type.dtype
        assume(op is MatMul or not any(node.op.pads) or (d.lo <= 0 <= d.hi and d.lo % d.step == 0))
        frames = [_extremes(node, x, m, big) for m in range(node.type.shape[-1]) for big in (False, True)]
        assume(all(f is not None for f in frames))
        y = trace(Graph((x,), (node,)), np.stack(frames))[id(node)]
        assert (y.min(), y.max()) == (node.type.dtype.lo, node.type.dtype.hi)
        tight += 1

    check()
    assert tight > 10
