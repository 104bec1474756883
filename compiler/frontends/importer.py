"""What all front ends share: each node of the source is met once, in order, and leaves a record.

Every node that cannot be imported is reported, not only the first; nodes behind one of these are checked
as far as they can be without their operands.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from ...errors import GraphError
from ..ir.boundary import InputEncoding
from ..ir.graph import Graph, Input, Node, Value

TAKEN = "taken"
CONSTANT = "constant"
NOT_NEEDED = "not needed"
BLOCKED = "blocked"
REFUSED = "refused"


@dataclass(frozen=True, eq=False)
class SourceRecord:
    """What became of one node of the source model.

    Attributes:
        op_type, name: the source's own.
        outcome: TAKEN, CONSTANT (computed at import), NOT_NEEDED (no output depends on it), REFUSED, or
            BLOCKED (its operator is known, but an operand comes from a refused node).
        nodes: the graph's nodes made while it was met, operands first; none where it only changed what
            integers mean, so that a later node computes it.
        problem: why it is refused and what to do; empty otherwise.
    """

    op_type: str
    name: str
    outcome: str
    nodes: tuple[Node, ...] = ()
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Survey:
    """A model's nodes and what became of them.

    Attributes:
        format: "onnx", "qonnx", "tflite" or "gatewright".
        name: the model's.
        records: one per node of the source, in its order.
        graph: None where the import fails.
        problem: the import's error message; empty where it succeeds.
        faults: those parts of it that belong to no node: to inputs, outputs, or the model.
    """

    format: str
    name: str
    records: tuple[SourceRecord, ...]
    graph: Graph | None
    problem: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Item:
    """One node of the source: its kind and name, how messages call it, and its tensors by key."""

    op_type: str
    name: str
    place: str
    reads: tuple[Hashable, ...]
    writes: tuple[Hashable, ...]
    source: Any


class Importer(ABC):
    """One import: operands by key, inputs as they get their quantizers, a record per node.

    Attributes:
        format: starts every message.
        unit: what the format calls its nodes.
        operands: computed and constant tensors by key; what these are is the format's own affair.
        inputs: the graph's inputs with their encodings, by key.
    """

    format = ""
    unit = "node"

    def __init__(self, name: str):
        self.name = name
        self.operands: dict[Hashable, Any] = {}
        self.inputs: dict[Hashable, tuple[Input, InputEncoding]] = {}
        self.failed: set[Hashable] = set()
        # Names in use, and the last number behind each.
        self.names: dict[str, int] = {}
        self._records: list[SourceRecord] = []
        self._problems: list[str] = []
        self._faults: list[str] = []
        self._known: set[int] = set()

    @abstractmethod
    def items(self) -> list[Item]:
        """The source's nodes, operands before users."""

    @abstractmethod
    def sources(self) -> Iterable[tuple[Hashable, Any]]:
        """The model's inputs, key and declaration."""

    @abstractmethod
    def targets(self) -> Iterable[Hashable]:
        """Keys of the model's outputs."""

    @abstractmethod
    def declare(self, key: Hashable, declaration: Any) -> None:
        """Make one input an operand; raises GraphError without the format's prefix."""

    @abstractmethod
    def check(self, item: Item) -> None:
        """Raise GraphError where no handler takes nodes of this kind."""

    @abstractmethod
    def results(self, item: Item) -> Iterable[tuple[Hashable, Any]]:
        """The node's results by key; None where there is none. All operands are known."""

    @abstractmethod
    def value_of(self, operand: Any) -> Value | None:
        """The graph's value behind an operand; None for constants."""

    @abstractmethod
    def assemble(self) -> Graph:
        """The graph, all nodes met; raises GraphError without the format's prefix."""

    def run(self) -> Graph:
        """The model as an integer graph.

        Raises:
            GraphError: inputs, nodes or outputs that cannot become integers; all such nodes are listed.
        """
        self._meet_all()
        if self._faults:
            raise GraphError(self._faults[0])
        if self._problems:
            raise GraphError(
                f"{self.format}: every {self.unit} must become integer arithmetic, but "
                f"{len(self._problems)} of model {self.name!r} cannot:\n"
                + "\n".join(f"  {p}" for p in self._problems)
            )
        try:
            graph = self.assemble()
        except GraphError as error:
            self._faults.append(f"{self.format}: {error}")
            raise GraphError(self._faults[0]) from None
        graph.verify()
        return graph

    def survey(self) -> Survey:
        """What became of each node, whether the import succeeds or not."""
        graph, problem = None, ""
        try:
            graph = self.run()
        except GraphError as error:
            problem = str(error)
        if problem and not self._faults and not self._problems:
            self._faults.append(problem)
        return Survey(self.format, self.name, tuple(self._records), graph, problem, tuple(self._faults))

    def unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        unique, count = name, self.names.get(name, 1)
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        # The next one goes on from here: thousands of nodes may share a name.
        self.names[name] = count
        self.names.setdefault(unique, 1)
        return unique

    def _meet_all(self) -> None:
        """Meet every input, constant and node that an output needs."""
        for key, declaration in self.sources():
            try:
                self.declare(key, declaration)
            except GraphError as error:
                self._faults.append(f"{self.format}: {error}")
                self.failed.add(key)
        items = self.items()
        for item, needed in zip(items, self._needed(items), strict=True):
            if needed:
                self._records.append(self._met(item))
            else:
                self._records.append(SourceRecord(item.op_type, item.name, NOT_NEEDED))

    def _needed(self, items: list[Item]) -> list[bool]:
        """For each node, whether an output depends on it; nodes come in topological order."""
        wanted = set(self.targets())
        flags = []
        for item in reversed(items):
            flags.append(any(k in wanted for k in item.writes))
            if flags[-1]:
                wanted.update(item.reads)
        return flags[::-1]

    def _met(self, item: Item) -> SourceRecord:
        """One node: its results, or its outputs marked as failed and the problem noted."""
        try:
            self.check(item)
            if any(k in self.failed for k in item.reads):
                self.failed.update(item.writes)
                return SourceRecord(item.op_type, item.name, BLOCKED)
            results = {k: r for k, r in self.results(item) if r is not None}
        except GraphError as error:
            self._problems.append(f"{item.place}: {error}")
            self.failed.update(item.writes)
            return SourceRecord(item.op_type, item.name, REFUSED, (), str(error))
        self.operands.update(results)
        values = [v for v in map(self.value_of, results.values()) if v is not None]
        nodes = self._made(values)
        return SourceRecord(item.op_type, item.name, TAKEN if values else CONSTANT, nodes)

    def _made(self, values: list[Value]) -> tuple[Node, ...]:
        """The nodes behind these values that no earlier call has returned, operands first."""
        made: list[Node] = []
        stack: list[tuple[Value, bool]] = [(v, False) for v in reversed(values)]
        while stack:
            value, expanded = stack.pop()
            if not isinstance(value, Node) or id(value) in self._known:
                continue
            if expanded:
                self._known.add(id(value))
                made.append(value)
            else:
                stack.append((value, True))
                stack.extend((v, False) for v in reversed(value.inputs))
        return tuple(made)
