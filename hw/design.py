"""What the compiler hands to RTL: units, their instances, and the streams between them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ir.types import Int
from ..errors import LoweringError
from .resources import Parts, Resources, calibrated

if TYPE_CHECKING:
    from .store import Store

FAMILIES = ("ecp5", "ice40", "gowin", "xc7", "xcup")


@dataclass(frozen=True, eq=False)
class Course:
    """How a unit that keeps one input while the other comes goes through a piece of work if it never waits.

    Attributes:
        taken: for each input the clocks in which it takes the beats.
        cause: for each output beat the beat in that it waits for; beats of input 0 count first.
        after: for each output beat the clocks from then until it is offered.
        kept: clocks from the last beat of input 0 until what input 1 gave is done with. Input 1 comes before
            input 0, and a piece ahead while another is kept.
    """

    taken: tuple[np.ndarray, np.ndarray]
    cause: np.ndarray
    after: np.ndarray
    kept: int


def _nowhere(p: SimpleNamespace) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Unit:
    """A hand-written RTL module and what it costs; parameters are passed as ``p.NAME``.

    ``interval`` is clocks from one piece of work to the next in steady state, ``latency`` clocks from
    the first input beat accepted to the first output beat offered when nothing stalls; the module's
    header says what one piece of work is. A unit with several inputs takes a beat of each in
    every step, or with ``in_turn`` all of a piece's beats of one input, then of the next.
    ``needs`` gives, for each output beat of a piece, the step in which the last beat that it depends on is
    taken (-1: none); without it they depend on the whole piece where the interval is longer than its beats,
    else on as many of its last beats. ``course`` tells all that of a unit that does otherwise.
    """

    module: str
    params: tuple[str, ...]
    files: tuple[str, ...]
    interval: Callable[[SimpleNamespace], int]
    latency: Callable[[SimpleNamespace], int]
    parts: Callable[[SimpleNamespace, str, "Contents"], Parts]
    memories: tuple[str, ...] = ()
    in_turn: bool = False
    needs: Callable[[SimpleNamespace], np.ndarray] | None = None
    course: Callable[[SimpleNamespace], Course] | None = None
    looks: Callable[[SimpleNamespace], tuple[str, ...]] = _nowhere

    def resources(
        self, p: SimpleNamespace, family: str, contents: "Contents" = MappingProxyType({})
    ) -> Resources:
        """Estimated resources: its parts, each by the factor that calibration found.

        Args:
            contents: what memories hold, for a closer estimate of those in LUTs.
        """
        return calibrated(self.module, self.parts(p, family, contents), family)


@dataclass(frozen=True, eq=False)
class Memory:
    """The contents of a ROM: ``words`` are Python ints, each ``bits`` wide.

    With ``per_lane`` the unit reads one file per lane, and ``words`` holds one tuple per lane.
    """

    words: tuple
    bits: int
    per_lane: bool = False


Contents = Mapping[str, Memory]
"""What is known of a unit's memories, by parameter."""


@dataclass(frozen=True)
class Stream:
    """A ready/valid edge: ``lanes`` elements per beat, ``beats`` beats per frame."""

    element: Int
    lanes: int
    beats: int

    @property
    def bits(self) -> int:
        """Width of tdata."""
        return self.element.bits * self.lanes

    def pack(self, values: np.ndarray) -> list[int]:
        """Integers of whole frames, in stream order, to tdata words; element 0 in the low bits."""
        codes = self.element.encode(values).reshape(-1, self.lanes)
        width = self.element.bits
        if self.bits <= 64:
            shifts = np.arange(self.lanes, dtype=np.uint64) * np.uint64(width)
            return [int(w) for w in np.bitwise_or.reduce(codes << shifts, axis=1)]
        return [sum(int(c) << (i * width) for i, c in enumerate(row)) for row in codes]

    def unpack(self, words: list[int]) -> np.ndarray:
        """The inverse of ``pack``: flat int64 values."""
        mask, width = (1 << self.element.bits) - 1, self.element.bits
        codes = [(w >> (i * width)) & mask for w in words for i in range(self.lanes)]
        return self.element.decode(np.array(codes, dtype=np.uint64))


