"""Move transposes down to where they cancel."""

from dataclasses import replace

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Add, Mul, Reshape, Threshold, Transpose
from .channels import is_per_tensor
from .layout import Perm, compose, inverse, is_identity

_ELEMENTWISE = Threshold | Add | Mul


def sink_transpose(graph: Graph) -> Graph:
    """threshold(transpose(x), t)        ->  transpose(threshold(x, t))
    add(transpose(x, p), transpose(z, p))  ->  transpose(add(x, z), p), and mul alike
    add(transpose(x), constant)            ->  transpose(add(x, constant)), and mul alike

    Exact. Only where a Transpose, a Reshape or an output follows, perhaps after more such ops, so that
    the Transpose can meet its inverse or be absorbed. Per-channel operands need the channels to stay
    last. Transposes that meet on the way become one.
    """
    return _Sink(graph).run()


class _Sink:
    """Each value as (what it is a transpose of, how); transposes are made again where they are needed."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.gains = _gains(graph)
        self.new: dict[int, tuple[Value, Perm | None]] = {}
        self.made: dict[tuple[int, Perm], Value] = {}

    def run(self) -> Graph:
        """The graph with its transposes moved; the same object if none was."""
        for value in self.graph.values():
            self.new[id(value)] = self._visit(value) if isinstance(value, Node) else (value, None)
        outputs = tuple(self._whole(v) for v in self.graph.outputs)
        if all(a is b for a, b in zip(outputs, self.graph.outputs, strict=True)):
            return self.graph
        return replace(self.graph, outputs=outputs)

    def _visit(self, node: Node) -> tuple[Value, Perm | None]:
        if isinstance(node.op, Transpose):
            source, perm = self.new[id(node.inputs[0])]
            total = compose(perm, node.op.perm) if perm else node.op.perm
            if source is node.inputs[0]:
                self.made.setdefault((id(source), total), node)
            return source, (None if is_identity(total) else total)
        if id(node) in self.gains:
            sunk = self._sunk(node)
            if sunk:
                return sunk
        operands = tuple(self._whole(v) for v in node.inputs)
        if all(a is b for a, b in zip(operands, node.inputs, strict=True)):
            return node, None
        return Node(node.op, operands, node.name), None

    def _sunk(self, node: Node) -> tuple[Value, Perm] | None:
        (x, perm), (z, other) = (self.new[id(v)] for v in node.inputs)
        if isinstance(x, Const) and not isinstance(z, Const):
            moved = self._constant(node, x, other)
            return moved and (Node(node.op, (moved, z), node.name), other)
        if perm is None:
            return None
        if isinstance(z, Const):
            z = self._constant(node, z, perm)
        elif other != perm:
            return None
        return z and (Node(node.op, (x, z), node.name), perm)

    def _constant(self, node: Node, const: Const, perm: Perm | None) -> Const | None:
        """The constant operand as it must be above a transpose by ``perm``, None where it cannot."""
        if perm is None:
            return None
        channels_last = perm[-1] == len(perm) - 1
        if isinstance(node.op, Threshold):
            return const if channels_last or is_per_tensor(node) else None
        if const.value.shape == node.type.shape:
            return Const(const.value.transpose(inverse(perm)), const.name)
        return const if channels_last or const.value.size == 1 else None

    def _whole(self, value: Value) -> Value:
        source, perm = self.new[id(value)]
        if perm is None:
            return source
        if (id(source), perm) not in self.made:
            self.made[id(source), perm] = Transpose(perm)(source)
        return self.made[id(source), perm]


def _gains(graph: Graph) -> set[int]:
    """Ids of the elementwise nodes below which a Transpose may cancel or be absorbed."""
    found = {id(v) for v in graph.outputs}
    for node in reversed(graph.nodes()):
        useful = isinstance(node.op, Transpose | Reshape)
        useful |= isinstance(node.op, _ELEMENTWISE) and id(node) in found
        if useful:
            found |= {id(v) for v in node.inputs}
    return {id(n) for n in graph.nodes() if isinstance(n.op, _ELEMENTWISE) and id(n) in found}
