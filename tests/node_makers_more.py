"""How ``graph_builder`` makes a node of each op that joins, moves, sums or looks up elements.

``b`` is always a Builder.
"""

from gatewright.compiler.ir.graph import Value
from gatewright.compiler.ir.ops import (
    BatchMatMul,
    Concat,
    ConvTranspose2d,
    DepthToSpace,
    Lookup,
    Pad,
    ReduceSum,
    Slice,
    SpaceToDepth,
    SumPool,
    Transpose,
    Upsample,
)
from node_makers import bias, narrow, weights, window

# Ops that enlarge leave larger tensors alone, so that random graphs stay small.
_ENLARGE_BELOW = 600
_MAX_SUM_BITS = 40


def _image(v: Value) -> bool:
    return len(v.type.shape) == 3


def _enlargeable(v: Value) -> bool:
    return _image(v) and v.type.size <= _ENLARGE_BELOW


def _conv_transpose2d(b):
    x = b.pick(lambda v: narrow(v, 3) and _enlargeable(v))
    if x is None:
        return None
    h, w, c = x.type.shape
    kernel = (b.integer(1, 3), b.integer(1, 3))
    strides, dilations = (b.integer(1, 3), b.integer(1, 2)), (b.one_of(1, 1, 2), b.one_of(1, 1, 2))
    extra = tuple(b.integer(0, max(s, d) - 1) for s, d in zip(strides, dilations, strict=True))
    full = [(n - 1) * s + (k - 1) * d + 1 + e
            for n, s, k, d, e in zip((h, w), strides, kernel, dilations, extra, strict=True)]  # fmt: skip
    before = [b.integer(0, min(2, f - 1)) for f in full]
    after = [b.integer(0, min(2, f - 1 - p)) for f, p in zip(full, before, strict=True)]
    groups = b.one_of(1, 1, *(g for g in range(2, c + 1) if c % g == 0))
    m = groups * b.integer(1, 2)
    op = ConvTranspose2d(strides, (*before, *after), extra, dilations, groups)
    return op, x, weights(b, (*kernel, c // groups, m)), *bias(b, m)


def _batch_matmul(b):
    x = b.pick(lambda v: narrow(v) and len(v.type.shape) >= 2)
    if x is None:
        return None
    *lead, m, k = x.type.shape
    n = b.integer(1, 3)
    fits = [v for v in b.values if narrow(v) and v.type.shape[:-1] == (*lead, k)]
    kind = b.integer(0, 3)
    if fits and kind == 0:
        return BatchMatMul(), x, b.one_of(*fits)
    if kind == 1:
        return BatchMatMul(), x, weights(b, (*lead, k, n))
    if kind == 2:
        return BatchMatMul(), weights(b, (*lead, n, m)), x
    perm = (*range(len(lead)), len(lead) + 1, len(lead))
    return BatchMatMul(), x, Transpose(perm)(x)


def _lookup(b):
    x = b.pick(lambda v: v.type.dtype.hi - v.type.dtype.lo < 2**11)
    if x is None:
        return None
    d, shape = x.type.dtype, x.type.shape
    before, after = b.integer(0, 3), b.integer(0, 3)
    length = before + d.hi - d.lo + 1 + after
    rows = shape[-1:] if shape and b.integer(0, 2) == 0 else ()
    half = 2 ** b.integer(0, 9)
    return Lookup(d.lo - before), x, b.const((*rows, length), -half, half - 1)


def _concat(b):
    x = b.pick(lambda v: len(v.type.shape) >= 1 and v.type.size <= _ENLARGE_BELOW)
    if x is None:
        return None
    shape = x.type.shape
    axis = b.integer(0, len(shape) - 1)

    def rest(s):
        return len(s) == len(shape) and (*s[:axis], *s[axis + 1 :]) == (*shape[:axis], *shape[axis + 1 :])

    fits = [v for v in b.values if rest(v.type.shape) and v.type.size <= _ENLARGE_BELOW]
    others = [b.one_of(*fits) for _ in range(b.integer(1, 2))]
    if b.integer(0, 3) == 0:
        length = b.integer(1, 3)
        others[0] = b.const((*shape[:axis], length, *shape[axis + 1 :]), -20, 20)
    return Concat(axis), x, *others


def _slice(b):
    x = b.pick(lambda v: len(v.type.shape) >= 1)
    if x is None:
        return None
    starts = tuple(b.integer(0, d - 1) for d in x.type.shape)
    stops = tuple(b.integer(a + 1, d) for a, d in zip(starts, x.type.shape, strict=True))
    return Slice(starts, stops, tuple(b.integer(1, 3) for _ in starts)), x


def _pad(b):
    x = b.pick(lambda v: len(v.type.shape) >= 1 and v.type.size <= _ENLARGE_BELOW)
    if x is None:
        return None
    d = x.type.dtype
    pads = tuple(b.one_of(0, 0, 1, 2) for _ in range(2 * len(x.type.shape)))
    return Pad(pads, b.one_of(0, d.lo, d.hi, b.integer(-300, 300))), x


def _upsample(b):
    x = b.pick(_enlargeable)
    return x and (Upsample((b.integer(1, 3), b.integer(1, 3))), x)


def _depth_to_space(b):
    x = b.pick(lambda v: _image(v) and v.type.shape[2] % 4 == 0) or b.pick(_image)
    if x is None:
        return None
    mode, c = b.integer(0, 1), x.type.shape[2]
    if c % 4 and _enlargeable(x) and b.integer(0, 3):
        # The modes differ only where more than one channel is left.
        x = Concat(2)(x, x, x, x) if c > 1 else Concat(2)(*([x] * 8))
    return DepthToSpace(2 if x.type.shape[2] % 4 == 0 else 1, mode), x


def _space_to_depth(b):
    x = b.pick(lambda v: _image(v) and v.type.shape[0] % 2 == v.type.shape[1] % 2 == 0) or b.pick(_image)
    if x is None:
        return None
    h, w, _ = x.type.shape
    return SpaceToDepth(b.one_of(*(d for d in (2, 3, 1) if h % d == w % d == 0))), x


def _summable(v: Value) -> bool:
    return v.type.dtype.bits <= _MAX_SUM_BITS


def _sumpool(b):
    x = b.pick(lambda v: _image(v) and _summable(v))
    return x and (SumPool(*window(b, x.type.shape[:2])), x)


def _reduce_sum(b):
    x = b.pick(lambda v: len(v.type.shape) >= 2 and _summable(v)) or b.pick(
        lambda v: len(v.type.shape) == 1 and _summable(v)
    )
    if x is None:
        return None
    n = len(x.type.shape)
    axes = b.one_of(tuple(range(max(n - 1, 1))), *((a,) for a in range(n)), tuple(range(n)))
    return ReduceSum(axes), x


MORE_MAKERS = {
    ConvTranspose2d: _conv_transpose2d,
    BatchMatMul: _batch_matmul,
    Lookup: _lookup,
    SumPool: _sumpool,
    ReduceSum: _reduce_sum,
    Concat: _concat,
    Slice: _slice,
    Pad: _pad,
    Upsample: _upsample,
    DepthToSpace: _depth_to_space,
    SpaceToDepth: _space_to_depth,
}
