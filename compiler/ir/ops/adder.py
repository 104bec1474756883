"""Adder layers (AdderNet, arXiv 1912.13200): sums of absolute differences in the place of products."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..graph import Const, Value
from ..op import Op, Work, require
from ..types import Int, TensorType
from .linear import check_bias, check_dense, window_counts, windows

# Differences of one column that are held at a time while evaluating.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class AdderMatMul(Op):
    """Negative distances to constant weights: ``y[..., m] = b[m] - sum_k |x[..., k] - w[k, m]|``.

    AdderNet's layer (arXiv 1912.13200, eq. 2) in integers; x and w must be in units of the same step.

    Operands:
        x: integers, shape ``(..., K)``.
        w: constant, shape ``(K, M)``.
        b: optional constant, shape ``(M,)``.
    Result:
        Shape ``(..., M)``; its range is what these weights can reach.
    """

    name: ClassVar[str] = "adder_matmul"
    arity: ClassVar[tuple[int, int]] = (2, 3)

    def infer(self, x: Value, w: Value, *b: Value) -> TensorType:
        bias = check_dense("adder_matmul", x, w, b)
        return TensorType(
            (*x.type.shape[:-1], w.type.shape[1]),
            _range("adder_matmul", x.type.dtype, w.value, bias, False),
        )

    def evaluate(self, x, w, *b):
        y = -distances(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
        return y + b[0] if b else y

    def work(self, x: Value, w: Value, *b: Value) -> Work:
        return Work(adds=2 * x.type.size * w.type.shape[1])


@dataclass(frozen=True)
class AdderConv2d(Op):
    """AdderNet's convolution over an image: negative distances of windows to kernels.

    ``y[i, j, m] = b[m] - sum_{u, v, c} |x[i*sh + u*dh - top, j*sw + v*dw - left, c] - w[u, v, c, m]|``.
    Padding adds zeros to x, so that a padded tap gives ``-|0 - w|``, not 0.

    Operands:
        x: integers, shape ``(H, W, C)``.
        w: constant, shape ``(KH, KW, C, M)``.
        b: optional constant, shape ``(M,)``.
    Attributes:
        strides, dilations: (vertical, horizontal); pads: (top, left, bottom, right).
    """

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    name: ClassVar[str] = "adder_conv2d"
    arity: ClassVar[tuple[int, int]] = (2, 3)

    def infer(self, x: Value, w: Value, *b: Value) -> TensorType:
        require(isinstance(w, Const), "adder_conv2d: the weights must be a constant")
        require(len(x.type.shape) == 3, f"adder_conv2d: x must be (H, W, C), not {x.type.shape}")
        require(
            len(w.type.shape) == 4 and w.type.shape[2] == x.type.shape[2],
            f"adder_conv2d: weights must be (KH, KW, {x.type.shape[2]}, M) to match x, not {w.type.shape}",
        )
        kh, kw, _, m = w.type.shape
        size = window_counts(
            "adder_conv2d", x.type.shape[:2], (kh, kw), self.strides, self.pads, self.dilations
        )
        bias = check_bias("adder_conv2d", b, m)
        flat = w.value.reshape(-1, m)
        return TensorType((*size, m), _range("adder_conv2d", x.type.dtype, flat, bias, any(self.pads)))

    def evaluate(self, x, w, *b):
        taps = windows(x, w.shape[:2], self.strides, self.pads, self.dilations, 0)
        flat = w.reshape(-1, w.shape[-1])
        y = -distances(taps.reshape(-1, len(flat)), flat).reshape(*taps.shape[:3], -1)
        return y + b[0] if b else y

    def work(self, x: Value, w: Value, *b: Value) -> Work:
        return Work(adds=2 * self.infer(x, w, *b).size * int(np.prod(w.type.shape[:3])))


def distances(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``sum_k |x[p, k] - w[k, m]|`` of int64 (P, K) and (K, M); no sum may reach 2**60."""
    largest = int(np.abs(x).max(initial=0)) + int(np.abs(w).max(initial=0))
    # Narrow elements halve the time; each sum is exact in the type that holds its bound.
    narrow = np.int32 if largest * max(len(w), 1) < 2**31 else np.int64
    x, w = x.astype(narrow), np.ascontiguousarray(w.T.astype(narrow))
    y = np.empty((len(x), len(w)), np.int64)
    step = max(_CHUNK // max(x.shape[1], 1), 1)
    for start in range(0, len(x), step):
        part = x[start : start + step]
        difference = np.empty_like(part)
        for m, row in enumerate(w):
            np.subtract(part, row, out=difference)
            np.abs(difference, out=difference)
            y[start : start + step, m] = difference.sum(1, dtype=narrow)
    return y


def distance_bounds(x: Int, w: np.ndarray, may_pad: bool) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest distance of each weight from any value of ``x``, with ``may_pad`` also from 0."""
    high = np.maximum(np.abs(w - x.lo), np.abs(w - x.hi))
    below = x.lo + (np.clip(w, x.lo, x.hi) - x.lo) // x.step * x.step  # the nearest value not above w
    above = np.minimum(below + x.step, x.hi)
    low = np.minimum(np.abs(w - below), np.abs(w - above))
    if may_pad:
        low, high = np.minimum(low, np.abs(w)), np.maximum(high, np.abs(w))
    return low, high


def adder_bounds(
    x: Int, w: np.ndarray, bias: np.ndarray | None, may_pad: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest result of each column of ``w`` (K, M), int64 (M,)."""
    near, far = (d.sum(0) for d in distance_bounds(x, w, may_pad))
    start = 0 if bias is None else bias
    return start - far, start - near


def _range(name: str, x: Int, w: np.ndarray, bias: np.ndarray | None, may_pad: bool) -> Int:
    """The result's range over all columns; raises GraphError where it might leave 60 bits."""
    biggest = (int(np.abs(w).max(initial=0)) + x.magnitude) * max(len(w), 1)
    require(biggest < 2**60, f"{name}: sums must stay within 60 bits, not reach {biggest}")
    low, high = adder_bounds(x, w, bias, may_pad)
    return Int(int(low.min()), int(high.max()))
