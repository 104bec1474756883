"""Keep thresholds as narrow as what they are compared with."""

import numpy as np

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Threshold
from .channels import clipped
from .rewrite import rewrite


def clip_thresholds(graph: Graph) -> Graph:
    """threshold(x, t)  ->  threshold(x, t clipped to [smallest x, largest x + 1]). Exact."""

    def rule(node: Node, users):
        if not isinstance(node.op, Threshold):
            return None
        x, t = node.inputs
        narrow = clipped(t.value, x.type.dtype)
        if np.array_equal(narrow, t.value):
            return None
        return Node(node.op, (x, Const(narrow, t.name)), node.name)

    return rewrite(graph, rule)
