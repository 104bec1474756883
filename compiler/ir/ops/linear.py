"""Sums of products: matrix product and convolution, and elementwise add and multiply."""

from dataclasses import dataclass
from math import gcd
from typing import ClassVar

import numpy as np

from ..graph import Const, Value
from ..op import Op, Work, require
from ..types import Int, TensorType

# Sums of float64 products of integers are exact, in any order, while every partial sum stays below this.
_EXACT_FLOAT = 2**53


def sum_range(x: Int, w: np.ndarray, bias: np.ndarray | None, may_pad: bool) -> Int:
    """Range of ``sum_i w[i, m] * x_i + bias[m]`` over all columns m, for x_i anywhere in ``x``.

    With ``may_pad`` any x_i may also be 0, whether or not ``x`` holds 0.
    """
    return bounded_range(x, w, *sum_bounds(x, w, bias, may_pad), may_pad)


def sum_bounds(
    x: Int, w: np.ndarray, bias: np.ndarray | None, may_pad: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest sum of each column m, as ``sum_range`` has them together; int64 (M,)."""
    low, high = (products.sum(0) for products in product_bounds(x, w, may_pad))
    if bias is not None:
        low, high = low + bias, high + bias
    return low, high


def product_bounds(x: Int, w: np.ndarray, may_pad: bool) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest product of each weight with any value of ``x``, with ``may_pad`` also with 0."""
    a, b = w * x.lo, w * x.hi
    low, high = np.minimum(a, b), np.maximum(a, b)
    if may_pad:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    return low, high


def bounded_range(x: Int, w: np.ndarray, low: np.ndarray, high: np.ndarray, may_pad: bool) -> Int:
    """Range of sums of products of ``x`` with any of ``w``, each sum between its ``low`` and ``high``."""
    lo, hi = int(low.min()), int(high.max())
    step = x.step * gcd(*(int(v) for v in np.unique(np.abs(w)))) if w.size else 1
    padded = may_pad and not (x.lo <= 0 <= x.hi and x.lo % x.step == 0)
    if step > 1 and not padded and not ((low - lo) % step).any():
        return Int(lo, hi - (hi - lo) % step, step)
    return Int(lo, hi)


def check_magnitude(name: str, x: Int, w: np.ndarray) -> None:
    """Raise GraphError where sums of x times the columns of ``w`` (K, M) might leave 60 bits."""
    biggest = int(np.abs(w).max(initial=0)) * max(abs(x.lo), abs(x.hi)) * max(len(w), 1)
    require(biggest < 2**60, f"{name}: sums must stay within 60 bits, not reach {biggest}")


def dot(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``x @ w`` in exact integers; through float64 (BLAS) where no partial sum can round."""
    bound = int(np.abs(x).max(initial=0)) * int(np.abs(w).sum(0).max(initial=0))
    if bound < _EXACT_FLOAT:
        return np.rint(x.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return x @ w


def check_bias(name: str, bias: tuple[Value, ...], columns: int) -> np.ndarray | None:
    """The optional bias operand's elements; raises GraphError unless it is a constant (columns,)."""
    if not bias:
        return None
    require(isinstance(bias[0], Const), f"{name}: the bias must be a constant")
    require(
        bias[0].type.shape == (columns,),
        f"{name}: the bias must have shape ({columns},), not {bias[0].type.shape}",
    )
    return bias[0].value


def check_dense(name: str, x: Value, w: Value, bias: tuple[Value, ...]) -> np.ndarray | None:
    """``check_bias`` of a dense layer; raises GraphError unless w is a constant (K, M) for x (..., K)."""
    require(isinstance(w, Const), f"{name}: the weights must be a constant")
    require(
        len(w.type.shape) == 2 and len(x.type.shape) >= 1 and w.type.shape[0] == x.type.shape[-1],
        f"{name}: weights must have shape ({x.type.shape[-1] if x.type.shape else '?'}, M) "
        f"to match x, not {w.type.shape}",
    )
    return check_bias(name, bias, w.type.shape[1])


@dataclass(frozen=True)
class MatMul(Op):
    """Matrix product with constant weights: ``y[..., m] = sum_k x[..., k] * w[k, m] + b[m]``.

    Operands:
        x: integers, shape ``(..., K)``.
        w: constant, shape ``(K, M)``.
        b: optional constant, shape ``(M,)``.
    Result:
        Shape ``(..., M)``; its range is what these weights can reach.
    """

    name: ClassVar[str] = "matmul"
    arity: ClassVar[tuple[int, int]] = (2, 3)

    def infer(self, x: Value, w: Value, *b: Value) -> TensorType:
        bias = check_dense("matmul", x, w, b)
        check_magnitude("matmul", x.type.dtype, w.value)
        return TensorType(
            (*x.type.shape[:-1], w.type.shape[1]), sum_range(x.type.dtype, w.value, bias, False)
        )

    def evaluate(self, x, w, *b):
        y = dot(x, w)
        return y + b[0] if b else y

    def work(self, x: Value, w: Value, *b: Value) -> Work:
        return Work(macs=x.type.size * w.type.shape[1])


@dataclass(frozen=True)
class Conv2d(Op):
    """Convolution (cross-correlation) with constant weights over an image; padding adds zeros.

    ``y[i, j, m] = sum_{u, v, c} x[i*sh + u*dh - top, j*sw + v*dw - left, g*C/G + c] * w[u, v, c, m] + b[m]``
    with ``g = m // (M/G)``.

    Operands:
        x: integers, shape ``(H, W, C)``.
        w: constant, shape ``(KH, KW, C/groups, M)``.
        b: optional constant, shape ``(M,)``.
    Attributes:
        strides, dilations: (vertical, horizontal); pads: (top, left, bottom, right).
    """

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    name: ClassVar[str] = "conv2d"
    arity: ClassVar[tuple[int, int]] = (2, 3)

    def infer(self, x: Value, w: Value, *b: Value) -> TensorType:
        require(isinstance(w, Const), "conv2d: the weights must be a constant")
        require(len(x.type.shape) == 3, f"conv2d: x must be (H, W, C), not {x.type.shape}")
        require(len(w.type.shape) == 4, f"conv2d: weights must be (KH, KW, C/groups, M), not {w.type.shape}")
        h, wd, c = x.type.shape
        kh, kw, cg, m = w.type.shape
        g = self.groups
        require(
            g >= 1 and c % g == 0 and m % g == 0 and cg == c // g,
            f"conv2d: {g} groups must divide {c} channels in and {m} out with {cg} channels a group",
        )
        oh, ow = window_counts("conv2d", (h, wd), (kh, kw), self.strides, self.pads, self.dilations)
        bias = check_bias("conv2d", b, m)
        flat = w.value.reshape(-1, m)
        check_magnitude("conv2d", x.type.dtype, flat)
        return TensorType((oh, ow, m), sum_range(x.type.dtype, flat, bias, any(self.pads)))

    def evaluate(self, x, w, *b):
        kh, kw, cg, m = w.shape
        taps = windows(x, (kh, kw), self.strides, self.pads, self.dilations, 0)
        n, oh, ow = taps.shape[:3]
        per = m // self.groups
        parts = []
        for g in range(self.groups):
            cols = taps[..., g * cg : (g + 1) * cg].reshape(n * oh * ow, kh * kw * cg)
            parts.append(dot(cols, w[..., g * per : (g + 1) * per].reshape(kh * kw * cg, per)))
        y = np.concatenate(parts, axis=-1).reshape(n, oh, ow, m)
        return y + b[0] if b else y

    def work(self, x: Value, w: Value, *b: Value) -> Work:
        return Work(macs=self.infer(x, w, *b).size * int(np.prod(w.type.shape[:3])))


@dataclass(frozen=True)
class BatchMatMul(Op):
    """Matrix products of two computed tensors: ``y[..., m, n] = sum_k x[..., m, k] * z[..., k, n]``.

    Operands:
        x: integers, shape ``(..., M, K)``; z: integers, shape ``(..., K, N)``, with x's leading axes.
    """

    name: ClassVar[str] = "batch_matmul"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def infer(self, x: Value, z: Value) -> TensorType:
        a, b = x.type.shape, z.type.shape
        require(
            len(a) == len(b) >= 2 and a[:-2] == b[:-2] and a[-1] == b[-2],
            f"batch_matmul: operands must be (..., M, K) and (..., K, N), not {a} and {b}",
        )
        p, q = x.type.dtype, z.type.dtype
        biggest = a[-1] * max(abs(p.lo), abs(p.hi)) * max(abs(q.lo), abs(q.hi))
        require(biggest < 2**60, f"batch_matmul: sums must stay within 60 bits, not reach {biggest}")
        corners = [u * v * a[-1] for u in (p.lo, p.hi) for v in (q.lo, q.hi)]
        s, t = (d.step if d.levels > 1 else 0 for d in (p, q))
        # (p.lo + s*i) * (q.lo + t*j) runs in steps of this.
        step = gcd(p.lo * t, q.lo * s, s * t) or 1
        return TensorType((*a[:-1], b[-1]), Int(min(corners), max(corners), step))

    def evaluate(self, x, z):
        return x @ z

    def work(self, x: Value, z: Value) -> Work:
        return Work(macs=x.type.size * z.type.shape[-1])


def window_counts(name, size, kernel, strides, pads, dilations) -> tuple[int, int]:
    """Output height and width of a sliding window; raises GraphError when none fits or a value is bad."""
    require(
        min(*strides, *dilations) >= 1,
        f"{name}: strides and dilations must be at least 1, not {strides} and {dilations}",
    )
    require(min(pads) >= 0, f"{name}: pads must not be negative, not {pads}")
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    counts = [
        (s + pads[i] + pads[i + 2] - span) // st + 1
        for i, (s, span, st) in enumerate(zip(size, spans, strides, strict=True))
    ]
    require(
        min(counts) >= 1,
        f"{name}: a {kernel[0]}x{kernel[1]} kernel (dilated {spans[0]}x{spans[1]}) must fit "
        f"the padded image, not {size[0] + pads[0] + pads[2]}x{size[1] + pads[1] + pads[3]}",
    )
    return counts[0], counts[1]


def windows(x, kernel, strides, pads, dilations, fill) -> np.ndarray:
    """All windows of (N, H, W, C): a view of shape (N, OH, OW, KH, KW, C)."""
    top, left, bottom, right = pads
    if any(pads):
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


@dataclass(frozen=True)
class Add(Op):
    """Elementwise sum: ``y = x + z``; z has x's shape, or is a constant of shape ``(C,)`` or ``(1,)``."""

    name: ClassVar[str] = "add"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def infer(self, x: Value, z: Value) -> TensorType:
        _check_broadcast("add", x, z)
        a, b = x.type.dtype, z.type.dtype
        step = gcd(a.step if a.levels > 1 else 0, b.step if b.levels > 1 else 0) or 1
        return TensorType(x.type.shape, Int(a.lo + b.lo, a.hi + b.hi, step))

    def evaluate(self, x, z):
        return x + z

    def work(self, x: Value, z: Value) -> Work:
        return Work(adds=x.type.size)


@dataclass(frozen=True)
class Mul(Op):
    """Elementwise product: ``y = x * z``; z has x's shape, or is a constant of shape ``(C,)`` or ``(1,)``."""

    name: ClassVar[str] = "mul"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def infer(self, x: Value, z: Value) -> TensorType:
        _check_broadcast("mul", x, z)
        a, b = x.type.dtype, z.type.dtype
        corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi]
        if a.bipolar and b.bipolar:
            return TensorType(x.type.shape, Int(-1, 1, 2))
        return TensorType(x.type.shape, Int(min(corners), max(corners)))

    def evaluate(self, x, z):
        return x * z

    def work(self, x: Value, z: Value) -> Work:
        return Work(macs=x.type.size)


def _check_broadcast(name: str, x: Value, z: Value) -> None:
    shapes = [x.type.shape]
    if isinstance(z, Const) and x.type.shape:
        shapes += [(1,), x.type.shape[-1:]]
    require(
        z.type.shape in shapes,
        f"{name}: the second operand must have shape {' or '.join(map(str, shapes))}, not {z.type.shape}",
    )
