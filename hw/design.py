"""What the compiler hands to RTL: units, their instances, and the streams between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace

import numpy as np

from ..compiler.ir.types import Int

FAMILIES = ("ecp5", "ice40", "gowin", "xc7", "xcup")


@dataclass(frozen=True)
class Resources:
    """FPGA resources; ``bram`` counts the family's own block (ECP5 DP16KD 18 kbit, iCE40 EBR 4 kbit,
    Gowin BSRAM 18 kbit, Xilinx BRAM36 with halves for a BRAM18)."""

    lut: float = 0
    ff: float = 0
    bram: float = 0
    dsp: float = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.lut + other.lut, self.ff + other.ff, self.bram + other.bram, self.dsp + other.dsp
        )


@dataclass(frozen=True)
class Unit:
    """A hand-written RTL module and what it costs; parameters are passed as ``p.NAME``.

    ``interval`` is clocks from one piece of work to the next in steady state, ``latency`` clocks from
    the first input beat accepted to the first output beat offered when nothing stalls; the module's
    header says what one piece of work is.
    """

    module: str
    params: tuple[str, ...]
    files: tuple[str, ...]
    interval: Callable[[SimpleNamespace], int]
    latency: Callable[[SimpleNamespace], int]
    resources: Callable[[SimpleNamespace, str], Resources]
    memories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Memory:
    """The contents of a ROM: ``words`` are Python ints, each ``bits`` wide.

    With ``per_lane`` the unit reads one file per lane, and ``words`` holds one tuple per lane.
    """

    words: tuple
    bits: int
    per_lane: bool = False


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

    ``layer`` is the graph node it came from, for reports; ``name`` is a legal Verilog identifier.
    ``memories`` are built when called, since foldings are compared by the hundred before one is chosen.
    """

    unit: Unit
    name: str
    params: Mapping[str, int]
    repeats: int
    input: Stream
    output: Stream
    layer: str = ""
    memories: Mapping[str, Callable[[], Memory]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def p(self) -> SimpleNamespace:
        """Parameters as attributes, as ``Unit``'s functions take them."""
        return SimpleNamespace(**self.params)

    @property
    def interval(self) -> int:
        """Clocks per frame in steady state."""
        return self.unit.interval(self.p) * self.repeats

    @property
    def latency(self) -> int:
        """Clocks from the first beat in to the first beat out."""
        return self.unit.latency(self.p)

    def resources(self, family: str) -> Resources:
        """Estimated resources on ``family``."""
        return self.unit.resources(self.p, family)


@dataclass(frozen=True, eq=False)
class Design:
    """A chain of instances; instance i feeds instance i + 1."""

    name: str
    instances: tuple[Instance, ...]

    @property
    def input(self) -> Stream:
        """The stream that the first instance reads."""
        return self.instances[0].input

    @property
    def output(self) -> Stream:
        """The stream that the last instance writes."""
        return self.instances[-1].output

    @property
    def interval(self) -> int:
        """Clocks per frame: the slowest instance, or the input or output stream."""
        return max([i.interval for i in self.instances] + [self.input.beats, self.output.beats])

    def resources(self, family: str) -> Resources:
        """Estimated total on ``family``."""
        return sum((i.resources(family) for i in self.instances), Resources())
