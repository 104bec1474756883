"""The base of all ops: an op is declared once, with its types, its meaning and its work."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...errors import GraphError
from .types import TensorType

if TYPE_CHECKING:
    from .graph import Node, Value


@dataclass(frozen=True)
class Work:
    """Arithmetic of one frame, target-neutral."""

    macs: int = 0
    compares: int = 0
    adds: int = 0


@dataclass(frozen=True)
class Op:
    """An operation; its dataclass fields are its attributes (ints, or tuples of ints).

    ``infer`` takes values, not types, because a constant's own elements narrow the result's range.
    ``evaluate`` takes int64 arrays: computed operands carry a leading batch axis, constants do not.
    """

    name: ClassVar[str]
    arity: ClassVar[tuple[int, int]]

    def infer(self, *inputs: Value) -> TensorType:
        """The result's type; raises GraphError when the operands do not fit."""
        raise NotImplementedError

    def evaluate(self, *arrays: np.ndarray) -> np.ndarray:
        """The result for int64 arrays."""
        raise NotImplementedError

    def work(self, *inputs: Value) -> Work:
        """Arithmetic for one frame."""
        return Work()

    def attributes(self) -> dict[str, object]:
        """Attribute names and values, in declaration order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __call__(self, *inputs: Value, name: str = "") -> Node:
        """A node that applies this op."""
        from .graph import Node

        return Node(self, inputs, name)


def require(condition: bool, message: str) -> None:
    """Raise GraphError(message) unless ``condition`` holds."""
    if not condition:
        raise GraphError(message)
