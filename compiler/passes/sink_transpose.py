"""Move transposes down to where they cancel."""

from dataclasses import replace

from ..ir.graph import Const, Graph, Input, Node, Value
from ..ir.ops import Add, Concat, Mul, Reshape, Transpose
from .channels import is_per_tensor
from .layout import Perm, compose, inverse, is_identity
from .transposed_ops import SINKS

# Ops of several tensors, which must all come with the same transpose.
_JOINS = Add | Mul | Concat


def sink_transpose(graph: Graph) -> Graph:
    """threshold(transpose(x), t)            ->  transpose(threshold(x, t)), and lookup alike
    add(transpose(x, p), transpose(z, p))    ->  transpose(add(x, z), p), and mul and concat alike
    add(transpose(x), constant)              ->  transpose(add(x, constant)), and mul and concat alike
    slice(transpose(x))                      ->  transpose(slice(x)), and pad and reduce_sum alike
    maxpool(transpose(x))                    ->  transpose(maxpool(x)), where rows and columns change
        places, and sumpool and upsample alike
    matmul(transpose(x))                     ->  transpose(matmul(x)), where the last axis stays, and
        adder_matmul and argmax alike
    reshape(transpose(x))                    ->  transpose(reshape(x)), where axes are split or joined

    Exact. Only where a Transpose, a Reshape or an output follows, perhaps after more such ops, so that
    the Transpose can meet its inverse or be absorbed. Per-channel operands need the channels to stay
    last. Transposes that meet on the way become one. An input of the graph, also behind functions that
    are the same for all elements, joins what is transposed through an inverse transpose, which the input
    can absorb.
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

    def _sunk(self, node: Node) -> tuple[Value, Perm | None] | None:
        found = self._sources(node)
        if found is None:
            return None
        sunk = SINKS[type(node.op)](node, *found)
        if sunk is None:
            return None
        op, operands, perm = sunk
        if (
            isinstance(op, Reshape)
            and isinstance(operands[0], Node)
            and isinstance(operands[0].op, Transpose)
        ):
            operands = (self._made(operands[0].inputs[0], operands[0].op.perm),)
        return Node(op, operands, node.name), (None if is_identity(perm) else perm)

    def _sources(self, node: Node) -> tuple[tuple[Value, ...], Perm] | None:
        """The operands before their common permutation, and the permutation; None where they differ."""
        pairs = [self.new[id(v)] for v in node.inputs]
        # Weights and tables stay as they are; the rules look at them.
        data = pairs if isinstance(node.op, _JOINS) else pairs[:1]
        perms = {perm for _, perm in data if perm}
        if len(perms) != 1:
            return None
        (perm,) = perms
        # Not for a transposed constant's sake: the next visit would undo it.
        computed = any(p and not isinstance(v, Const) and not _from_input(v) for v, p in data)
        sources = []
        for value, own in data:
            if own is None and not isinstance(value, Const):
                if not (_from_input(value) and computed):
                    return None
                value = self._made(value, inverse(perm))
            sources.append(value)
        return (*sources, *node.inputs[len(data) :]), perm

    def _whole(self, value: Value) -> Value:
        source, perm = self.new[id(value)]
        return source if perm is None else self._made(source, perm)

    def _made(self, source: Value, perm: Perm) -> Value:
        if (id(source), perm) not in self.made:
            self.made[id(source), perm] = Transpose(perm)(source)
        return self.made[id(source), perm]


def _from_input(value: Value) -> bool:
    """Whether an input can absorb a transpose of the value."""
    while isinstance(value, Node) and is_per_tensor(value):
        value = value.inputs[0]
    return isinstance(value, Input)


def _gains(graph: Graph) -> set[int]:
    """Ids of the nodes below which a Transpose may cancel or be absorbed."""
    found = {id(v) for v in graph.outputs}
    for node in reversed(graph.nodes()):
        sinks = type(node.op) in SINKS and id(node) in found
        if sinks or isinstance(node.op, Transpose | Reshape):
            found |= {id(v) for v in node.inputs}
    return {id(n) for n in graph.nodes() if type(n.op) in SINKS and id(n) in found}
