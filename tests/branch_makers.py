"""Random joins of two tensors of few values, as quantized residual sums and gates come in, and channels in
another order.

``b`` is always a Builder.
"""

import numpy as np

from gatewright.compiler.ir.graph import Const, Node, Value
from gatewright.compiler.ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    Concat,
    Conv2d,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Reshape,
    Slice,
    Threshold,
    Upsample,
)
from node_makers import narrow

# Levels of each operand, as pairs are compared one by one; and its range, which tables have to hold.
_LEVELS, _RANGE = 40, 200


def _few(v: Value) -> bool:
    d = v.type.dtype
    return len(v.type.shape) >= 1 and d.levels <= _LEVELS and d.hi - d.lo < _RANGE


def add_join(b) -> None:
    """Two operands, a sum or product, perhaps constants, and thresholds; or the table of all pairs."""
    x = b.pick(_few)
    if x is None:
        return
    others = [v for v in b.values if v.type.shape == x.type.shape and _few(v) and v is not x]
    z = b.one_of(*others) if others and b.integer(0, 3) else _kept(b, Threshold(), x, _steps(b, x, 5))
    make = b.one_of(_residual, _residual, _gate, _pair_table)
    make(b, x, z)


def add_order(b) -> None:
    """All channels of a tensor in another order, by slices, and what may follow up to weights."""
    x = b.pick(lambda v: narrow(v) and 2 <= v.type.shape[-1] <= 16)
    if x is None:
        return
    order, whole, parts = b.rng.permutation(x.type.shape[-1]), x.type.shape[:-1], []
    while len(order):
        # At least two parts are joined.
        count = 2 if len(order) > 1 + (not parts) and order[1] > order[0] else 1
        step = int(order[1] - order[0]) if count == 2 else 1
        op = Slice((*(0,) * len(whole), int(order[0])), (*whole, int(order[count - 1]) + 1),
                   (*(1,) * len(whole), step))  # fmt: skip
        parts.append(op(x))
        order = order[count:]
    _kept(b, Concat(len(whole)), *parts)
    for op in b.one_of(
        (), (Threshold,), (Mul, Lookup), (MaxPool, Threshold), (Upsample, Threshold), (Threshold, Reshape)
    ):
        b.add(op)
    image = len(b.values[-1].type.shape) == 3
    b.add(b.one_of(MatMul, AdderMatMul, *((Conv2d, AdderConv2d) if image else ())))


def _kept(b, op, *operands: Value) -> Node:
    node = Node(op, operands, b.name(op.name))
    b.values.append(node)
    return node


def _steps(b, x: Value, count: int) -> Const:
    """Thresholds spread over the range, in one row or one per channel."""
    d, rows = x.type.dtype, b.one_of(1, 1, x.type.shape[-1])
    return Const(np.sort(b.rng.integers(d.lo, d.hi + 2, (rows, count)), axis=1))


def _rows(b, x: Value) -> int:
    return b.one_of(1, 1, 1, x.type.shape[-1])


def _residual(b, x: Value, z: Value) -> None:
    joined = _kept(b, Add(), _scaled(b, x), _scaled(b, z))
    if b.integer(0, 2) == 0:
        joined = _kept(b, Add(), joined, b.const((b.one_of(1, x.type.shape[-1]),), -99, 99))
    if b.integer(0, 2) == 0:
        joined = _kept(b, Mul(), joined, Const(b.rng.choice([-2, -1, 1, 3], b.one_of(1, x.type.shape[-1]))))
    _kept(b, Threshold(b.integer(-9, 0)), joined, _steps(b, joined, b.one_of(1, 7, 15)))


def _scaled(b, x: Value) -> Value:
    """A float scale as front ends make it exact: a factor, a rounded product in a table, or any table."""
    d, rows, kind = x.type.dtype, _rows(b, x), b.integer(0, 4)
    slope = b.rng.integers(1, 2**20, (rows, 1)) * b.one_of(1, 1, -1)
    if kind == 0:
        return x
    if kind == 1:
        return _kept(b, Mul(), x, Const(slope[:, 0]))
    q = np.arange(d.lo, d.hi + 1)
    table = q * slope >> b.integer(0, 4)
    if kind == 2:
        table = np.sort(b.rng.integers(-(2**30), 2**30, (rows, len(q))), axis=1)
    if kind == 3:
        table = b.rng.integers(-(2**12), 2**12, (rows, len(q)))
    return _kept(b, Lookup(d.lo), x, Const(table[0] if rows == 1 else table))


def _gate(b, x: Value, z: Value) -> None:
    if x is z or b.integer(0, 1):
        z = _kept(b, Lookup(z.type.dtype.lo), z, b.const((z.type.dtype.hi - z.type.dtype.lo + 1,), 0, 9))
    product = _kept(b, Mul(), x, z)
    _kept(b, Threshold(), product, _steps(b, product, b.one_of(1, 7)))


def _pair_table(b, x: Value, z: Value) -> None:
    """``lookup(x * levels of z + z)``, of a rounded product or weighted sum of the two, or of anything."""
    d, e = x.type.dtype, z.type.dtype
    width = e.hi - e.lo + 1
    key = _kept(b, Add(), _kept(b, Mul(), x, Const(np.array([width]))), z)
    p, q = np.meshgrid(np.arange(d.lo, d.hi + 1), np.arange(e.lo, e.hi + 1), indexing="ij")
    scale, kind = b.rng.uniform(-0.5, 0.5), b.integer(0, 2)
    value = ((p - b.integer(-3, 3)) * (q - b.integer(-3, 3)), p * b.rng.uniform() + q, p ^ q)[kind]
    table = np.clip(np.rint(value * scale), -8, 7).astype(np.int64)
    _kept(b, Lookup(d.lo * width + e.lo), key, Const(table.ravel()))
