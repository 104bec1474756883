"""What lowering makes of a graph: kernels, calls of them in order, constants, and places in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from tvm import tirx

from ..ir.types import Int, TensorType
from .isa import Core


class Region(Enum):
    """Memory that a kernel's pointer may point into."""

    INPUT = "input"
    OUTPUT = "output"
    ARENA = "arena"
    CONSTANTS = "constants"


@dataclass(frozen=True)
class Place:
    """``offset`` bytes into a region; input and output regions hold one tensor each."""

    region: Region
    offset: int = 0
    index: int = 0


@dataclass(frozen=True)
class Storage:
    """How a tensor lies in memory: elements ``value - offset`` of one C integer type, in row-major order.

    Attributes:
        type: shape and range of the values.
        dtype: int8, int16, int32 or int64.
        offset: what was taken off the values so that they fit ``dtype``.
        border: rows and columns of constant elements around an image: (top, left, bottom, right).
        fill: the border's value (before the offset).
    """

    type: TensorType
    dtype: str
    offset: int = 0
    border: tuple[int, int, int, int] = (0, 0, 0, 0)
    fill: int = 0

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def padded(self) -> tuple[int, ...]:
        """The shape in memory, with its border."""
        if not any(self.border):
            return self.type.shape
        h, w, c = self.type.shape
        top, left, bottom, right = self.border
        return (h + top + bottom, w + left + right, c)

    @property
    def row(self) -> int:
        """Elements from one image row to the next."""
        return self.padded[1] * self.padded[2]

    @property
    def origin(self) -> int:
        """Index of the first element that is not border."""
        top, left = self.border[:2]
        return top * self.row + left * self.padded[2] if any(self.border) else 0

    @property
    def bytes(self) -> int:
        """Bytes in memory."""
        return int(np.prod(self.padded, dtype=np.int64)) * self.itemsize


def fitting(kind: Int) -> tuple[str, int]:
    """The narrowest C type for a range, and the offset that makes it fit: (dtype, offset).

    Offset 0 is taken where the values themselves fit.
    """
    for bits in (8, 16, 32, 64):
        half = 1 << (bits - 1)
        if -half <= kind.lo and kind.hi < half:
            return f"int{bits}", 0
        if kind.hi - kind.lo < 2 * half and bits == 8:
            return f"int{bits}", kind.lo + half
    raise AssertionError("a range has at most 62 bits")


@dataclass(frozen=True)
class Call:
    """One call of a kernel: pointers, integers, then the whole of its outer loop.

    Attributes:
        kernel: name of the function.
        pointers: a place for each pointer parameter.
        integers: values of its integer parameters.
        trips: how far the outer loop runs; threads share it.
        layer: the graph's node that it computes, for reports.
        macs: multiply-accumulates of the layer that this call does.
    """

    kernel: str
    pointers: tuple[Place, ...]
    integers: tuple[int, ...] = ()
    trips: int = 1
    layer: str = ""
    macs: int = 0


@dataclass(frozen=True)
class Program:
    """A lowered graph for one core.

    Attributes:
        functions: kernels by name (safe C identifiers).
        calls: in order of execution.
        constants: weights and tables, one read-only blob to be aligned to 64 bytes.
        inputs, outputs: storage of each, without borders.
        arena: bytes of working memory, to be aligned to 64 bytes.
        arena_bound: bytes of the largest set of tensors live at once: no plan can do with less.
    """

    core: Core
    functions: Mapping[str, tirx.PrimFunc]
    calls: tuple[Call, ...]
    constants: bytes
    inputs: tuple[Storage, ...]
    outputs: tuple[Storage, ...]
    arena: int
    arena_bound: int
