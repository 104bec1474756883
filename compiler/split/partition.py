"""A graph in parts: what the processor does first, what the FPGA does, what the processor does last.

    before (arm): inputs -> stream_in, kept ...
    fpga:         stream_in -> stream_out
    after (arm):  stream_out, kept ... -> outputs

An FPGA has one stream in and one out. Where several tensors of one image size cross, they are joined along
their channels, and taken apart on the other side.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import GraphError
from ..ir.boundary import OutputDecoding, plain_input, plain_output
from ..ir.evaluate import evaluate
from ..ir.graph import Const, Graph, Input, Node, Value
from ..ir.op import require
from ..ir.ops import Concat, Slice
from ..ir.types import TensorType

ARM, FPGA = "arm", "fpga"
BEFORE, MIDDLE, AFTER = "before", "fpga", "after"
STREAM_IN, STREAM_OUT, KEPT = "stream_in", "stream_out", "kept"


@dataclass(frozen=True, eq=False)
class Part:
    """A graph of its own; ``takes`` and ``gives`` are the split's names of its inputs and outputs."""

    name: str
    place: str
    graph: Graph
    takes: tuple[str, ...]
    gives: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """Parts in order of execution, and the type of every tensor at their borders, by its name.

    ``graph`` is the whole; its inputs and outputs are at borders too, under ``inputs`` and ``outputs``.
    """

    graph: Graph
    parts: tuple[Part, ...]
    tensors: Mapping[str, TensorType]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def part(self, name: str) -> Part | None:
        """The part called so: BEFORE and AFTER may be missing."""
        return next((p for p in self.parts if p.name == name), None)

    @property
    def stream_in(self) -> str:
        """The tensor that the FPGA reads."""
        return self.part(MIDDLE).takes[0]

    @property
    def stream_out(self) -> str:
        """The tensor that the FPGA writes."""
        return self.part(MIDDLE).gives[0]

    def evaluate(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Every tensor at a border for a batch, int64 (N, *shape), each part run by the reference."""
        known = dict(zip(self.inputs, inputs, strict=True))
        for part in self.parts:
            made = evaluate(part.graph, *(known[name] for name in part.takes))
            known |= dict(zip(part.gives, made, strict=True))
        return known


def partition(graph: Graph, middle: Collection[Node]) -> Split:
    """``graph`` with the nodes of ``middle`` on the FPGA, what they feed behind it, the others before it.

    Raises:
        GraphError: ``middle`` is empty, a tensor would flow back, or what crosses cannot be joined.
    """
    nodes = graph.nodes()
    chosen = {id(n) for n in middle}
    require(bool(chosen), "split: the FPGA must get at least one node, not none")
    behind = _behind(nodes, chosen)
    sides = (
        [n for n in nodes if id(n) not in chosen | behind],
        [n for n in nodes if id(n) in chosen],
        [n for n in nodes if id(n) in behind],
    )
    return _Cut(graph, *sides).split()


def _behind(nodes: Sequence[Node], chosen: Collection[int]) -> set[int]:
    """Ids of the nodes outside that read, by whatever way, what chosen ones make."""
    found: set[int] = set()
    for node in nodes:
        fed = any(id(v) in found for v in node.inputs)
        if id(node) in chosen:
            back = next((v for v in node.inputs if id(v) in found), None)
            require(
                back is None,
                f"split: no tensor may flow back to the FPGA, but {_title(node)} needs {_title(back)}, which "
                "needs the FPGA itself. Take the nodes between onto the FPGA as well.",
            )
        elif fed or any(id(v) in chosen for v in node.inputs):
            found.add(id(node))
    return found


def _title(value: Value | None) -> str:
    if not isinstance(value, Node):
        return "nothing"
    return f"{value.op.name} {value.name!r}" if value.name else f"an unnamed {value.op.name}"


def crossing(makers: Iterable[Value], readers: Iterable[Node], outputs: Iterable[Value] = ()) -> list[Value]:
    """Those of ``makers`` that ``readers`` read or that are among ``outputs``, in their order."""
    read = {id(v) for node in readers for v in node.inputs} | {id(v) for v in outputs}
    return [v for v in makers if id(v) in read]


def joinable(values: Sequence[Value]) -> bool:
    """Whether one stream can carry these: there is one, or all have the same size but for their channels."""
    shapes = [v.type.shape for v in values]
    return len(shapes) == 1 or (bool(shapes) and all(s and s[:-1] == shapes[0][:-1] for s in shapes))


class _Cut:
    """The parts under way; names at borders are ours, as a model's may be empty or anything else."""

    def __init__(self, graph: Graph, before: list[Node], middle: list[Node], after: list[Node]):
        self.graph, self.before, self.middle, self.after = graph, before, middle, after
        made = [*graph.inputs, *before]
        self.given = crossing(made, middle)
        self.kept = crossing(made, after, graph.outputs)
        self.taken = crossing(middle, after, graph.outputs)
        for values, side in ((self.given, "reads"), (self.taken, "writes")):
            require(
                joinable(values),
                f"split: what the FPGA {side} must be one tensor, or several of the same size but for their "
                f"channels, not {', '.join(str(v.type) for v in values) or 'nothing'}. Cut elsewhere.",
            )
        self._name()

    def _name(self) -> None:
        """A name for each tensor that crosses a border by itself."""
        inputs = _numbered("input", len(self.graph.inputs))
        self.inputs = inputs
        self.names = {id(v): name for v, name in zip(self.graph.inputs, inputs, strict=True)}
        self.stream = STREAM_IN
        if len(self.given) == 1:
            self.stream = self.names.setdefault(id(self.given[0]), STREAM_IN)
        others = [v for v in self.kept if id(v) not in self.names]
        self.names |= {id(v): n for v, n in zip(others, _numbered(KEPT, len(others)), strict=True)}
        self.tensors = {self.names[id(v)]: v.type for v in self.graph.inputs}

    def split(self) -> Split:
        """The finished split."""
        parts = (self._first(), self._fpga(), self._last())
        return Split(self.graph, tuple(p for p in parts if p), self.tensors, self.inputs, self.outputs)

    def _first(self) -> Part | None:
        """What comes before the FPGA; None where nothing is computed there."""
        gives = {self.names[id(v)]: v for v in (*self.given[:1], *self.kept) if id(v) in self.names}
        gives = {name: v for name, v in gives.items() if not isinstance(v, Input)}
        joined = self.given if len(self.given) > 1 else []
        if not gives and not joined:
            return None
        read = {id(v) for n in self.before for v in n.inputs} | {id(v) for v in joined}
        inputs = {self.names[id(i)]: [i] for i in self.graph.inputs if id(i) in read}
        body = _Body(self.graph, inputs, self.tensors, self.before)
        results = {STREAM_IN: body.join(joined)} if joined else {}
        return self._part(BEFORE, ARM, body, results | {name: body.of(v) for name, v in gives.items()})

    def _fpga(self) -> Part:
        body = _Body(self.graph, {self.stream: self.given}, self.tensors, self.middle)
        return self._part(MIDDLE, FPGA, body, {STREAM_OUT: body.join(self.taken)})

    def _last(self) -> Part | None:
        """What comes behind the FPGA; None where its stream is the graph's output."""
        outputs = self.graph.outputs
        if len(self.taken) == len(outputs) == 1 and outputs[0] is self.taken[0]:
            self.outputs = (STREAM_OUT,)
            return None
        inputs = {STREAM_OUT: self.taken} | {self.names[id(v)]: [v] for v in self.kept}
        body = _Body(self.graph, inputs, self.tensors, self.after)
        self.outputs = _numbered("output", len(outputs))
        results = dict(zip(self.outputs, map(body.of, outputs), strict=True))
        return self._part(AFTER, ARM, body, results)

    def _part(self, name: str, place: str, body: "_Body", results: dict[str, Value]) -> Part:
        self.tensors |= {title: r.type for title, r in results.items()}
        return Part(name, place, body.graph(name, list(results.values())), body.takes, tuple(results))


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}_{i}" for i in range(count))


