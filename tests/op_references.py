"""Every op's definition written out in loops, on one frame of Python integers."""

from itertools import product

import numpy as np

from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    BatchMatMul,
    Concat,
    Conv2d,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)


def each(shape):
    """All indices of a shape, in order."""
    return product(*(range(d) for d in shape))


def matmul(op, x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]), object)
    for *lead, m in each(y.shape):
        total = int(b[m]) if b is not None else 0
        for k in range(w.shape[0]):
            total += int(x[(*lead, k)]) * int(w[k, m])
        y[(*lead, m)] = total
    return y


def taps(op, kernel, size, i, j):
    """For each kernel element of a window its image position, or None in the padding."""
    for u, v in each(kernel):
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
    for i, j, m in each(y.shape):
        first = m // (m_all // op.groups) * per_group
        total = int(b[m]) if b is not None else 0
        for u, v, at in taps(op, (kh, kw), x.shape, i, j):
            if at:
                total += sum(int(x[(*at, first + c)]) * int(w[u, v, c, m]) for c in range(per_group))
        y[i, j, m] = total
    return y


def adder_matmul(op, x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]), object)
    for *lead, m in each(y.shape):
        y[(*lead, m)] = int(b[m]) if b is not None else 0
        for k in range(w.shape[0]):
            y[(*lead, m)] -= abs(int(x[(*lead, k)]) - int(w[k, m]))
    return y


def adder_conv2d(op, x, w, b=None):
    kh, kw, channels, m_all = w.shape
    y = np.zeros((*_windows(op, (kh, kw), x.shape), m_all), object)
    for i, j, m in each(y.shape):
        y[i, j, m] = int(b[m]) if b is not None else 0
        for u, v, at in taps(op, (kh, kw), x.shape, i, j):
            y[i, j, m] -= sum(
                abs((int(x[(*at, c)]) if at else 0) - int(w[u, v, c, m])) for c in range(channels)
            )
    return y


def maxpool(op, x):
    y = np.zeros((*_windows(op, op.kernel, x.shape), x.shape[2]), object)
    for i, j, c in each(y.shape):
        y[i, j, c] = max(int(x[(*at, c)]) for _, _, at in taps(op, op.kernel, x.shape, i, j) if at)
    return y


def _elementwise(function):
    def reference(op, x, z):
        y = np.zeros(x.shape, object)
        for index in each(x.shape):
            at = index if z.shape == x.shape else index[-1:] if z.size > 1 else (0,)
            y[index] = function(int(x[index]), int(z[at]))
        return y

    return reference


def threshold(op, x, t):
    y = np.zeros(x.shape, object)
    for index in each(x.shape):
        row = t[index[-1]] if len(t) > 1 else t[0]
        y[index] = op.bias + op.step * sum(1 for limit in row if x[index] >= limit)
    return y


def argmax(op, x):
    y = np.zeros(x.shape[:-1], object)
    for index in each(y.shape):
        row = list(x[index])
        y[index] = row.index(max(row))
    return y


def reshape(op, x):
    y = np.zeros(op.shape, object)
    for target, value in zip(each(op.shape), (x[i] for i in each(x.shape)), strict=True):
        y[target] = value
    return y


def transpose(op, x):
    y = np.zeros(tuple(x.shape[a] for a in op.perm), object)
    for index in each(x.shape):
        y[tuple(index[a] for a in op.perm)] = x[index]
    return y


def conv_transpose2d(op, x, w, b=None):
    h, wd = x.shape[:2]
    kh, kw, per_group, m_all = w.shape
    size = [
        (n - 1) * op.strides[a] + (k - 1) * op.dilations[a] + 1 + op.output_padding[a]
        - op.pads[a] - op.pads[a + 2]
        for a, (n, k) in enumerate(((h, kh), (wd, kw)))
    ]  # fmt: skip
    y = np.zeros((*size, m_all), object)
    for i, j, m in each(y.shape):
        y[i, j, m] = int(b[m]) if b is not None else 0
    for i, j, u, v, m in each((h, wd, kh, kw, m_all)):
        row = i * op.strides[0] + u * op.dilations[0] - op.pads[0]
        col = j * op.strides[1] + v * op.dilations[1] - op.pads[1]
        if 0 <= row < size[0] and 0 <= col < size[1]:
            first = m // (m_all // op.groups) * per_group
            y[row, col, m] += sum(int(x[i, j, first + k]) * int(w[u, v, k, m]) for k in range(per_group))
    return y


