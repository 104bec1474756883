"""One table for what two functions of the same tensor give together, as in x * sigmoid(x)."""

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Add, Mul
from .elementwise import FEW_LEVELS, apply, levels, operand_of, tabulated
from .rewrite import rewrite


def merge_branches(graph: Graph) -> Graph:
    """mul(f(x), g(x))  ->  lookup(x), and add alike

    Exact, for f and g of tables, thresholds, factors and summands, where x has a range of at most 256
    integers. One table for all channels, or as many entries for all channels together.
    """

    def rule(node: Node, users):
        if not isinstance(node.op, Add | Mul) or any(isinstance(v, Const) for v in node.inputs):
            return None
        f, g = (_steps(v) for v in node.inputs)
        common = next((base for base in f if base in g), None)
        if common is None:
            return None
        x = levels(common.type.dtype)
        a, b = (_through(x, steps[common]) for steps in (f, g))
        table = a + b if isinstance(node.op, Add) else a * b
        return tabulated(common, table, node.name) if table.size <= FEW_LEVELS else None

    return rewrite(graph, rule)


def _steps(value: Value) -> dict[Value, list[Node]]:
    """Each tensor of few levels that the operand is a function of, with the nodes from it on."""
    found: dict[Value, list[Node]] = {}
    nodes: list[Node] = []
    below: Value | None = value
    while below is not None:
        if below.type.dtype.hi - below.type.dtype.lo < FEW_LEVELS:
            found[below] = nodes
        value, below = below, operand_of(below)
        nodes = [value, *nodes]
    return found


def _through(x, nodes: list[Node]):
    for node in nodes:
        x = apply(node, x)
    return x
