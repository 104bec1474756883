"""Writing ONNX nodes one after the other: names, constants, and the few steps that many ops share."""

import re
from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ..ir.types import Int

# Integers below this are float32 or float64 values, and so are sums of them in any order that stay below.
EXACT_FLOAT32 = 2**24
EXACT_FLOAT64 = 2**53

_NAME_CHARACTERS = 80
# ONNX's number of each type that tensors have.
ELEMENTS = {
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


class Names:
    """Unique names that every tool can take."""

    def __init__(self):
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        """``wanted`` with odd characters as %hex, cut where overlong, and numbered where taken."""
        name = re.sub(r"[^A-Za-z0-9_./:-]", lambda m: f"%{ord(m[0]):02x}", wanted)[:_NAME_CHARACTERS]
        stem = name
        while name in self._taken or not name:
            self._next[stem] = self._next.get(stem, 0) + 1
            name = f"{stem}.{self._next[stem]}"
        self._taken.add(name)
        return name


class Emitter:
    """The nodes and constants so far. Tensors are names; all hold int64 unless a method says otherwise.

    Computed tensors have the batch axis in front. Where no input is behind them it has length 1, which
    broadcasts.
    """

    def __init__(self):
        self.names = Names()
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.label = ""
        self._known: dict[tuple, str] = {}

    def op(self, kind: str, *inputs: str, **attributes) -> str:
        """Append a standard operator; returns its only output."""
        out = self.names.fresh(f"{self.label}/{kind}")
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def constant(self, values, dtype: str = "int64") -> str:
        """A constant tensor; equal ones are stored once."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = self.names.fresh(f"{self.label}/const")
            self._known[key] = name
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self._known[key]

    def cast(self, x: str, dtype: str) -> str:
        """The same values as int64, int32, uint8, float32 or float64."""
        return self.op("Cast", x, to=ELEMENTS[dtype])

    def add(self, x: str, value) -> str:
        """``x + value`` for a number or an array; nothing where that is 0."""
        return self.op("Add", x, self.constant(value)) if np.any(value) else x

    def scale(self, x: str, factor: int) -> str:
        """``x * factor``."""
        return x if factor == 1 else self.op("Mul", x, self.constant(factor))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Another shape behind the batch axis."""
        return self.op("Reshape", x, self.constant([0, *shape]))

    def transpose(self, x: str, perm: Sequence[int]) -> str:
        """Another order of all axes, the batch axis included."""
        return x if list(perm) == list(range(len(perm))) else self.op("Transpose", x, perm=perm)

    def pad(self, x: str, pads: Sequence[int], value: int = 0) -> str:
        """Elements before, then after, each axis behind the batch axis."""
        if not any(pads):
            return x
        axes = len(pads) // 2
        whole = [0, *pads[:axes], 0, *pads[axes:]]
        return self.op("Pad", x, self.constant(whole), self.constant(value), mode="constant")

    def slice(self, x: str, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> str:
        """Part of each axis behind the batch axis."""
        axes = range(1, len(starts) + 1)
        return self.op("Slice", x, *(self.constant(list(v)) for v in (starts, stops, axes, steps)))

    def windows(self, x: str, axis: int, count: int, kernel: int, stride: int, dilation: int) -> str:
        """Split ``axis`` into two: windows, and the elements of each."""
        places = np.arange(count)[:, np.newaxis] * stride + np.arange(kernel) * dilation
        return self.op("Gather", x, self.constant(places), axis=axis)

    def codes(self, x: str, dtype: Int) -> tuple[str, str]:
        """uint8 codes of values whose type ``fits_byte``, and the code of zero."""
        zero = -min(dtype.lo, 0)
        return self.cast(self.add(x, zero), "uint8"), self.constant(zero, "uint8")


def fits_byte(dtype: Int) -> bool:
    """Whether the values and 0 are among 256 integers in a row."""
    return max(dtype.hi, 0) - min(dtype.lo, 0) < 2**8