def batch_matmul(op, x, z):
    y = np.zeros((*x.shape[:-1], z.shape[-1]), object)
    for *lead, m, n in each(y.shape):
        y[(*lead, m, n)] = sum(int(x[(*lead, m, k)]) * int(z[(*lead, k, n)]) for k in range(x.shape[-1]))
    return y


def lookup(op, x, table):
    y = np.zeros(x.shape, object)
    for index in each(x.shape):
        row = table if table.ndim == 1 else table[index[-1]]
        y[index] = int(row[int(x[index]) - op.lo])
    return y


def sumpool(op, x):
    y = np.zeros((*_windows(op, op.kernel, x.shape), x.shape[2]), object)
    for i, j, c in each(y.shape):
        y[i, j, c] = sum(int(x[(*at, c)]) for _, _, at in taps(op, op.kernel, x.shape, i, j) if at)
    return y


def reduce_sum(op, x):
    kept = [a for a in range(x.ndim) if a not in op.axes]
    y = np.zeros(tuple(x.shape[a] for a in kept), object)
    for index in each(x.shape):
        y[tuple(index[a] for a in kept)] += int(x[index])
    return y


def concat(op, *xs):
    shape = list(xs[0].shape)
    shape[op.axis] = sum(x.shape[op.axis] for x in xs)
    y = np.zeros(shape, object)
    before = 0
    for x in xs:
        for index in each(x.shape):
            y[(*index[: op.axis], index[op.axis] + before, *index[op.axis + 1 :])] = x[index]
        before += x.shape[op.axis]
    return y


def slice_(op, x):
    places = [list(range(*p)) for p in zip(op.starts, op.stops, op.steps, strict=True)]
    y = np.zeros([len(p) for p in places], object)
    for index in each(y.shape):
        y[index] = x[tuple(p[i] for p, i in zip(places, index, strict=True))]
    return y


def pad(op, x):
    before, after = op.pads[: x.ndim], op.pads[x.ndim :]
    y = np.full([b + d + a for b, d, a in zip(before, x.shape, after, strict=True)], op.value, object)
    for index in each(x.shape):
        y[tuple(b + i for b, i in zip(before, index, strict=True))] = x[index]
    return y


def upsample(op, x):
    h, w, c = x.shape
    y = np.zeros((h * op.factors[0], w * op.factors[1], c), object)
    for i, j, k in each(y.shape):
        y[i, j, k] = x[i // op.factors[0], j // op.factors[1], k]
    return y


def depth_to_space(op, x):
    h, w, c = x.shape
    b, out = op.block, c // op.block**2
    y = np.zeros((h * b, w * b, out), object)
    for i, j, u, v, k in each((h, w, b, b, out)):
        y[i * b + u, j * b + v, k] = x[i, j, k * b * b + u * b + v if op.mode else (u * b + v) * out + k]
    return y


def space_to_depth(op, x):
    h, w, c = x.shape
    b = op.block
    y = np.zeros((h // b, w // b, c * b * b), object)
    for i, j, k in each(x.shape):
        y[i // b, j // b, (i % b * b + j % b) * c + k] = x[i, j, k]
    return y


REFERENCES = {
    MatMul: matmul,
    AdderMatMul: adder_matmul,
    AdderConv2d: adder_conv2d,
    Conv2d: conv2d,
    Add: _elementwise(lambda a, b: a + b),
    Mul: _elementwise(lambda a, b: a * b),
    Threshold: threshold,
    ArgMax: argmax,
    MaxPool: maxpool,
    Reshape: reshape,
    Transpose: transpose,
    ConvTranspose2d: conv_transpose2d,
    BatchMatMul: batch_matmul,
    Lookup: lookup,
    SumPool: sumpool,
    ReduceSum: reduce_sum,
    Concat: concat,
    Slice: slice_,
    Pad: pad,
    Upsample: upsample,
    DepthToSpace: depth_to_space,
    SpaceToDepth: space_to_depth,
}
