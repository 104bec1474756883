"""From integer graph to Design: the chain of layers, their stream types, and what joins their units."""

from collections.abc import Sequence
from itertools import pairwise
from math import lcm

from ..compiler.ir.graph import Const, Graph, Node, Value
from ..compiler.ir.ops import Conv2d, MatMul, MaxPool, Reshape
from ..compiler.ir.types import Int
from ..errors import LoweringError
from .buffering import depths
from .design import Design, Instance, Stream
from .lower import FPGA, Fold, Layer, verilog_name
from .units.fifo import FIFO
from .units.width_converter import WIDTH_CONVERTER

# FIFOs up to this depth stay in registers or LUT RAM; deeper ones may take a block RAM.
_SHALLOW = 32
_LEAST = 2


def layers(graph: Graph) -> list[Layer]:
    """The graph as a chain of layers ready to lower.

    Raises:
        LoweringError: the graph is not a chain from one input to one output, or an op has no rule.
    """
    chain = _chain(graph)
    for node in FPGA.missing(graph):
        FPGA.rule(node)
    carriers = [_carrier(value, chain[i + 1 :]) for i, value in enumerate(chain)]
    return [
        Layer(node, verilog_name(i, node.op.name, node.name), x, y)
        for i, (node, x, y) in enumerate(zip(chain[1:], carriers, carriers[1:], strict=False))
    ]


def _chain(graph: Graph) -> list[Value]:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise LoweringError(
            f"fpga: a design has 1 input and 1 output, not {len(graph.inputs)} and {len(graph.outputs)}. "
            "Cut the model where one tensor enters and one leaves."
        )
    chain: list[Value] = [graph.outputs[0]]
    while isinstance(chain[0], Node):
        data = [v for v in chain[0].inputs if not isinstance(v, Const)]
        if len(data) != 1:
            raise LoweringError(
                f"fpga: every layer takes one stream, not {len(data)} "
                f"(node {chain[0].name!r}: {chain[0].op.name} {chain[0].type}). "
                "Branches are not supported yet."
            )
        chain.insert(0, data[0])
    users: dict[int, int] = {}
    for node in graph.nodes():
        for v in node.inputs:
            users[id(v)] = users.get(id(v), 0) + 1
    for value in chain[:-1]:
        if users[id(value)] > 1:
            raise LoweringError(
                f"fpga: a stream has one reader, not {users[id(value)]} (of {value.name!r}). "
                "Branches are not supported yet."
            )
    if len(chain) < 2:
        raise LoweringError(f"fpga: graph {graph.name!r} must compute something, but it has no nodes")
    return chain


def _carrier(value: Value, after: Sequence[Node]) -> Int:
    """The type whose codes a value's stream carries: its own, widened where hardware must write a 0
    for padding that the type does not hold; sums are never one-bit codes."""
    t = value.type.dtype
    if isinstance(value, Node) and isinstance(value.op, MatMul | Conv2d):
        return Int(t.lo, t.hi)
    for node in after:
        if isinstance(node.op, Conv2d) and any(node.op.pads):
            holds_zero = t.lo <= 0 <= t.hi and t.lo % t.step == 0
            return t if holds_zero else Int(min(t.lo, 0), max(t.hi, 0))
        if not isinstance(node.op, MaxPool | Reshape):
            break
    return t


def assemble(name: str, chain: Sequence[Layer], folds: Sequence[Fold], buffered: bool = True) -> Design:
    """The Design for one folding per layer: units, width converters, and a FIFO on every edge.

    Args:
        buffered: whether FIFOs get the depth that keeps the interval; without, all have the least (quicker,
            for comparing foldings).
    """
    pairs = zip(chain, folds, strict=True)
    units = [unit for layer, fold in pairs for unit in FPGA.rule(layer.node).lower(layer, fold)]
    if not units:
        raise LoweringError(f"fpga: {name!r} must hold at least one layer that computes")
    joined = units[:1]
    for unit in units[1:]:
        joined += [*converters(joined[-1].output, unit.input.lanes, unit.name), unit]
    entries = [_LEAST] * len(joined)
    if buffered:
        entries = depths(joined, Design(name, tuple(joined)).interval)
    placed: list[Instance] = []
    for unit, depth in zip(joined, entries, strict=True):
        placed += [fifo(unit.input, f"{unit.name}_fifo", depth), unit]
    placed.append(fifo(joined[-1].output, "out_fifo", _LEAST))
    return Design(name, tuple(placed))


def converters(stream: Stream, lanes: int, name: str) -> list[Instance]:
    """Width converters from a stream to ``lanes`` elements a beat, through the least common multiple
    where neither width divides the other."""
    steps = [stream.lanes, lcm(stream.lanes, lanes), lanes]
    result, total = [], stream.lanes * stream.beats
    for n, (a, b) in enumerate(pairwise(steps)):
        if a != b:
            params = {"BITS": stream.element.bits, "IN": a, "OUT": b}
            result.append(
                Instance(
                    WIDTH_CONVERTER, f"{name}_width{n}", params, total // max(a, b),
                    Stream(stream.element, a, total // a), Stream(stream.element, b, total // b), "",
                )
            )
    return result


def fifo(stream: Stream, name: str, depth: int) -> Instance:
    """A FIFO of ``depth`` entries on ``stream``."""
    params = {"BITS": stream.bits, "DEPTH": depth, "RAM_STYLE": 2 if depth <= _SHALLOW else 0}
    return Instance(FIFO, name, params, stream.beats, stream, stream)

