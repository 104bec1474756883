"""Make constant additions a layer's bias."""

from ..ir.graph import Graph, Node
from ..ir.ops import Add
from .channels import bias_of, constant_operand, takes_bias, with_bias
from .rewrite import Users, rewrite


def absorb_add_into_linear(graph: Graph) -> Graph:
    """add(linear(x, w, b), c)  ->  linear(x, w, b + c)

    Exact, for linear in matmul, conv2d and their adder forms, where nothing else uses what it computes.
    """

    def rule(node: Node, users: Users):
        if not isinstance(node.op, Add):
            return None
        found = constant_operand(node)
        if not found or not takes_bias(found[0]) or users(found[0]) > 1:
            return None
        linear, c = found
        return with_bias(linear, bias_of(linear) + c)

    return rewrite(graph, rule)
