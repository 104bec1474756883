"""Flatten in memory order and let the weights make up for it."""

from math import prod

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import AdderMatMul, MatMul, Reshape, Transpose
from .channels import is_per_tensor
from .rewrite import Users, rewrite


def absorb_transpose_into_matmul(graph: Graph) -> Graph:
    """matmul(reshape(transpose(x, p)), w)  ->  matmul(reshape(x), rows of w permuted). Exact.

    For adder_matmul alike. Also through per-tensor nodes (thresholds and tables with one row, scalar Add
    and Mul) and more reshapes between the two, where nothing else uses what those nodes compute. Leading
    axes that ``w`` does not sum over must stay in place.
    """

    def rule(node: Node, users: Users):
        if not isinstance(node.op, MatMul | AdderMatMul):
            return None
        chain = _chain(node.inputs[0], users)
        if not chain:
            return None
        transpose = chain[-1]
        order = _row_order(transpose, node.inputs[0].type.shape)
        if order is None:
            return None
        w = node.inputs[1]
        rows = np.empty_like(w.value)
        rows[order] = w.value
        value: Value = transpose.inputs[0]
        for link in reversed(chain[:-1]):
            value = Node(link.op, (value, *link.inputs[1:]), link.name)
        flat = node.inputs[0]
        if value.type.shape != flat.type.shape:
            kept = isinstance(flat.op, Reshape) and users(flat) == 1
            value = Reshape(flat.type.shape)(value, name=flat.name if kept else "")
        return Node(node.op, (value, Const(rows, w.name), *node.inputs[2:]), node.name)

    return rewrite(graph, rule)


def _chain(value: Value, users: Users) -> list[Node] | None:
    """Per-tensor nodes from the matmul's operand up to a Transpose, which ends the list; None where
    something else is in the way. Reshapes are left out: the elements keep their order through them.
    """
    chain: list[Node] = []
    shared = False
    while isinstance(value, Node):
        if isinstance(value.op, Transpose):
            return [*chain, value]
        shared |= users(value) > 1
        if is_per_tensor(value):
            if shared:
                return None
            chain.append(value)
        elif not isinstance(value.op, Reshape):
            return None
        value = value.inputs[0]
    return None


def _row_order(transpose: Node, flat: tuple[int, ...]) -> np.ndarray | None:
    """For each row of the weights, the row it becomes, None where an outer axis moves."""
    shape, perm = transpose.inputs[0].type.shape, transpose.op.perm
    outer = 0
    while prod(shape[:outer]) < prod(flat[:-1]):
        outer += 1
    if prod(shape[:outer]) != prod(flat[:-1]) or perm[:outer] != tuple(range(outer)):
        return None
    inner = tuple(a - outer for a in perm[outer:])
    return np.arange(flat[-1]).reshape(shape[outer:]).transpose(inner).reshape(-1)
