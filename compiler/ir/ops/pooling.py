"""Pooling over image windows."""

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Value
from ..op import Op, Work, require
from ..types import TensorType
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
        return TensorType((*counts, c), x.type.dtype)

    def evaluate(self, x):
        low = int(x.min(initial=0))
        return windows(x, self.kernel, self.strides, self.pads, self.dilations, low).max(axis=(3, 4))

    def work(self, x: Value) -> Work:
        return Work(compares=self.infer(x).size * (self.kernel[0] * self.kernel[1] - 1))
