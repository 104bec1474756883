"""Multiply weights, not results."""

import numpy as np

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Mul
from ..ir.types import LIMIT
from .channels import bias_of, bits_of, constant_operand, is_linear, with_bias
from .rewrite import Users, rewrite


def absorb_sign_into_weights(graph: Graph) -> Graph:
    """mul(linear(x, w, b), c)  ->  linear(x, w * c, b * c)

    Exact, for linear in matmul and conv2d, where nothing else uses the product. Entries of c in
    {-1, 0, 1} always go in, others where the weights need no more bits for it. Where they would,
    the signs alone go in and mul(..., |c|) stays.
    """

    def rule(node: Node, users: Users):
        if not isinstance(node.op, Mul):
            return None
        found = constant_operand(node)
        if not found or not is_linear(found[0]) or users(found[0]) > 1:
            return None
        linear, c = found
        # In Python's integers, where a product cannot wrap around.
        if int(np.abs(bias_of(linear)).max()) * int(np.abs(c).max()) >= LIMIT:
            return None
        if np.abs(c).max() <= 1 or _harmless(linear, c):
            return _scaled(linear, c)
        if (c < 0).any():
            positive = _scaled(linear, np.where(c < 0, -1, 1))
            return Node(Mul(), (positive, Const(np.abs(c))), node.name)
        return None

    return rewrite(graph, rule)


def _harmless(linear: Node, c: np.ndarray) -> bool:
    w = linear.inputs[1].value
    if int(np.abs(w).max()) * int(np.abs(c).max()) >= 2**31:
        return False
    return bits_of(w * c) <= bits_of(w)


def _scaled(linear: Node, c: np.ndarray) -> Node:
    x, w = linear.inputs[:2]
    product = Node(linear.op, (x, Const(w.value * c, w.name), *linear.inputs[2:]), linear.name)
    return with_bias(product, bias_of(linear) * c)
