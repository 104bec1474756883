"""Compare with divided thresholds instead of multiplying what is compared."""

import numpy as np

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Mul, Threshold
from .channels import clipped, constant_operand
from .rewrite import rewrite


def absorb_mul_into_threshold(graph: Graph) -> Graph:
    """threshold(x * c, t)  ->  threshold(x, ceil(t / c)), for constant c >= 0. Exact.

    Where c is 0, thresholds up to 0 are always reached and others never.
    """

    def rule(node: Node, users):
        match node:
            case Node(Threshold(), (Node(Mul()) as product, Const() as t)):
                found = constant_operand(product)
                if not found or (found[1] < 0).any():
                    return None
                x, c = found
                thresholds, factor = clipped(t.value, product.type.dtype), c[:, None]
                divided = -(-thresholds // np.maximum(factor, 1))
                constant = np.where(thresholds <= 0, x.type.dtype.lo, x.type.dtype.hi + 1)
                moved = np.where(factor == 0, constant, divided)
                return Node(node.op, (x, Const(moved, t.name)), node.name)
        return None

    return rewrite(graph, rule)
