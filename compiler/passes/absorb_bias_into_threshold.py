"""Compare with shifted thresholds instead of adding a bias."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Threshold
from .channels import bias_of, clipped, takes_bias
from .rewrite import Users, rewrite


def absorb_bias_into_threshold(graph: Graph) -> Graph:
    """threshold(linear(x, w, b), t)  ->  threshold(linear(x, w), t - b)

    Exact, for linear in matmul, conv2d and their adder forms, where nothing else uses what it computes.
    """

    def rule(node: Node, users: Users):
        linear, *rest = node.inputs
        if not isinstance(node.op, Threshold) or not takes_bias(linear) or len(linear.inputs) < 3:
            return None
        if users(linear) > 1:
            return None
        moved = clipped(rest[0].value, linear.type.dtype) - bias_of(linear)[:, None]
        product = Node(linear.op, linear.inputs[:2], linear.name)
        return Node(node.op, (product, Const(moved, rest[0].name)), node.name)

    return rewrite(graph, rule)
