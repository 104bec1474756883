"""Activations: what quantizers, batch norms and non-linearities become once floats are gone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..graph import Const, Value
from ..op import Op, Work, require
from ..types import Int, TensorType, range_of


@dataclass(frozen=True)
class Threshold(Op):
    """Count thresholds reached: ``y[..., c] = bias + step * #{i : x[..., c] >= t[c, i]}``.

    Operands:
        x: integers, shape ``(..., C)``.
        t: constant, ascending rows, shape ``(C, N)`` or ``(1, N)``.
    Result:
        Shape of ``x``, values in ``bias, bias + step, ..., bias + step * N``.
    Raises:
        GraphError: ``t`` has neither 1 nor C rows, or a row does not ascend.
    """

    bias: int = 0
    step: int = 1
    name: ClassVar[str] = "threshold"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def infer(self, x: Value, t: Value) -> TensorType:
        require(isinstance(t, Const), "threshold: the thresholds must be a constant")
        require(len(x.type.shape) >= 1, "threshold: x must have a channel axis")
        c = x.type.shape[-1]
        require(
            len(t.type.shape) == 2 and t.type.shape[0] in (1, c),
            f"threshold: t must have 1 or {c} rows to match x: {x.type}, not shape {t.type.shape}",
        )
        require(bool((np.diff(t.value, axis=1) >= 0).all()), "threshold: every row of t must ascend")
        return TensorType(x.type.shape, Int(self.bias, self.bias + self.step * t.type.shape[1], self.step))

    def evaluate(self, x, t):
        if len(t) == 1:
            count = np.searchsorted(t[0], x, side="right")
        else:
            count = np.stack(
                [np.searchsorted(row, x[..., c], side="right") for c, row in enumerate(t)], axis=-1
            )
        return self.bias + self.step * count.astype(np.int64)

    def work(self, x: Value, t: Value) -> Work:
        return Work(compares=x.type.size * int(t.type.shape[1]).bit_length())


# A table is as long as its input has values; longer ones are better made of thresholds.
_MAX_TABLE = 2**16


@dataclass(frozen=True)
class Lookup(Op):
    """Any function of one element, as a table: ``y[..., c] = table[c, x[..., c] - lo]``.

    Operands:
        x: integers in ``[lo, lo + L - 1]``, shape ``(..., C)``; any shape where all share one table.
        table: constant, shape ``(L,)`` or ``(C, L)``, at most 65,536 entries a row.
    Result:
        Shape of ``x``; its range is that of the entries that ``x`` can reach.
    Raises:
        GraphError: the table has neither one row nor C, is too long, or ends before the range of ``x``.
    """

    lo: int = 0
    name: ClassVar[str] = "lookup"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def infer(self, x: Value, table: Value) -> TensorType:
        require(isinstance(table, Const), "lookup: the table must be a constant")
        shape, d = table.type.shape, x.type.dtype
        require(
            len(shape) == 1 or (len(shape) == 2 and shape[:1] == x.type.shape[-1:]),
            f"lookup: the table must have shape (L,) or one row per channel of x: {x.type}, not {shape}",
        )
        require(shape[-1] <= _MAX_TABLE, f"lookup: a table must have at most {_MAX_TABLE} entries, "
                f"not {shape[-1]}")  # fmt: skip
        require(
            self.lo <= d.lo and d.hi < self.lo + shape[-1],
            f"lookup: x must lie in the table's [{self.lo}..{self.lo + shape[-1] - 1}], not in {d}",
        )
        reached = table.value[..., d.lo - self.lo : d.hi - self.lo + 1 : d.step]
        return TensorType(x.type.shape, range_of(reached))

    def evaluate(self, x, table):
        if table.ndim == 1:
            return table[x - self.lo]
        return table[np.arange(len(table)), x - self.lo]


@dataclass(frozen=True)
class ArgMax(Op):
    """Index of the largest element along the last axis, the first of equals; the axis goes away."""

    name: ClassVar[str] = "argmax"
    arity: ClassVar[tuple[int, int]] = (1, 1)

    def infer(self, x: Value) -> TensorType:
        require(len(x.type.shape) >= 1, "argmax: x must have an axis")
        return TensorType(x.type.shape[:-1], Int(0, x.type.shape[-1] - 1))

    def evaluate(self, x):
        return np.argmax(x, axis=-1).astype(np.int64)

    def work(self, x: Value) -> Work:
        return Work(compares=x.type.size)
