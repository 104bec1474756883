"""QLinearAdd and QLinearMul: two operands of 8-bit codes, of one shape or broadcast, one of them constant at
most. Their float32 formulas are MLAS's for x86-64 with AVX2 (docs/exactness.md)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from .broadcast import spread
from .chain import AddStep, MulStep, compress
from .qoperator_codes import (
    CodeQuantizer,
    Coding,
    as_codes,
    coding,
    integers,
    ratio,
    stored,
    tensor_of,
    whole,
)
from .source import SourceNode
from .tensors import Constant, Tensor, on_channels, rows

_INT32 = 2**31
# Multipliers of a sum are tried up to this many bits.
_MAX_BITS = 22


@dataclass(frozen=True, eq=False)
class _Side:
    """An operand's codes less their zero point: a value, or a constant that broadcasts against it."""

    coding: Coding
    value: Value | np.ndarray
    shape: tuple[int, ...]

    @property
    def numbers(self) -> np.ndarray:
        """Every integer from the lowest to the highest; of a constant, those it holds."""
        if isinstance(self.value, np.ndarray):
            return np.unique(self.value)
        return np.arange(self.value.type.dtype.lo, self.value.type.dtype.hi + 1)


def lower_qlinear_mul(node: SourceNode) -> tuple[Tensor]:
    """QLinearMul: a function of the integers' product."""
    a, b, y = _operands(node)
    factor = ratio([a.coding.scale, b.coding.scale], y.scale)
    product = _combined(Mul, a.value, b.value, node.name)
    _check_range(product.type.dtype.magnitude * float(factor))
    rank = len(product.type.shape)
    steps = MulStep((_full(factor, rank),)), AddStep((_full(y.zero_point, rank),))
    quantizer = CodeQuantizer(_full(1, rank), *y.range, 1, y.zero_point)
    return (as_codes(whole(product).then(steps[0]).then(steps[1]), quantizer),)


def lower_qlinear_add(node: SourceNode) -> tuple[Tensor]:
    """QLinearAdd: thresholds on a weighted sum of the integers where one has the source's codes for all
    pairs, else a table of all pairs."""
    first, second, y = _operands(node)
    if _walks_over_second(first.shape, second.shape):
        first, second = second, first
    ratios = [ratio([s.coding.scale], y.scale) for s in (first, second)]
    codes = _sum_codes(first, second, y, ratios)
    found = _weighted(first.numbers, second.numbers, codes, ratios)
    if found is None:
        return (tensor_of(_tabulated(first, second, codes, node.name), y),)
    weights, thresholds = found
    a, b = (_scaled(s.value, w) for s, w in zip((first, second), weights, strict=True))
    total = _combined(Add, a, b, node.name)
    return (tensor_of(Threshold(int(codes.min()))(total, Const(thresholds[None])), y),)


def _operands(node: SourceNode) -> tuple[_Side, _Side, Coding]:
    """Both operands in one shape, and the result's coding."""
    kinds = [
        o.values.dtype.name for o in node.operands if isinstance(o, Constant) and o.values.dtype.kind in "iu"
    ]
    kind = kinds[0] if kinds else "uint8"
    y = coding(node, 6, "the result", kind)
    sides = [_side(node, i, coding(node, i + 1, f"input {i}", y.kind)) for i in (0, 3)]
    if any(s.coding.kind != y.kind for s in sides):
        raise GraphError(
            f"all codes must be of one type, not {', '.join(s.coding.kind for s in sides)} and {y.kind}"
        )
    frames = [s.value.shape if isinstance(s.value, np.ndarray) else s.value.type.shape for s in sides]
    ranks = {len(f) for f in frames}
    if len(ranks) > 1 or any(d != e and 1 not in (d, e) for d, e in zip(*frames, strict=False)):
        raise GraphError(
            f"operands must broadcast along axes behind the batch, not {sides[0].shape} and {sides[1].shape}"
        )
    shape = np.broadcast_shapes(*frames)
    a, b = (
        s if isinstance(s.value, np.ndarray) else _Side(s.coding, spread(s.value, shape), s.shape)
        for s in sides
    )
    return a, b, y


def _side(node: SourceNode, index: int, of: Coding) -> _Side:
    """One operand; a constant gets the axes of the other one's frames."""
    if isinstance(node.operands[index], Tensor):
        value = integers(node, index, of.zero_point).value
        return _Side(of, value, (node.batch, *value.type.shape))
    values = stored(node, index, f"input {index}", np.array(of.zero_point)).values
    rank = node.any_tensor(3 - index).rank
    full = (1,) * (rank + 1 - values.ndim) + values.shape
    if len(full) > rank + 1 or full[0] != 1 or not values.size:
        raise GraphError(f"a constant must be the same for the whole batch, not of shape {values.shape}")
    return _Side(of, values.reshape(full[1:]), values.shape)


