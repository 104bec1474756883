"""From an integer graph to DSLX, fully unrolled: a function of one frame's bits."""

from dataclasses import dataclass

import numpy as np

from ...errors import LoweringError
from ..ir.graph import Const, Graph, Input, Node, Value
from .rules import ELEMENTWISE, XLS
from .text import Body, Module, converted, joined, literal, type_of

# Of a graph: additions, comparisons and products with what is not 0. Beyond, XLS takes many minutes.
MOST_WORK = 12_000


@dataclass(frozen=True)
class Dslx:
    """The text of a module whose function ``text.TOP`` takes a frame's input codes, the first element in the
    low bits, and gives its output codes; ``size`` counts the operations in it."""

    text: str
    in_bits: int
    out_bits: int
    size: int


def check(graph: Graph) -> str:
    """Why a graph whose nodes all have rules cannot become DSLX as a whole; empty where it can."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return (
            f"xls: a design has 1 input and 1 output, not {len(graph.inputs)} and {len(graph.outputs)}. "
            "Cut the model where one tensor enters and one leaves."
        )
    work = sum(work_of(node) for node in graph.nodes())
    if work > MOST_WORK:
        return (
            f"xls: unrolled, a graph must be at most {MOST_WORK} additions, comparisons and products with "
            f"what is not 0, not {work} ({graph.name!r}). Compile without --via xls, or prune it."
        )
    return ""


def work_of(node: Node) -> int:
    """Additions, comparisons, and products with constants other than 0, of one frame."""
    work = node.op.work(*node.inputs)
    macs = work.macs
    if len(node.inputs) > 1 and isinstance(node.inputs[1], Const):
        macs = round(macs * np.count_nonzero(node.inputs[1].value) / node.inputs[1].value.size)
    return macs + work.adds + work.compares


def dslx_of(graph: Graph) -> Dslx:
    """The graph as DSLX.

    Raises:
        LoweringError: an op without a rule, several inputs or outputs, or too much work.
    """
    for node in graph.nodes():
        XLS.rule(node)
    fault = check(graph)
    if fault:
        raise LoweringError(fault)
    module, source, sink = Module(), graph.inputs[0], graph.outputs[0]
    made: dict[Value, np.ndarray] = {source: _inputs(module.top, source)}
    for node in graph.nodes():
        operands = [v for v in node.inputs if v in made or isinstance(node.op, ELEMENTWISE)]
        made[node] = XLS.rule(node)(module, node, [_elements(made, v) for v in operands])
    d = sink.type.dtype
    fields = [(f"({converted(w, d)} as uN[{d.bits}])", d.bits) for w in _elements(made, sink).reshape(-1)]
    in_bits, out_bits = source.type.size * source.type.dtype.bits, d.bits * len(fields)
    result = joined(module.top, fields)
    return Dslx(module.text(in_bits, out_bits, result), in_bits, out_bits, module.top.size)


def _inputs(body: Body, source: Input) -> np.ndarray:
    """The elements of the input."""
    d, found = source.type.dtype, np.empty(source.type.size, dtype=object)
    for n in range(found.size):
        field = f"x[{n * d.bits}:{(n + 1) * d.bits}]"
        found[n] = body.let(f"{field} as {type_of(d)}" if d.signed else field, d)
    return found.reshape(source.type.shape)


def _elements(made: dict[Value, np.ndarray], value: Value) -> np.ndarray:
    """The wires of a tensor."""
    if value in made:
        return made[value]
    found = np.empty(value.type.size, dtype=object)
    found[:] = [literal(int(v)) for v in value.value.reshape(-1)]
    return found.reshape(value.type.shape)
