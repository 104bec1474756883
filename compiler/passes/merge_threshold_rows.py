"""One row of thresholds where all channels have the same."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Threshold
from .rewrite import rewrite


def merge_threshold_rows(graph: Graph) -> Graph:
    """threshold(x, t), equal rows  ->  threshold(x, the first row). Exact."""

    def rule(node: Node, users):
        if not isinstance(node.op, Threshold):
            return None
        x, t = node.inputs
        if len(t.value) == 1 or not (t.value == t.value[0]).all():
            return None
        return Node(node.op, (x, Const(t.value[:1], t.name)), node.name)

    return rewrite(graph, rule)
