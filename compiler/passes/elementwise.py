"""Functions of one element: which nodes are such functions, what they compute, and their cheapest form."""

import numpy as np

from ..ir.graph import Const, Node, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from ..ir.types import Int, range_of
from .channels import constant_operand

# Tables of this many levels are cheap whatever they replace: 8-bit codes.
FEW_LEVELS = 2**8
# Above this many steps, a table of 8-bit codes costs less than comparisons.
FEW_STEPS = 16


def operand_of(node: Value) -> Value | None:
    """What a Threshold, Lookup, or Add or Mul of a constant per channel is a function of; else None."""
    if not isinstance(node, Node):
        return None
    if isinstance(node.op, Threshold | Lookup):
        return None if isinstance(node.inputs[0], Const) else node.inputs[0]
    if isinstance(node.op, Add | Mul):
        found = constant_operand(node)
        return found[0] if found else None
    return None


def apply(node: Node, x: np.ndarray) -> np.ndarray:
    """The node's function of integers ``(L, R)``: L of them for each of R channels, or for all where R is 1.

    Returns:
        int64 ``(L, R)``, or ``(L, C)`` where the node's constant has a row per channel.
    """
    if isinstance(node.op, Add | Mul):
        constant = constant_operand(node)[1]
        return x + constant if isinstance(node.op, Add) else x * constant
    table = node.inputs[1].value
    if isinstance(node.op, Threshold) or table.ndim == 2:
        x = np.broadcast_to(x, (len(x), max(x.shape[1], len(table))))
    return node.op.evaluate(x, table)


def levels(dtype: Int) -> np.ndarray:
    """Every value of a type, ascending, as a column ``(L, 1)``."""
    return (dtype.lo + dtype.step * np.arange(dtype.levels))[:, None]


def entries(node: Node) -> int:
    """Elements of the node's table or thresholds; 0 for arithmetic."""
    return node.inputs[1].value.size if isinstance(node.op, Threshold | Lookup) else 0


def tabulated(x: Value, table: np.ndarray, name: str = "") -> Value:
    """The cheapest of ``x``, one Add, one Mul, a few thresholds, and a Lookup that gives ``table``.

    Its range is never wider than the table's.

    Args:
        table: the result for each of ``levels(x.type.dtype)``: int64 ``(L, 1)``, or ``(L, C)``.
    """
    d = x.type.dtype
    if table.shape[1] > 1 and (table == table[:, :1]).all():
        table = table[:, :1]
    if np.array_equal(table, np.broadcast_to(levels(d), table.shape)):
        return x
    if not x.type.shape:
        return _lookup(x, table, name)
    return _affine(x, table, name) or few_steps(x, table, name) or _lookup(x, table, name)


def _affine(x: Value, table: np.ndarray, name: str) -> Value | None:
    """One Add or Mul; a Mul and an Add where the table would have a row per channel."""
    d = x.type.dtype
    if d.levels < 2:
        return None
    rise = table[1] - table[0]
    slope = rise // d.step
    offset = table[0] - slope * d.lo
    if (rise % d.step).any() or not np.array_equal(slope * levels(d) + offset, table):
        return None
    if (slope == 1).all():
        return Node(Add(), (x, Const(offset)), name)
    if not offset.any():
        found = Node(Mul(), (x, Const(slope)), name)
    elif len(offset) > 1:
        found = Node(Add(), (Mul()(x, Const(slope)), Const(offset)), name)
    else:
        return None
    # A wider range could be more than what follows takes.
    return found if _within(found.type.dtype, range_of(table)) else None


def _within(inner: Int, outer: Int) -> bool:
    steps = inner.levels < 2 or (inner.step % outer.step == 0 == (inner.lo - outer.lo) % outer.step)
    return outer.lo <= inner.lo and inner.hi <= outer.hi and steps


def few_steps(x: Value, table: np.ndarray, name: str, limit: int = FEW_STEPS) -> Value | None:
    """Thresholds that give ``table``, where it rises in at most ``limit`` steps and they are smaller."""
    steps = as_steps(table, limit)
    if steps is None:
        return None
    bias, step, first = steps
    d = x.type.dtype
    if first.size * d.bits >= table.size * range_of(table).bits:
        return None
    thresholds = np.where(first == len(table), d.hi + 1, d.lo + d.step * first)
    return Node(Threshold(bias, step), (x, Const(thresholds)), name)


def as_steps(table: np.ndarray, limit: int) -> tuple[int, int, np.ndarray] | None:
    """``(bias, step, first)`` with ``table[i, c] = bias + step * #{k : i >= first[c, k]}``, None where a
    channel falls, or there are no steps, or more than ``limit``; ``first`` is L where never reached."""
    if (table[1:] < table[:-1]).any():
        return None
    bias, top = int(table.min()), int(table.max())
    step = int(np.gcd.reduce(table - bias, axis=None))
    if bias == top or (top - bias) // step > limit:
        return None
    values = np.arange(bias + step, top + 1, step)
    first = np.stack([np.searchsorted(column, values) for column in table.T])
    return bias, step, first


def _lookup(x: Value, table: np.ndarray, name: str) -> Node:
    d = x.type.dtype
    # One entry for each integer of the range: those that a step leaves out are never read.
    rows = np.repeat(table, d.step, axis=0)[: d.hi - d.lo + 1].T
    return Node(Lookup(d.lo), (x, Const(rows[0] if len(rows) == 1 else rows)), name)
