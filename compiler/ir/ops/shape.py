"""Ops that move elements and compute nothing."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..graph import Value
from ..op import Op, require
from ..types import Int, TensorType, hull


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


# More operands than any model joins; text and files end long before.
_MANY = 2**16


@dataclass(frozen=True)
class Concat(Op):
    """Tensors joined along one axis (the batch axis apart); the other axes must agree."""

    axis: int
    name: ClassVar[str] = "concat"
    arity: ClassVar[tuple[int, int]] = (2, _MANY)

    def infer(self, *xs: Value) -> TensorType:
        first, a = xs[0].type.shape, self.axis
        require(0 <= a < len(first), f"concat: the axis must be one of the {len(first)} of {first}, not {a}")
        for x in xs:
            shape = x.type.shape
            require(
                len(shape) == len(first) and (*shape[:a], *shape[a + 1 :]) == (*first[:a], *first[a + 1 :]),
                f"concat: all shapes must equal {first} but for axis {a}, not {shape}",
            )
        total = sum(x.type.shape[a] for x in xs)
        return TensorType((*first[:a], total, *first[a + 1 :]), hull(*(x.type.dtype for x in xs)))

    def evaluate(self, *xs):
        first = xs[0]
        whole = [x if x.ndim == first.ndim else np.broadcast_to(x, (len(first), *x.shape)) for x in xs]
        return np.concatenate(whole, axis=self.axis + 1)


@dataclass(frozen=True)
class Slice(Op):
    """Part of a tensor: along each axis the elements ``start, start + step, ...`` below ``stop``.

    Attributes:
        starts, stops, steps: one per axis (the batch axis apart); ``0 <= start < stop <= length``.
    """

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]
    name: ClassVar[str] = "slice"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        shape = x.type.shape
        require(
            len(self.starts) == len(self.stops) == len(self.steps) == len(shape),
            f"slice: starts, stops and steps must have one element per axis of {shape}, not "
            f"{self.starts}, {self.stops}, {self.steps}",
        )
        parts = list(zip(self.starts, self.stops, self.steps, shape, strict=True))
        require(
            all(0 <= a < b <= d and s >= 1 for a, b, s, d in parts),
            f"slice: each axis of {shape} must give 0 <= start < stop <= length and a positive step, not "
            f"{self.starts}, {self.stops}, {self.steps}",
        )
        return TensorType(tuple(-(-(b - a) // s) for a, b, s, _ in parts), x.type.dtype)

    def evaluate(self, x):
        parts = (slice(*p) for p in zip(self.starts, self.stops, self.steps, strict=True))
        return x[(slice(None), *parts)]


@dataclass(frozen=True)
class Pad(Op):
    """A tensor with elements of one value around it.

    Attributes:
        pads: elements before each axis, then after each axis (the batch axis apart).
        value: what they are; the range widens to hold it.
    """

    pads: tuple[int, ...]
    value: int = 0
    name: ClassVar[str] = "pad"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        shape, axes = x.type.shape, len(x.type.shape)
        require(
            len(self.pads) == 2 * axes and min(self.pads, default=0) >= 0,
            f"pad: pads must be {2 * axes} integers of at least 0 for {shape}, not {self.pads}",
        )
        if not any(self.pads):
            return x.type
        padded = (self.pads[i] + d + self.pads[i + axes] for i, d in enumerate(shape))
        return TensorType(tuple(padded), hull(x.type.dtype, Int(self.value, self.value)))

    def evaluate(self, x):
        axes = len(self.pads) // 2
        widths = [(0, 0), *zip(self.pads[:axes], self.pads[axes:], strict=True)]
        return np.pad(x, widths, constant_values=self.value)
