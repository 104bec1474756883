"""Ops that move elements and compute nothing."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..graph import Value
from ..op import Op, require
from ..types import TensorType


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in the same order under another shape (the batch axis apart)."""

    shape: tuple[int, ...]
    name: ClassVar[str] = "reshape"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        require(
            prod(self.shape) == x.type.size,
            f"reshape: {self.shape} must hold the {x.type.size} elements of {x.type.shape}",
        )
        return TensorType(tuple(self.shape), x.type.dtype)

    def evaluate(self, x):
        return x.reshape(len(x), *self.shape)


@dataclass(frozen=True)
class Transpose(Op):
    """Axes in another order (the batch axis apart): ``y.shape[i] = x.shape[perm[i]]``."""

    perm: tuple[int, ...]
    name: ClassVar[str] = "transpose"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        require(
            sorted(self.perm) == list(range(len(x.type.shape))),
            f"transpose: {self.perm} must order the {len(x.type.shape)} axes of {x.type.shape}",
        )
        return TensorType(tuple(x.type.shape[a] for a in self.perm), x.type.dtype)

    def evaluate(self, x):
        return np.ascontiguousarray(x.transpose((0, *(a + 1 for a in self.perm))))
