"""What layers' ways are tried by: each group alone, its operands in memory as the network has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from .context import Context, Tensor
from .groups import Group
from .isa import Core
from .lower import emit, layer_of, lower_into, parts, planned, program, ways_of, wishes
from .program import Program, Region, Storage, fitting
from .rules.room import room_beside
from .ways import Way
from .writer import Constants, Library

_SEED = 1


@dataclass(frozen=True, eq=False)
class Trial:
    """Calls to be counted.

    Attributes:
        name: the way's text; "" for what the rules estimate to be best.
        program: its functions and constants are those of all trials made together up to it.
        arena: what its memory holds before the first call; operands hold random values of their types.
    """

    name: str
    program: Program
    arena: bytes


@dataclass(frozen=True, eq=False)
class Layer:
    """A group with ways to try.

    Attributes:
        name: as reports call it.
        output: the group's result, by whose id ways are chosen.
        ways: all but the rules' own choice.
        key: the same for layers whose trials need as many instructions.
    """

    name: str
    group: Group
    ways: tuple[Way, ...]
    key: str

    @property
    def output(self) -> Node:
        return self.group.output


class Tuning:
    """The layers of a graph that tuning may choose ways for, and their trials."""

    def __init__(self, graph: Graph, core: Core):
        self._graph, self._core = graph, core
        self._context = Context(graph, core)
        self._groups = parts(self._context)
        self._wishes = [wishes(self._context, each) for each in self._groups]
        for value, border in (w for each in self._wishes for w in each):
            self._context.wish(value, border)

    def layers(self) -> list[Layer]:
        """Layers with more than one way, in order of execution."""
        found = []
        for each in self._groups:
            ways = tuple(ways_of(self._context, each))
            if ways:
                found.append(Layer(layer_of(each), each, ways, self._key(each, ways)))
        return found

    def trials(self, layer: Layer) -> list[Trial]:
        """The rules' own choice, then each way that leads to other calls."""
        constants, library, found = Constants(), Library(), {}
        for way in (None, *layer.ways):
            context = self._alone(layer, way, constants, library)
            calls = tuple((c.kernel, c.integers, c.trips) for c in context.calls)
            if calls not in found:
                found[calls] = _trial(str(way or ""), context)
        return list(found.values())

    def whole(self, chosen: Mapping[int, Way]) -> list[Trial]:
        """The network as its rules would have it, then with the ways chosen."""
        constants, library, found = Constants(), Library(), []
        for name, ways in (("", {}), ("tuned", chosen)):
            context = Context(self._graph, self._core, constants, library, ways=ways)
            lower_into(context)
            found.append(_trial(name, context))
        return found

    def _alone(self, layer: Layer, way: Way | None, constants: Constants, library: Library) -> Context:
        """One group's calls, with every tensor stored as in the whole network."""
        ways = {} if way is None else {id(layer.output): way}
        context = Context(self._graph, self._core, constants, library, ways=ways)
        for each, wished in zip(self._groups, self._wishes, strict=True):
            for value, border in wishes(context, each) if each is layer.group else wished:
                context.wish(value, border)
        for value in _operands(layer.group):
            context.given(value)
        emit(context, layer.group)
        return context

    def _key(self, each: Group, ways: Iterable[Way]) -> str:
        """Everything that instructions depend on, but for the compiler itself."""
        said = hashlib.sha256(self._core.name.encode())
        if any(way.rule == "winograd" for way in ways):
            said.update(f"room {room_beside(self._context, each)}\n".encode())
        stored = {id(v): self._context.wished(v) for v in (*_operands(each), each.output)}
        for line in (*map(str, ways), *_described(each, stored)):
            said.update(f"{line}\n".encode())
        return said.hexdigest()


def _operands(each: Group) -> list[Value]:
    """The tensors that a group reads from memory."""
    read = [*each.leaves, *(each.anchor.inputs if each.anchor is not None else ())]
    return list({id(v): v for v in read if not isinstance(v, Const)}.values())


def _described(each: Group, stored: Mapping[int, Storage]) -> Iterator[str]:
    """A group's nodes, weights and storages as text, without names."""
    nodes = ([each.anchor] if each.anchor is not None else []) + each.nodes
    numbers: dict[int, int] = {}
    for node in nodes:
        for value in (*node.inputs, node):
            if id(value) in numbers:
                continue
            numbers[id(value)] = len(numbers)
            kept = stored.get(id(value))
            where = f"{kept.dtype} {kept.offset} {kept.border} {kept.fill}" if kept else "-"
            data = hashlib.sha256(value.value.tobytes()).hexdigest() if isinstance(value, Const) else ""
            yield f"{value.type} {where} {data}"
        yield f"{node.op.name} {node.op.attributes()} {[numbers[id(v)] for v in (*node.inputs, node)]}"


def _trial(name: str, context: Context) -> Trial:
    made = program(context)
    outputs = tuple(Storage(v.type, *fitting(v.type.dtype)) for v in context.graph.outputs)
    return Trial(name, replace(made, outputs=outputs), _image(context))


def _image(context: Context) -> bytes:
    """The arena with legal values in all tensors that a group is given."""
    made, offsets = planned(context)
    rng = np.random.default_rng(_SEED)
    arena = bytearray(made.arena)
    for tensor in context.tensors:
        if tensor.region is Region.ARENA and tensor.first == 0:
            data = contents(rng, tensor)
            arena[offsets[id(tensor)] : offsets[id(tensor)] + len(data)] = data
    return bytes(arena)


def contents(rng: np.random.Generator, tensor: Tensor) -> bytes:
    """A tensor's bytes: random values of its type, its border around them."""
    storage = tensor.storage
    kind = storage.type.dtype
    whole = np.full(storage.padded, storage.fill, np.int64)
    values = kind.lo + kind.step * rng.integers(0, kind.levels, storage.type.shape)
    if any(storage.border):
        top, left = storage.border[:2]
        h, w, _ = storage.type.shape
        whole[top : top + h, left : left + w] = values
    else:
        whole[...] = values
    return (whole - storage.offset).astype(storage.dtype).tobytes()