class _Body:
    """Nodes of the whole graph over inputs of their own, each of which carries one value or several."""

    def __init__(
        self, whole: Graph, inputs: Mapping[str, Sequence[Value]], types: Mapping[str, TensorType],
        nodes: Sequence[Node],
    ):  # fmt: skip
        self._whole, self.takes = whole, tuple(inputs)
        self._carried = list(inputs.values())
        names = {n.name for n in nodes}
        self._inputs = [Input(_free(name, names), types[name]) for name in inputs]
        self._known: dict[int, Value] = {}
        for own, values in zip(self._inputs, self._carried, strict=True):
            self._known |= zip(map(id, values), _apart(own, values), strict=True)
        for node in nodes:
            try:
                self._known[id(node)] = replace(node, inputs=tuple(self.of(v) for v in node.inputs))
            except GraphError as error:
                # What was joined has the range of all; an op may ask for less.
                raise GraphError(
                    f"split: what crosses there cannot be joined: {error}. Cut elsewhere."
                ) from None

    def of(self, value: Value) -> Value:
        """A value of the whole graph as this part has it."""
        return value if isinstance(value, Const) else self._known[id(value)]

    def join(self, values: Sequence[Value]) -> Value:
        """Several values side by side in their channels; one as it is."""
        if len(values) == 1:
            return self.of(values[0])
        return Concat(len(values[0].type.shape) - 1)(*(self.of(v) for v in values))

    def graph(self, name: str, results: list[Value]) -> Graph:
        """The part with these results; at the whole graph's own edges floats are as the whole graph says."""
        whole = self._whole
        encodings = {id(v): e for v, e in zip(whole.inputs, whole.encodings, strict=False)}
        decodings = {id(self.of(v)): d for v, d in self._decoded()}
        given = [encodings.get(id(values[0])) or plain_input(i.type.shape)
                 for i, values in zip(self._inputs, self._carried, strict=True)]  # fmt: skip
        made = [decodings.get(id(r)) or plain_output(r.type.shape) for r in results]
        title = f"{name} {whole.name}" if whole.name else name
        graph = Graph(tuple(self._inputs), tuple(results), title, tuple(given), tuple(made))
        graph.verify()
        return graph

    def _decoded(self) -> list[tuple[Value, OutputDecoding]]:
        pairs = zip(self._whole.outputs, self._whole.decodings, strict=False)
        return [(v, d) for v, d in pairs if isinstance(v, Const) or id(v) in self._known]


def _apart(own: Input, values: Sequence[Value]) -> list[Value]:
    """Each of the values that an input carries, channels after channels."""
    if len(values) == 1:
        return [own]
    found, first, rest = [], 0, own.type.shape[:-1]
    for value in values:
        stop = first + value.type.shape[-1]
        found.append(Slice((*(0,) * len(rest), first), (*rest, stop), (1,) * (len(rest) + 1))(own))
        first = stop
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """``name``, or one like it that no node has."""
    while name in taken:
        name += "_"
    return name