@dataclass(frozen=True, eq=False)
class Instance:
    """One unit with its parameters; ``repeats`` pieces of work make a frame.

    ``inputs`` and ``outputs`` are its streams in the order of its ports; a lone Stream stands for one.
    ``layer`` is the graph node it came from, for reports; ``name`` is a legal Verilog identifier.
    ``memories`` are built when called, since foldings are compared by the hundred before one is chosen.
    """

    unit: Unit
    name: str
    params: Mapping[str, int]
    repeats: int
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    layer: str = ""
    memories: Mapping[str, Callable[[], Memory]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self):
        for side in ("inputs", "outputs"):
            streams = getattr(self, side)
            object.__setattr__(self, side, (streams,) if isinstance(streams, Stream) else tuple(streams))

    @property
    def input(self) -> Stream:
        """The only stream that it reads."""
        (stream,) = self.inputs
        return stream

    @property
    def output(self) -> Stream:
        """The only stream that it writes."""
        (stream,) = self.outputs
        return stream

    @property
    def p(self) -> SimpleNamespace:
        """Parameters as attributes, as ``Unit``'s functions take them."""
        return SimpleNamespace(**self.params)

    @property
    def interval(self) -> int:
        """Clocks per frame in steady state."""
        return self.unit.interval(self.p) * self.repeats

    @property
    def busy(self) -> int:
        """Clocks per frame that it or its busiest stream takes."""
        return max(self.interval, *(s.beats for s in self.inputs), *(s.beats for s in self.outputs))

    @property
    def latency(self) -> int:
        """Clocks from the first beat in to the first beat out."""
        return self.unit.latency(self.p)

    def resources(self, family: str, contents: bool = True) -> Resources:
        """Estimated resources on ``family``; without ``contents`` those with arbitrary memories, which is
        quicker."""
        return self.unit.resources(self.p, family, self._known if contents else MappingProxyType({}))

    @cached_property
    def _known(self) -> "Contents":
        """The memories that its estimate looks into."""
        names = [name for name in self.unit.looks(self.p) if name in self.memories]
        return {name: self.memories[name]() for name in names}


@dataclass(frozen=True)
class Port:
    """Stream number ``index`` that the instance at ``place`` in a design writes (or reads)."""

    place: int
    index: int = 0


@dataclass(frozen=True)
class Edge:
    """A stream from an instance's output to another's input; no ``source`` is the design's own input, no
    ``sink`` its output."""

    source: Port | None
    sink: Port | None


def chained(count: int) -> tuple[Edge, ...]:
    """The edges of ``count`` instances each of which feeds the next."""
    ports = [None, *(Port(n) for n in range(count)), None]
    return tuple(Edge(a, b) for a, b in pairwise(ports))


@dataclass(frozen=True, eq=False)
class Design:
    """Instances, each behind those that feed it, and the edges between them: one input, one output.

    ``stores`` are the ROMs that stand outside of instances (``sharing.share_roms``).

    Raises:
        LoweringError: a port without an edge or with two, an edge that leads back, or one between streams
            of different widths or lengths.
    """

    name: str
    instances: tuple[Instance, ...]
    edges: tuple[Edge, ...]
    stores: tuple["Store", ...] = ()

    def __post_init__(self):
        sources = [Port(n, k) for n, i in enumerate(self.instances) for k in range(len(i.outputs))]
        sinks = [Port(n, k) for n, i in enumerate(self.instances) for k in range(len(i.inputs))]
        for side, ports, used in (
            ("source", sources, [e.source for e in self.edges]),
            ("sink", sinks, [e.sink for e in self.edges]),
        ):
            if Counter(used) != Counter([None, *ports]):
                raise LoweringError(
                    f"design {self.name!r}: every port must be the {side} of one edge, as must the outside, "
                    f"not {len(used)} edges for {len(ports)} ports"
                )
        for edge in self.edges:
            self._check(edge)

    def _check(self, edge: Edge) -> None:
        source, sink = edge.source, edge.sink
        if source is None or sink is None:
            return
        a, b = self.instances[source.place], self.instances[sink.place]
        given, taken = a.outputs[source.index], b.inputs[sink.index]
        if source.place >= sink.place:
            raise LoweringError(f"design {self.name!r}: {a.name} must stand before {b.name}, which it feeds")
        if (given.bits, given.beats) != (taken.bits, taken.beats):
            raise LoweringError(
                f"design {self.name!r}: {b.name} must read what {a.name} writes, {given.beats} beats of "
                f"{given.bits} bits, not {taken.beats} of {taken.bits}"
            )

    @property
    def input(self) -> Stream:
        """The stream that the design reads."""
        (sink,) = (e.sink for e in self.edges if e.source is None)
        return self.instances[sink.place].inputs[sink.index]

    @property
    def output(self) -> Stream:
        """The stream that the design writes."""
        (source,) = (e.source for e in self.edges if e.sink is None)
        return self.instances[source.place].outputs[source.index]

    @property
    def interval(self) -> int:
        """Clocks per frame: the slowest instance or stream."""
        return max(i.busy for i in self.instances)

    def sources(self, place: int) -> tuple[Port | None, ...]:
        """Where the inputs of the instance at ``place`` come from, in order."""
        feeding = {edge.sink: edge.source for edge in self.edges}
        return tuple(feeding[Port(place, k)] for k in range(len(self.instances[place].inputs)))

    def resources(self, family: str, contents: bool = True) -> Resources:
        """Estimated total on ``family``; ``contents`` as for ``Instance.resources``."""
        units = (i.resources(family, contents) for i in self.instances)
        return sum((*units, *(s.resources(family) for s in self.stores)), Resources())
