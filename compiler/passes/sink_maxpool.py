"""Pool after the thresholds, where elements are a few bits wide."""

from ..ir.graph import Graph, Node
from ..ir.ops import MaxPool, Threshold
from .rewrite import Users, rewrite


def sink_maxpool(graph: Graph) -> Graph:
    """threshold(maxpool(x), t)  ->  maxpool(threshold(x, t)), where nothing else uses the pool.

    Exact: a threshold never decreases, so it and the largest element change places; padded positions
    win on neither side.
    """

    def rule(node: Node, users: Users):
        match node:
            case Node(Threshold(), (Node(MaxPool() as pool, (x,)) as moved, t)) if users(moved) == 1:
                return Node(pool, (Node(node.op, (x, t), node.name),), moved.name)
        return None

    return rewrite(graph, rule)
