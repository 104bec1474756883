"""Compute what depends on constants only."""

import numpy as np

from ..ir.graph import Const, Graph, Node
from .rewrite import rewrite


def propagate_constants(graph: Graph) -> Graph:
    """op(constants)  ->  constant. Exact."""

    def rule(node: Node, users):
        if not all(isinstance(v, Const) for v in node.inputs):
            return None
        data, *rest = (v.value for v in node.inputs)
        return Const(node.op.evaluate(data[np.newaxis], *rest)[0], node.name)

    return rewrite(graph, rule)
