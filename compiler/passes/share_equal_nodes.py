"""One node where several compute the same."""

from collections.abc import Hashable
from dataclasses import replace

from ..ir.graph import Const, Graph, Node, Value

# Constants up to this size are compared by value, larger ones by identity.
_SMALL = 4096


def share_equal_nodes(graph: Graph) -> Graph:
    """f(x), f(x)  ->  f(x), used twice

    Exact. The first one stays, with its name.
    """
    known: dict[Hashable, Node] = {}
    new: dict[int, Value] = {}
    for value in graph.values():
        if not isinstance(value, Node):
            new[id(value)] = value
            continue
        inputs = tuple(new[id(v)] for v in value.inputs)
        same = all(a is b for a, b in zip(inputs, value.inputs, strict=True))
        node = value if same else Node(value.op, inputs, value.name)
        new[id(value)] = known.setdefault((node.op, tuple(map(_key, inputs))), node)
    if all(new[id(v)] is v for v in graph.values()):
        return graph
    return replace(graph, outputs=tuple(new[id(v)] for v in graph.outputs))


def _key(value: Value) -> Hashable:
    if isinstance(value, Const) and value.value.size <= _SMALL:
        return value.type, value.value.tobytes()
    return id(value)
