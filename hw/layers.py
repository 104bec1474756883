"""From integer graph to layers: what reads what, and the type that each stream carries."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ..compiler.ir.graph import Graph, Input, Node, Value
from ..compiler.ir.types import Int
from ..errors import LoweringError
from .lower import FPGA
from .rules.rule import Layer, Operand

_LONGEST = 24


def layers(graph: Graph) -> list[Layer]:
    """The graph's layers, each behind those it reads; the last one's result is the graph's output.

    Raises:
        LoweringError: several inputs or outputs, an op without a rule, or a layer that reads no stream.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise LoweringError(
            f"fpga: a design has 1 input and 1 output, not {len(graph.inputs)} and {len(graph.outputs)}. "
            "Cut the model where one tensor enters and one leaves."
        )
    for node in FPGA.missing(graph):
        FPGA.rule(node)
    read = _operands(graph)
    if not read:
        raise LoweringError(f"fpga: graph {graph.name!r} must compute something, but it has no nodes")
    carriers = _carriers(read)
    return [
        Layer(
            node,
            verilog_name(i, node.op.name, node.name),
            tuple(replace(o, type=carriers[o.value]) for o in operands),
            carriers[node],
        )
        for i, (node, operands) in enumerate(read.items())
    ]


def layer_alone(node: Node) -> Layer:
    """The layer that ``node`` is by itself, absorbing nothing and read by nobody.

    Raises:
        LoweringError: the op has no rule, or reads no stream.
    """
    return Layer(node, "layer", _read(node, lambda value: False), node.type.dtype)


def _operands(graph: Graph) -> dict[Node, tuple[Operand, ...]]:
    """What each node reads that becomes a layer, operands before users; absorbed nodes do not."""
    nodes = graph.nodes()
    readers = Counter(id(v) for node in nodes for v in node.inputs)
    readers.update(id(v) for v in graph.outputs)
    found: dict[Node, tuple[Operand, ...]] = {}
    needed = {id(v) for v in graph.outputs}
    for node in reversed(nodes):
        if id(node) not in needed:
            continue
        operands = _read(node, lambda value: readers[id(value)] == 1)
        needed |= {id(o.value) for o in operands}
        found[node] = operands
    return dict(reversed(found.items()))


def _read(node: Node, alone: Callable[[Value], bool]) -> tuple[Operand, ...]:
    """What the node's layer reads, absorbing values that are ``alone``."""
    operands = FPGA.rule(node).operands(node, alone)
    if not operands:
        raise LoweringError(
            f"fpga: every layer must read a computed tensor, but all that {node.name!r} ({node.op.name}) "
            "reads is constant. Leave it out of the model: its result never changes."
        )
    return operands


def _carriers(read: dict[Node, tuple[Operand, ...]]) -> dict[Value, Int]:
    """The type whose codes each value's stream carries: its own, but sums are never one-bit codes; widened
    where hardware writes a 0 for padding that the type does not hold, and alike on both sides of what
    passes codes on."""
    types: dict[Value, Int] = {}
    for node, operands in read.items():
        types |= {o.value: o.value.type.dtype for o in operands if isinstance(o.value, Input)}
        own = node.type.dtype
        types[node] = Int(own.lo, own.hi) if FPGA.rule(node).sums else own
    for node, operands in read.items():
        if FPGA.rule(node).writes_zero(node):
            for o in operands:
                types[o.value] = _widened(types[o.value], Int(0, 0))
    settled = False
    while not settled:
        settled = True
        for node, operands in reversed(read.items()):
            if not FPGA.rule(node).keeps_codes:
                continue
            same = [node, *(o.value for o in operands)]
            wide = types[node]
            for value in same:
                wide = _widened(wide, types[value])
            settled = settled and all(types[v] == wide for v in same)
            types |= dict.fromkeys(same, wide)
    return types


def _widened(t: Int, other: Int) -> Int:
    """A type whose codes hold both."""
    for wide, narrow in ((t, other), (other, t)):
        inside = wide.lo <= narrow.lo and narrow.hi <= wide.hi and (narrow.lo - wide.lo) % wide.step == 0
        if inside and (narrow.levels == 1 or narrow.step % wide.step == 0):
            return wide
    return Int(min(t.lo, other.lo), max(t.hi, other.hi))


def verilog_name(index: int, op_name: str, source: str) -> str:
    """A legal, unique identifier; the source's name only lends it readable letters."""
    tail = re.sub(r"[^A-Za-z0-9]+", "_", source).strip("_")[:_LONGEST]
    return f"u{index:02d}_{op_name}" + (f"_{tail}" if tail else "")
