"""Compare with shifted thresholds instead of shifting what is compared."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Add, Threshold
from .channels import clipped, constant_operand
from .rewrite import rewrite


def absorb_add_into_threshold(graph: Graph) -> Graph:
    """threshold(x + c, t)  ->  threshold(x, t - c), for constant c. Exact."""

    def rule(node: Node, users):
        match node:
            case Node(Threshold(), (Node(Add()) as added, Const() as t)):
                found = constant_operand(added)
                if not found:
                    return None
                x, c = found
                # Clipped first, so that thresholds far outside of the range cannot overflow.
                moved = clipped(t.value, added.type.dtype) - c[:, None]
                return Node(node.op, (x, Const(moved, t.name)), node.name)
        return None

    return rewrite(graph, rule)
