"""The state of a lowering: which tensors exist, how they lie in memory, and the calls so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.types import TensorType
from .copies import copy_into, fill_border
from .groups import Group
from .isa import Core
from .program import Call, Place, Region, Storage, fitting
from .ways import Way
from .writer import Constants, Library, Writer


@dataclass(eq=False)
class Tensor:
    """A tensor in memory; ``index`` is its number among all of them until the arena is planned.

    Attributes:
        first, last: calls between which it must keep its bytes.
    """

    storage: Storage
    region: Region
    index: int
    first: int = 0
    last: int = 0

    def place(self, elements: int = 0) -> Place:
        """A place ``elements`` behind the tensor's first byte."""
        return Place(self.region, elements * self.storage.itemsize, self.index)

    def viewed(self, type_: TensorType) -> Tensor:
        """The same bytes under another shape."""
        return replace(self, storage=replace(self.storage, type=type_))


@dataclass(frozen=True)
class Border:
    """Constant elements that a reader wants around an image: (top, left, bottom, right), and their value.

    Attributes:
        offset: what it would like elements to be stored without; None where it does not care.
    """

    widths: tuple[int, int, int, int]
    fill: int
    offset: int | None = None


@dataclass
class Context:
    """What rules use: ``tensor`` to read a value, ``result`` to write one, ``writer`` and ``add``."""

    graph: Graph
    core: Core
    constants: Constants = field(default_factory=Constants)
    library: Library = field(default_factory=Library)
    calls: list[Call] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    layer: str = ""
    # By the id of a group's output: what to do instead of what rules would.
    ways: Mapping[int, Way] = field(default_factory=dict)
    # Groups of a rule's own making: tensors are known by their nodes' ids.
    made: list[Group] = field(default_factory=list)

    def __post_init__(self):
        self._known: dict[int, Tensor] = {}
        self._wishes: dict[int, Border] = {}
        self.inputs = [self._boundary(v, Region.INPUT, i) for i, v in enumerate(self.graph.inputs)]
        self.outputs: list[Tensor] = []
        self._direct = self._direct_outputs()

    def _boundary(self, value: Value, region: Region, index: int) -> Tensor:
        tensor = Tensor(Storage(value.type, *fitting(value.type.dtype)), region, index)
        self._known[id(value)] = tensor
        return tensor

    def _direct_outputs(self) -> dict[int, int]:
        """Outputs that a kernel can write where the caller wants them: node -> number."""
        outputs = self.graph.outputs
        return {
            id(v): i
            for i, v in enumerate(outputs)
            if isinstance(v, Node) and sum(o is v for o in outputs) == 1 and not self._is_read(v)
        }

    def _is_read(self, value: Value) -> bool:
        return any(v is value for node in self.graph.nodes() for v in node.inputs)

    def wish(self, value: Value, border: Border) -> None:
        """A reader would like this border; the first wish for each fill counts, widened by the next."""
        if id(value) in self._known or id(value) in self._direct:
            return
        old = self._wishes.get(id(value))
        if old is None:
            self._wishes[id(value)] = border
            return
        offset = border.offset if old.offset is None else old.offset
        if not any(old.widths):
            self._wishes[id(value)] = replace(border, offset=offset)
        elif old.fill == border.fill or not any(border.widths):
            widths = tuple(max(pair) for pair in zip(old.widths, border.widths, strict=True))
            self._wishes[id(value)] = Border(widths, old.fill, offset)

    def setting(self, group: Group, key: str) -> int | str | None:
        """What a rule is to do about ``key``; None leaves that to it."""
        way = self.ways.get(id(group.output))
        return None if way is None else way.get(key)

    def tensor(self, value: Value) -> Tensor:
        """Where a value lies; constants are put among the constants."""
        if id(value) not in self._known:
            assert isinstance(value, Const), value
            self._known[id(value)] = self._constant(value)
        return self._known[id(value)]

    def _constant(self, value: Const) -> Tensor:
        storage = Storage(value.type, *fitting(value.type.dtype))
        place = self.constants.add((value.value - storage.offset).astype(storage.dtype))
        return _ConstantTensor(storage, Region.CONSTANTS, 0, at=place)

    def bordered(self, value: Value, border: Border) -> Tensor:
        """A tensor that has at least this border, copied if need be; and may be read a vector too far."""
        tensor = self.tensor(value)
        s = tensor.storage
        enough = all(a >= b for a, b in zip(s.border, border.widths, strict=True))
        fits = not any(border.widths) or s.fill == border.fill
        if enough and fits and tensor.region is Region.ARENA:
            return tensor
        copy = self.temporary(self.storage(value.type, border))
        if any(border.widths):
            fill_border(self, copy)
        copy_into(self, tensor, copy)
        return copy

    def storage(self, type_: TensorType, border: Border | None = None) -> Storage:
        """The storage of a new tensor; its type holds the border's fill, too."""
        dtype, offset = fitting(type_.dtype)
        if border is not None and border.offset is not None:
            offset = border.offset
        if border is None or not any(border.widths):
            return Storage(type_, dtype, offset)
        info = np.iinfo(dtype)
        if not info.min <= border.fill - offset <= info.max:
            lo, hi = min(type_.dtype.lo, border.fill), max(type_.dtype.hi, border.fill)
            dtype, offset = fitting(type(type_.dtype)(lo, hi))
        return Storage(type_, dtype, offset, border.widths, border.fill)

    def wished(self, value: Value) -> Storage:
        """How a value is, or will be, stored as far as its readers have said."""
        return self.storage(value.type, self._wishes.get(id(value)))

    def temporary(self, storage: Storage) -> Tensor:
        """New memory, from this call on."""
        now = len(self.calls)
        tensor = Tensor(storage, Region.ARENA, len(self.tensors), now, now)
        self.tensors.append(tensor)
        return tensor

    def given(self, value: Value) -> Tensor:
        """Memory for a value that is there before the first call, as its readers wish it."""
        if id(value) not in self._known:
            self._known[id(value)] = self.temporary(self.wished(value))
        return self._known[id(value)]

    def result(self, value: Node) -> Tensor:
        """Memory for a node's result, its border filled."""
        if id(value) in self._direct:
            return self._boundary(value, Region.OUTPUT, self._direct[id(value)])
        tensor = self.temporary(self.wished(value))
        self._known[id(value)] = tensor
        if any(tensor.storage.border):
            fill_border(self, tensor)
        return tensor

    def alias(self, node: Node) -> None:
        """A reshaped tensor is the same memory; one with a border, or at the program's edge, is copied."""
        source = self.tensor(node.inputs[0])
        if any(source.storage.border):
            dense = self.temporary(self.storage(node.inputs[0].type))
            copy_into(self, source, dense)
            source = dense
        if source.region is Region.ARENA and id(node) not in self._direct:
            self._known[id(node)] = source.viewed(node.type)
            return
        flat = TensorType((node.type.size,), node.type.dtype)
        result = self.result(node)
        target = result
        if any(result.storage.border):
            target = self.temporary(self.storage(node.type))
        copy_into(self, source.viewed(flat), target.viewed(flat))
        if target is not result:
            copy_into(self, target, result)

    def writer(self) -> Writer:
        """A kernel to be written."""
        return Writer(self.core, self.constants)

    def add(self, kind: str, w: Writer, trips: int, macs: int = 0) -> None:
        """The finished kernel's call."""
        for place in w.places:
            if place.region is Region.ARENA:
                self.tensors[place.index].last = len(self.calls)
        self.calls.append(w.call(self.library.add(kind, w.function()), trips, self.layer, macs))

    def finish_outputs(self) -> None:
        """Outputs that are inputs, constants, or read inside as well are copied out."""
        for index, value in enumerate(self.graph.outputs):
            if id(value) in self._direct:
                self.outputs.append(self._known[id(value)])
                continue
            out = Tensor(Storage(value.type, *fitting(value.type.dtype)), Region.OUTPUT, index)
            copy_into(self, self.tensor(value), out)
            self.outputs.append(out)


@dataclass(eq=False)
class _ConstantTensor(Tensor):
    """A constant read as a tensor."""

    at: Place | None = None

    def place(self, elements: int = 0) -> Place:
        return replace(self.at, offset=self.at.offset + elements * self.storage.itemsize)
