"""Pooling over image windows, and sums over whole axes."""

from dataclasses import dataclass
from math import gcd, prod
from typing import ClassVar

import numpy as np

from ..graph import Value
from ..op import Op, Work, require
from ..types import Int, TensorType
from .linear import window_counts, windows


@dataclass(frozen=True)
class MaxPool(Op):
    """Largest element of each window, per channel; padded positions never win.

    Operands:
        x: integers, shape ``(H, W, C)``.
    Attributes:
        kernel, strides, dilations: (vertical, horizontal); pads: (top, left, bottom, right).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    name: ClassVar[str] = "maxpool"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        require(len(x.type.shape) == 3, f"maxpool: x must be (H, W, C), not {x.type.shape}")
        h, w, c = x.type.shape
        require(min(self.kernel) >= 1, f"maxpool: the kernel must be at least 1x1, not {self.kernel}")
        counts = window_counts("maxpool", (h, w), self.kernel, self.strides, self.pads, self.dilations)
        require(
            all(p < self.dilations[i % 2] * (self.kernel[i % 2] - 1) + 1 for i, p in enumerate(self.pads)),
            f"maxpool: pads must be smaller than the kernel {self.kernel}, not {self.pads}",
        )
        for axis, (size, count) in enumerate(zip((h, w), counts, strict=True)):
            require(
                self._meets_image(axis, size, count),
                f"maxpool: every window must meet the {h}x{w} image, not lie in the padding between its taps",
            )
        return TensorType((*counts, c), x.type.dtype)

    def _meets_image(self, axis: int, size: int, count: int) -> bool:
        """Whether each of ``count`` windows along one axis has a tap on one of ``size`` elements.

        Pads are smaller than the window, so one that begins at or behind element 0 does; one that
        begins before it does where its first tap at or behind 0 is an element.
        """
        dilation = self.dilations[axis]
        if size >= dilation:
            return True
        first = np.arange(min(count, dilation)) * self.strides[axis] - self.pads[axis]
        return bool((first[first < 0] % dilation < size).all())

    def evaluate(self, x):
        low = int(x.min(initial=0))
        return windows(x, self.kernel, self.strides, self.pads, self.dilations, low).max(axis=(3, 4))

    def work(self, x: Value) -> Work:
        return Work(compares=self.infer(x).size * (self.kernel[0] * self.kernel[1] - 1))


@dataclass(frozen=True)
class SumPool(Op):
    """Sum of each window, per channel; padding adds zeros. Thresholds behind it make averages of it.

    Operands:
        x: integers, shape ``(H, W, C)``.
    Attributes:
        kernel, strides, dilations: (vertical, horizontal); pads: (top, left, bottom, right).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    name: ClassVar[str] = "sumpool"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        require(len(x.type.shape) == 3, f"sumpool: x must be (H, W, C), not {x.type.shape}")
        h, w, c = x.type.shape
        require(min(self.kernel) >= 1, f"sumpool: the kernel must be at least 1x1, not {self.kernel}")
        counts = window_counts("sumpool", (h, w), self.kernel, self.strides, self.pads, self.dilations)
        d = _multiple(x.type.dtype, prod(self.kernel))
        if any(self.pads):
            # A window may hold fewer elements, down to none.
            step = gcd(d.step if d.levels > 1 else 0, x.type.dtype.lo) or 1
            d = Int(min(d.lo, 0), max(d.hi, 0), step)
        return TensorType((*counts, c), d)

    def evaluate(self, x):
        return windows(x, self.kernel, self.strides, self.pads, self.dilations, 0).sum(axis=(3, 4))

    def work(self, x: Value) -> Work:
        return Work(adds=self.infer(x).size * (prod(self.kernel) - 1))


@dataclass(frozen=True)
class ReduceSum(Op):
    """Sum over some axes, which go away (the batch axis apart); over (0, 1) it pools whole images."""

    axes: tuple[int, ...]
    name: ClassVar[str] = "reduce_sum"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        shape = x.type.shape
        require(
            len(self.axes) >= 1 and list(self.axes) == sorted(set(self.axes))
            and self.axes[0] >= 0 and self.axes[-1] < len(shape),
            f"reduce_sum: axes must be some of the {len(shape)} of {shape} in order, not {self.axes}",
        )  # fmt: skip
        kept = tuple(d for i, d in enumerate(shape) if i not in self.axes)
        return TensorType(kept, _multiple(x.type.dtype, prod(shape[a] for a in self.axes)))

    def evaluate(self, x):
        return x.sum(axis=tuple(a + 1 for a in self.axes))

    def work(self, x: Value) -> Work:
        return Work(adds=x.type.size - self.infer(x).size)


def _multiple(d: Int, count: int) -> Int:
    """Range of the sum of ``count`` values."""
    return Int(d.lo * count, d.hi * count, d.step)
