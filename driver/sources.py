"""The nodes of a source model, what became of each, and which targets take it."""

from collections.abc import Iterable

from ..compiler.frontends.importer import BLOCKED, REFUSED, SourceRecord
from ..compiler.ir.boundary import plain_input, plain_output
from ..compiler.ir.graph import Graph, Input, Node
from ..errors import GraphError
from .coverage import Coverage


def partial_graph(records: Iterable[SourceRecord], name: str) -> Graph | None:
    """What was taken of a model that cannot be imported as a whole: a graph whose outputs are all tensors
    that no taken node reads, so that targets can be asked about it. None where nothing was taken."""
    nodes = [n for r in records for n in r.nodes]
    read = {id(v) for n in nodes for v in n.inputs}
    outputs = tuple(n for n in nodes if id(n) not in read)
    inputs = tuple({id(v): v for n in nodes for v in n.inputs if isinstance(v, Input)}.values())
    if not outputs or not inputs:
        return None
    encodings = tuple(plain_input(i.type.shape) for i in inputs)
    decodings = tuple(plain_output(o.type.shape) for o in outputs)
    graph = Graph(inputs, outputs, name, encodings, decodings)
    try:
        graph.verify()
    except GraphError:
        return None
    return graph


def owners(records: tuple[SourceRecord, ...], nodes: list[Node]) -> list[int | None]:
    """For each node of the final graph, operands first, the number of the source node that it belongs to.

    Passes keep nodes, or at least their names. Nodes that they make go to whom they serve: the source node
    of a reader, else of an operand.
    """
    by_id = {id(n): i for i, r in enumerate(records) for n in r.nodes}
    by_name = {n.name: i for i, r in enumerate(records) for n in r.nodes if n.name}
    owner: dict[int, int] = {}
    for node in nodes:
        known = by_id.get(id(node), by_name.get(node.name))
        if known is not None:
            owner[id(node)] = known
    for node in reversed(nodes):
        for operand in node.inputs:
            if id(node) in owner and isinstance(operand, Node):
                owner.setdefault(id(operand), owner[id(node)])
    for node in nodes:
        served = [owner[id(v)] for v in node.inputs if id(v) in owner]
        if served:
            owner.setdefault(id(node), served[0])
    return [owner.get(id(n)) for n in nodes]


def source_rows(records: tuple[SourceRecord, ...], nodes: list[Node], covered: Coverage) -> list[dict]:
    """One dict per source node, as docs/inspect.md describes ``nodes``.

    Args:
        nodes: of the graph after the passes, operands first.
        covered: what the targets make of that graph.
    """
    became: dict[int, list[Node]] = {}
    for node, owner in zip(nodes, owners(records, nodes), strict=True):
        if owner is not None:
            became.setdefault(owner, []).append(node)
    return [_row(record, became.get(i, []), covered) for i, record in enumerate(records)]


def _row(record: SourceRecord, nodes: list[Node], covered: Coverage) -> dict:
    lost = record.outcome in (REFUSED, BLOCKED)
    return {
        "op": record.op_type,
        "name": record.name,
        "outcome": record.outcome,
        "becomes": [n.op.name for n in nodes],
        "targets": [] if lost else covered.targets(nodes),
        "problem": record.problem,
        "refusals": covered.reasons(nodes),
        "kernels": None if lost else covered.kernels(nodes),
    }
