"""The integer graph: immutable values, from inputs and constants through nodes to outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...errors import GraphError
from .boundary import InputEncoding, OutputDecoding
from .op import Op
from .types import Int, TensorType, range_of


@dataclass(frozen=True, eq=False)
class Input:
    """A tensor that the caller gives, without its batch axis."""

    name: str
    type: TensorType


@dataclass(frozen=True, eq=False)
class Const:
    """A constant integer tensor (int64, read-only); its range is taken from its elements."""

    value: np.ndarray
    name: str = ""
    type: TensorType = field(init=False)

    def __post_init__(self):
        v = np.asarray(self.value)
        if v.dtype.kind not in "iu":
            raise GraphError(f"const {self.name!r}: elements must be integers, not {v.dtype}")
        # In C order: weights are reshaped for every folding, which would copy a transposed array each time.
        v = np.array(v, dtype=np.int64, order="C")
        v.setflags(write=False)
        object.__setattr__(self, "value", v)
        object.__setattr__(self, "type", TensorType(tuple(map(int, v.shape)), range_of(v)))


@dataclass(frozen=True, eq=False)
class Node:
    """An op applied to values; its type is inferred, so an ill-typed node cannot exist."""

    op: Op
    inputs: tuple[Value, ...]
    name: str = ""
    type: TensorType = field(init=False)

    def __post_init__(self):
        low, high = self.op.arity
        label = f"{self.op.name} {self.name!r}" if self.name else self.op.name
        if not low <= len(self.inputs) <= high:
            raise GraphError(f"{label}: takes {low} to {high} operands, not {len(self.inputs)}")
        try:
            inferred = self.op.infer(*self.inputs)
        except GraphError as error:
            if self.name:
                raise GraphError(f"node {self.name!r}: {error}") from None
            raise
        object.__setattr__(self, "type", inferred)


Value = Input | Const | Node


@dataclass(frozen=True, eq=False)
class Graph:
    """Inputs, outputs and everything between; ``encodings`` and ``decodings`` tie them to the source
    model's float tensors, one per input and output."""

    inputs: tuple[Input, ...]
    outputs: tuple[Value, ...]
    name: str = "model"
    encodings: tuple[InputEncoding, ...] = ()
    decodings: tuple[OutputDecoding, ...] = ()

    def nodes(self) -> list[Node]:
        """All nodes, operands before users; the order is the same for equal graphs."""
        return [v for v in self.values() if isinstance(v, Node)]

    def values(self) -> list[Value]:
        """All values that an output needs, operands before users, and every input."""
        order: dict[int, Value] = {id(i): i for i in self.inputs}
        for out in self.outputs:
            for value in _postorder(out, order):
                order[id(value)] = value
        return list(order.values())

    def verify(self) -> None:
        """Check what construction cannot: inputs declared, names unique, boundaries fitting.

        Raises:
            GraphError: at the first rule broken.
        """
        known = {id(i) for i in self.inputs}
        names: dict[str, Value] = {}
        for value in self.values():
            if isinstance(value, Input) and id(value) not in known:
                raise GraphError(f"graph {self.name!r}: input {value.name!r} is used but not declared")
            if not isinstance(value, Const) and value.name:
                if value.name in names:
                    raise GraphError(f"graph {self.name!r}: two values are named {value.name!r}")
                names[value.name] = value
        for kind, values, codecs in (
            ("input", self.inputs, self.encodings),
            ("output", self.outputs, self.decodings),
        ):
            if codecs and len(codecs) != len(values):
                raise GraphError(
                    f"graph {self.name!r}: {len(values)} {kind}s need as many codecs, not {len(codecs)}"
                )
            for value, codec in zip(values, codecs, strict=False):
                codec.check(value.type)


def _postorder(root: Value, done: dict[int, Value]) -> Iterator[Value]:
    """Operands before users, without recursion: models may be thousands of nodes deep."""
    stack: list[tuple[Value, bool]] = [(root, False)]
    while stack:
        value, expanded = stack.pop()
        if id(value) in done:
            continue
        if expanded or not isinstance(value, Node):
            yield value
        else:
            stack.append((value, True))
            stack.extend((v, False) for v in reversed(value.inputs) if id(v) not in done)


def input_of(name: str, shape: tuple[int, ...], lo: int, hi: int, step: int = 1) -> Input:
    """Shorthand for ``Input(name, TensorType(shape, Int(lo, hi, step)))``."""
    return Input(name, TensorType(tuple(shape), Int(lo, hi, step)))
