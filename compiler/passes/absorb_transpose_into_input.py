"""Let the input come in the layout that the graph computes in."""

from dataclasses import replace

from ..ir.boundary import plain_input
from ..ir.graph import Graph, Input, Node, Value
from ..ir.types import TensorType
from .channels import is_per_tensor
from .layout import Perm, compose, is_identity, permutation_of


def absorb_transpose_into_input(graph: Graph) -> Graph:
    """input -> transpose(p)  ->  input whose encoding permutes by p as well. Exact.

    Also through thresholds and tables with one row and scalar Add and Mul in between. Every use of the
    input must come to the same permutation; a Reshape that only moves axes of size 1 counts as one. A
    graph without encodings is given plain ones first, so that the caller's layout stays on record.
    """
    while (absorbed := _absorb(graph)) is not graph:
        graph = absorbed
    return graph


def _absorb(graph: Graph) -> Graph:
    """Absorb one layer of transposes; the same object if there is none."""
    moved = _moved(graph)
    inputs = tuple(_permuted(i, moved[id(i)]) if id(i) in moved else i for i in graph.inputs)
    if all(a is b for a, b in zip(inputs, graph.inputs, strict=True)):
        return graph
    new: dict[int, Value] = {id(a): b for a, b in zip(graph.inputs, inputs, strict=True)}
    for value in graph.values():
        if isinstance(value, Node):
            new[id(value)] = _rebuilt(value, new, moved)
        else:
            new.setdefault(id(value), value)
    encodings = graph.encodings or tuple(plain_input(i.type.shape) for i in graph.inputs)
    return replace(
        graph,
        inputs=inputs,
        outputs=tuple(new[id(v)] for v in graph.outputs),
        encodings=tuple(
            replace(e, perm=compose(e.perm, moved[id(i)])) if id(i) in moved else e
            for e, i in zip(encodings, graph.inputs, strict=True)
        ),
    )


def _moved(graph: Graph) -> dict[int, Perm]:
    """The permutation that goes into an input, by id of the input and of the per-tensor nodes on it."""
    values = graph.values()
    below: dict[int, Value] = {id(i): i for i in graph.inputs}
    for value in values:
        if isinstance(value, Node) and is_per_tensor(value) and id(value.inputs[0]) in below:
            below[id(value)] = value
    wanted = _wanted(graph, values, below)
    moved: dict[int, Perm] = {}
    for key, value in below.items():
        perm = wanted[key]
        if isinstance(value, Node):
            # What all uses of an input want, the nodes on it want too.
            perm = moved.get(id(value.inputs[0]))
        if perm is not None and not is_identity(perm):
            moved[key] = perm
    return moved


def _wanted(graph: Graph, values: list[Value], below: dict[int, Value]) -> dict[int, Perm | None]:
    """For each value in ``below``, the one permutation that all its uses come to, else None."""
    uses: dict[int, list[Node]] = {id(v): [] for v in values}
    for node in graph.nodes():
        for operand in node.inputs:
            uses[id(operand)].append(node)
    outputs = {id(v) for v in graph.outputs}
    wanted: dict[int, Perm | None] = {}
    for value in reversed(below.values()):
        perms = {wanted[id(u)] if id(u) in below else permutation_of(u) for u in uses[id(value)]}
        single = len(perms) == 1 and id(value) not in outputs
        wanted[id(value)] = perms.pop() if single else None
    return wanted


def _permuted(value: Input, perm: Perm) -> Input:
    shape = tuple(value.type.shape[a] for a in perm)
    return Input(value.name, TensorType(shape, value.type.dtype))


def _rebuilt(node: Node, new: dict[int, Value], moved: dict[int, Perm]) -> Value:
    operands = tuple(new[id(v)] for v in node.inputs)
    if id(node.inputs[0]) in moved and id(node) not in moved:
        return operands[0]
    if all(a is b for a, b in zip(operands, node.inputs, strict=True)):
        return node
    return Node(node.op, operands, node.name)