def _walks_over_second(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether ONNX Runtime pairs one element of the first operand with a row of the second."""
    for d, e in zip(reversed(first), reversed(second), strict=False):
        if max(d, e) > 1:
            return d == 1
    return len(first) < len(second)


def _sum_codes(first: _Side, second: _Side, y: Coding, ratios) -> np.ndarray:
    """The result's integers for all pairs: ``round(fma(a, r, fma(b, s, f)))``, a and b the source's codes."""
    # In this order, as GCC fuses the kernel's own expression.
    zeros = np.float32(first.coding.zero_point), np.float32(second.coding.zero_point)
    fixed = np.float32(y.zero_point) - _fused(ratios[0], zeros[0], ratios[1] * zeros[1])
    a = (first.numbers + first.coding.zero_point).astype(np.float32)
    b = (second.numbers + second.coding.zero_point).astype(np.float32)
    total = _fused(a[:, None], ratios[0], _fused(b, ratios[1], fixed))
    _check_range(float(np.abs(total).max()))
    lo, hi = y.range
    return np.clip(np.rint(total).astype(np.int64) - y.zero_point, lo, hi)


def _fused(a, b, c) -> np.ndarray:
    """``fl32(a * b + c)`` of float32 numbers, rounded once."""
    product, c = np.multiply(a, b, dtype=np.float64), np.asarray(c, dtype=np.float64)
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    # Rounding to odd keeps what the sum in float64 lost, so that the next rounding is the only one.
    bits = total.view(np.int64)
    away = (error > 0) == (total > 0)
    odd = np.where((error != 0) & (bits % 2 == 0), np.where(away, bits + 1, bits - 1), bits)
    return odd.view(np.float64).astype(np.float32)


def _weighted(a: np.ndarray, b: np.ndarray, codes: np.ndarray, ratios):
    """Whole weights and thresholds: codes of all pairs as steps of ``m * a + n * b``, or None.

    The weights follow the ratios, with as few bits as give every pair its code. One code for all pairs
    needs no thresholds.
    """
    if codes.min() == codes.max():
        return None
    greatest = float(max(ratios))
    for bits in range(_MAX_BITS + 1):
        m, n = (int(np.rint(float(r) / greatest * 2**bits)) for r in ratios)
        sums = (m * a[:, None] + n * b).ravel()
        order = np.argsort(sums, kind="stable")
        ordered, steps = sums[order], codes.ravel()[order]
        rises = np.diff(steps)
        if (rises < 0).any() or not np.diff(ordered)[rises > 0].all():
            continue
        levels = np.arange(int(steps[0]) + 1, int(steps[-1]) + 1)
        return (m, n), ordered[np.searchsorted(steps, levels)]
    return None


def _tabulated(first: _Side, second: _Side, codes: np.ndarray, name: str) -> Value:
    """A table of all pairs, indexed by ``levels * a + b``."""
    a, b = first.numbers, second.numbers
    levels = int(b[-1] - b[0]) + 1
    table = np.zeros((int(a[-1] - a[0]) + 1, levels), dtype=np.int64)
    table[np.ix_(a - a[0], b - b[0])] = codes
    index = _combined(Add, _scaled(first.value, levels), second.value, name)
    return Lookup(int(levels * a[0] + b[0]))(index, Const(table.ravel()))


def _scaled(value: Value | np.ndarray, factor: int) -> Value | np.ndarray:
    if isinstance(value, np.ndarray):
        return value * factor
    return value if factor == 1 else Mul()(value, Const(np.array([factor])))


def _combined(op: Callable, a: Value | np.ndarray, b: Value | np.ndarray, name: str) -> Value:
    """A commutative op on two operands, one of which may be constant."""
    if isinstance(a, np.ndarray):
        a, b = b, a
    if not isinstance(b, np.ndarray):
        return op()(a, b, name=name)
    axes, table = rows(compress(b), a.type.shape, 0)
    return on_channels(a, axes, lambda v: op()(v, Const(table), name=name))


def _full(value: float, rank: int) -> np.ndarray:
    return np.full((1,) * rank, value, dtype=np.float32)


def _check_range(size: float) -> None:
    """Larger results would not fit the source's conversion to int32."""
    if not size + 256 < _INT32:
        raise GraphError(f"results must stay within 32 bits of the result's scale, not reach {size:g} of it")
