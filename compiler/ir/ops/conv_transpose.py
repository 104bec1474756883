"""Transposed convolution: every input pixel adds a scaled kernel to the output."""

from dataclasses import dataclass
from math import gcd, prod
from typing import ClassVar

import numpy as np

from ..graph import Const, Value
from ..op import Op, Work, require
from ..types import Int, TensorType
from .linear import bounded_range, check_bias, check_magnitude, dot, product_bounds


@dataclass(frozen=True)
class ConvTranspose2d(Op):
    """Transposed convolution with constant weights over an image.

    Starting from ``b[m]``, each input pixel adds to the output
    ``y[i*sh + u*dh - top, j*sw + v*dw - left, m] += sum_c x[i, j, g*C/G + c] * w[u, v, c, m]``
    with ``g = m // (M/G)``, wherever that is inside it.

    Operands:
        x: integers, shape ``(H, W, C)``.
        w: constant, shape ``(KH, KW, C/groups, M)``, as for Conv2d: m counts output channels of all groups.
        b: optional constant, shape ``(M,)``.
    Result:
        Shape ``(OH, OW, M)`` with ``OH = (H-1)*sh + (KH-1)*dh + 1 + output_padding - top - bottom``.
    Attributes:
        strides, dilations, output_padding: (vertical, horizontal); pads: (top, left, bottom, right).
    """

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    output_padding: tuple[int, int] = (0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    name: ClassVar[str] = "conv_transpose2d"
    arity: ClassVar[tuple[int, int]] = (2, 3)

    def infer(self, x: Value, w: Value, *b: Value) -> TensorType:
        require(isinstance(w, Const), "conv_transpose2d: the weights must be a constant")
        require(len(x.type.shape) == 3, f"conv_transpose2d: x must be (H, W, C), not {x.type.shape}")
        require(
            len(w.type.shape) == 4,
            f"conv_transpose2d: weights must be (KH, KW, C/groups, M), not {w.type.shape}",
        )
        c, (_, _, cg, m), g = x.type.shape[2], w.type.shape, self.groups
        require(
            g >= 1 and c % g == 0 and m % g == 0 and cg == c // g,
            f"conv_transpose2d: {g} groups must divide {c} channels in and {m} out, with {cg} in a group",
        )
        size = self._size(x.type.shape[:2], w.type.shape[:2])
        bias = check_bias("conv_transpose2d", b, m)
        check_magnitude("conv_transpose2d", x.type.dtype, w.value.reshape(-1, m))
        return TensorType((*size, m), self._range(x.type.dtype, w.value, bias))

    def _size(self, image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int]:
        require(
            min(*self.strides, *self.dilations) >= 1 and min(*self.pads, *self.output_padding) >= 0,
            "conv_transpose2d: strides and dilations must be at least 1, pads and output padding at least 0, "
            f"not {self.strides}, {self.dilations}, {self.pads}, {self.output_padding}",
        )
        extra = self.output_padding
        require(
            all(o < max(s, d) for o, s, d in zip(extra, self.strides, self.dilations, strict=True)),
            f"conv_transpose2d: output padding must be smaller than stride or dilation, not {extra}",
        )
        full = self._full(image, kernel)
        h, w = (full[i] - self.pads[i] - self.pads[i + 2] for i in (0, 1))
        require(
            min(h, w) >= 1,
            f"conv_transpose2d: pads must leave some of the {full[0]}x{full[1]} result, not {self.pads}",
        )
        return h, w

    def _full(self, image, kernel) -> tuple[int, int]:
        """The result's size before pads are cut off."""
        spans = [(kernel[i] - 1) * self.dilations[i] + 1 for i in (0, 1)]
        h, w = ((image[i] - 1) * self.strides[i] + spans[i] + self.output_padding[i] for i in (0, 1))
        return h, w

    def _range(self, x: Int, w: np.ndarray, bias: np.ndarray | None) -> Int:
        """Only kernel elements whole strides apart add to the same output element, at its edges not all."""
        low, high = (self._by_phase(a) for a in product_bounds(x, w, True))
        if bias is not None:
            low, high = low + bias, high + bias
        return bounded_range(x, w, low, high, True)

    def _by_phase(self, w: np.ndarray) -> np.ndarray:
        """Sums of the kernel elements that meet, shape (P, Q, M), for (KH, KW, C/groups, M)."""
        # Kernel rows u and u' meet where u*dh and u'*dh are whole strides apart.
        kh, kw, cg, m = w.shape
        p, q = (
            min(s // gcd(s, d), k) for s, d, k in zip(self.strides, self.dilations, (kh, kw), strict=True)
        )
        w = np.pad(w, ((0, -kh % p), (0, -kw % q), (0, 0), (0, 0)))
        return w.reshape(-1, p, w.shape[1] // q, q, cg, m).sum(axis=(0, 2, 4))

    def evaluate(self, x, w, *b):
        n, h, wd, _ = x.shape
        kh, kw, cg, m = w.shape
        (sh, sw), (dh, dw), per = self.strides, self.dilations, m // self.groups
        full = self._full((h, wd), (kh, kw))
        y = np.zeros((n, *full, m), np.int64)
        for u, v, g in np.ndindex(kh, kw, self.groups):
            rows = slice(u * dh, u * dh + (h - 1) * sh + 1, sh)
            columns = slice(v * dw, v * dw + (wd - 1) * sw + 1, sw)
            to = slice(g * per, (g + 1) * per)
            y[:, rows, columns, to] += dot(x[..., g * cg : (g + 1) * cg], w[u, v, :, to])
        top, left, bottom, right = self.pads
        y = y[:, top : full[0] - bottom, left : full[1] - right]
        return y + b[0] if b else y

    def work(self, x: Value, w: Value, *b: Value) -> Work:
        return Work(macs=x.type.size // self.groups * prod(w.type.shape[:2]) * w.type.shape[3])
