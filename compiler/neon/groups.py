"""Nodes that one kernel computes: a product or pool, and the functions of single elements behind it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    BatchMatMul,
    Conv2d,
    ConvTranspose2d,
    Lookup,
    MatMul,
    Mul,
    Threshold,
)

ELEMENTWISE = (Add, Lookup, Mul, Threshold)
ANCHORS = (AdderConv2d, AdderMatMul, BatchMatMul, Conv2d, ConvTranspose2d, MatMul)


@dataclass(frozen=True, eq=False)
class Group:
    """``output`` in terms of tensors in memory.

    Attributes:
        anchor: the product that is computed first, or any op alone; None where elements are enough.
        output: the value that is stored.
        inside: ids of nodes whose values exist in registers only.
    """

    anchor: Node | None
    output: Node
    inside: frozenset[int]

    @property
    def nodes(self) -> list[Node]:
        """The elementwise nodes, operands before users."""
        order: list[Node] = []

        def visit(node: Value) -> None:
            if node is self.anchor or not isinstance(node, Node) or node in order:
                return
            if node is self.output or id(node) in self.inside:
                for operand in node.inputs:
                    visit(operand)
                order.append(node)

        visit(self.output)
        return order

    @property
    def leaves(self) -> list[Value]:
        """Tensors in memory that the elementwise nodes read, in order of use."""
        found = {
            id(v): v
            for node in self.nodes
            for v in elements_of(node)
            if v is not self.anchor and id(v) not in self.inside
        }
        return list(found.values())


def elements_of(node: Node) -> list[Value]:
    """The operands of an elementwise node that have an element for each of its own; others are its
    parameters: tables, thresholds, and constants of one number or one for each channel."""
    operands = node.inputs[:1] if isinstance(node.op, Lookup | Threshold) else node.inputs
    return [v for v in operands if not (isinstance(v, Const) and _by_channel(v, node))]


def _by_channel(value: Const, node: Node) -> bool:
    channels = (1, *node.type.shape)[-1]
    return value.type.size == 1 or (value.type.size == channels == value.type.shape[-1])


def group(graph: Graph) -> list[Group]:
    """The graph's nodes in groups, in an order of execution."""
    users = Counter(id(v) for node in graph.nodes() for v in node.inputs)
    users.update(id(v) for v in graph.outputs)
    nodes = graph.nodes()
    readers: dict[int, Node] = {id(v): node for node in nodes for v in node.inputs}
    outputs = {id(v) for v in graph.outputs}
    anchors: dict[int, Node] = {}  # elementwise node -> the product in front of it
    inside: set[int] = set()
    for node in nodes:
        kept = users[id(node)] > 1 or id(node) in outputs
        reader = readers.get(id(node))
        if kept or reader is None or not isinstance(reader.op, ELEMENTWISE):
            continue
        if node.type.shape != reader.type.shape:
            continue
        anchor = node if isinstance(node.op, ANCHORS) else anchors.get(id(node))
        if not isinstance(node.op, (*ELEMENTWISE, *ANCHORS)):
            continue
        # One product to a kernel; the second one of a sum is stored first.
        if anchor is None or anchors.setdefault(id(reader), anchor) is anchor:
            inside.add(id(node))
    return [_group(node, anchors, inside) for node in nodes if id(node) not in inside]


def _group(node: Node, anchors: dict[int, Node], inside: set[int]) -> Group:
    if not isinstance(node.op, ELEMENTWISE):
        return Group(node, node, frozenset())
    reached: set[int] = set()
    stack: list[Value] = [node]
    while stack:
        value = stack.pop()
        for operand in value.inputs if isinstance(value, Node) else ():
            if id(operand) in inside and id(operand) not in reached:
                reached.add(id(operand))
                if isinstance(operand.op, ELEMENTWISE):
                    stack.append(operand)
    anchor = anchors.get(id(node))
    return Group(anchor if anchor is not None and id(anchor) in reached else None, node, frozenset(reached))
