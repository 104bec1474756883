"""From a Design to the arrays of the recurrences, and these for more frames."""

from dataclasses import dataclass

import numpy as np

from ...errors import InputError, LoweringError
from ...hw.design import Design, Port
from ...hw.units.fifo import FIFO
from . import columns as col
from .programs import Buffer, Program, Register, program_of

# Times, and the column of the rows that says where each row's begin.
_TIMES = (
    ("pushed", "channels", "base"),
    ("popped", "channels", "base"),
    ("fetched", "channels", "queue"),
    ("events", "units", "event_base"),
)
_PLACES = {column for _, _, column in _TIMES}


@dataclass(frozen=True)
class Channel:
    """The FIFO at ``place`` in a design, of ``depth`` entries; ``source`` writes it and ``sink`` reads it,
    None from or to the outside; ``beats`` a frame."""

    place: int
    depth: int
    beats: int
    source: Port | None
    sink: Port | None


def channels_of(design: Design) -> list[Channel]:
    """The design's FIFOs, in its order.

    Raises:
        LoweringError: two units with nothing between them, or a FIFO behind another.
    """
    into = {edge.sink: edge.source for edge in design.edges}
    out = {edge.source: edge.sink for edge in design.edges}
    found = []
    for edge in design.edges:
        ends = [port is not None and _is_fifo(design, port) for port in (edge.source, edge.sink)]
        if sum(ends) != 1:
            raise LoweringError(
                f"cycle model of {design.name!r}: one FIFO must stand between two units, not "
                f"{sum(ends)} where {_end(design, edge.source)} meets {_end(design, edge.sink)}. "
                "Take a design as `assemble` makes it."
            )
    for place, instance in enumerate(design.instances):
        if instance.unit is FIFO:
            beats = instance.output.beats
            found.append(Channel(place, instance.p.DEPTH, beats, into[Port(place)], out[Port(place)]))
    return found


def _is_fifo(design: Design, port: Port) -> bool:
    return design.instances[port.place].unit is FIFO


def _end(design: Design, port: Port | None) -> str:
    return "the outside" if port is None else design.instances[port.place].name


def waits(pattern: np.ndarray | None, name: str) -> np.ndarray:
    """For each clock of a pattern that repeats how many clocks pass until one that is not at rest.

    Args:
        pattern: for each clock whether it is; None: never.
    Raises:
        InputError: not one-dimensional, empty, or always at rest.
    """
    rests = np.zeros(1, bool) if pattern is None else np.asarray(pattern, dtype=bool)
    if rests.ndim != 1 or not len(rests) or rests.all():
        raise InputError(
            f"cycle model: {name} must be one boolean a clock, with one that is false, not of shape "
            f"{rests.shape} and {int(rests.sum())} true. Let the stream move now and then."
        )
    clocks = np.arange(2 * len(rests))
    free = np.where(np.concatenate([rests, rests]), 2 * len(rests), clocks)
    return (np.minimum.accumulate(free[::-1])[::-1] - clocks)[: len(rests)]


class Layout:
    """A design's units and channels as numbers; units are its instances that are no FIFO, then source and
    sink, whose names ``names`` gives.

    Raises:
        LoweringError: as ``channels_of`` and ``program_of``.
    """

    def __init__(self, design: Design):
        self.channels = channels_of(design)
        places = [n for n, i in enumerate(design.instances) if i.unit is not FIFO]
        self._unit = {place: u for u, place in enumerate(places)}
        self.names = [design.instances[n].name for n in places] + ["the source", "the sink"]
        self._into = {c.sink: n for n, c in enumerate(self.channels)}
        self._from = {c.source: n for n, c in enumerate(self.channels)}
        self._tables: list[np.ndarray] = []
        self._entries = 0
        self._ports: list[int] = []
        self.units = np.zeros(len(self.names), col.UNIT)
        self.rows = np.zeros(len(self.channels), col.CHANNEL)
        self.ring_places = 0
        self.frees = np.zeros(len(self.names), np.int64)  # freeing steps of a frame
        self.backs = np.zeros(len(self.names), np.int64)  # and how far back they still matter
        self.source, self.sink = len(places), len(places) + 1
        for n, channel in enumerate(self.channels):
            self._channel(n, channel)
        for u, place in enumerate(places):
            self._place(design, u, place)
        self._join(self.source, [], [self._from[None]], col.SOURCE)
        self._join(self.sink, [self._into[None]], [], col.SINK)
        self.ports = np.array(self._ports, np.int64)
        self.table = np.concatenate([np.zeros(1, np.int32), *self._tables])

    @property
    def first(self) -> int:
        """The channel behind the source."""
        return self._from[None]

    @property
    def last(self) -> int:
        """The channel before the sink."""
        return self._into[None]

    def _channel(self, n: int, channel: Channel) -> None:
        row, source, sink = self.rows[n], channel.source, channel.sink
        row["depth"], row["free"], row["need"] = channel.depth, col.NONE, col.NONE
        row["producer"] = self.source if source is None else self._unit[source.place]
        row["consumer"] = self.sink if sink is None else self._unit[sink.place]

    def _join(self, u: int, read: list[int], written: list[int], kind: int) -> None:
        row = self.units[u]
        row["kind"], row["first_port"] = kind, len(self._ports)
        row["inputs"], row["outputs"] = len(read), len(written)
        self._ports += read + written

    def _place(self, design: Design, u: int, place: int) -> None:
        instance = design.instances[place]
        program = program_of(instance)
        read = [self._into[Port(place, k)] for k in range(len(instance.inputs))]
        written = [self._from[Port(place, k)] for k in range(len(instance.outputs))]
        kind = col.REGISTER if isinstance(program, Register) else col.PIPELINE
        self._join(u, read, written, kind)
        if isinstance(program, Register):
            self.units[u]["ratio"] = program.ratio
            return
        self._pipeline(u, program)
        for n, buffer in zip(read, program.buffers, strict=True):
            if buffer is not None:
                self.units[u]["buffers"] += 1
                self._buffer(self.rows[n], buffer)
                pieces = self.channels[n].beats // len(buffer.freed)
                self.frees[u] = pieces * self.units[u]["events"]
                self.backs[u] = max(self.backs[u], -int(buffer.freed.min()))

    def _pipeline(self, u: int, program: Program) -> None:
        row = self.units[u]
        steps, most = len(program.results), int(np.max(program.results))
        frees = np.zeros(steps, int) if program.frees is None else np.asarray(program.frees, int)
        takes = 0 if program.takes is None else program.takes
        results = np.asarray(program.results, int) << col.RESULTS
        row["steps"], row["what"] = steps, self._table(takes + frees * col.FREES + results)
        row["apart"] = col.NONE if program.apart is None else self._table(program.apart)
        row["latency"], row["spacing"], row["events"] = program.latency, program.spacing, frees.sum()
        # Results that steps have not passed are one step's, and others' within the latency.
        places = 1 << (most + program.latency).bit_length()
        row["ring"], row["mask"] = self.ring_places, places - 1
        self.ring_places += places

    def _buffer(self, row: np.ndarray, buffer: Buffer) -> None:
        row["free"], row["need"] = self._table(buffer.freed), self._table(buffer.needed)
        row["writes"], row["lag"] = len(buffer.freed), buffer.lag

    def _table(self, values: np.ndarray) -> int:
        """Where a table begins, behind all so far; its first entry is no table's."""
        self._tables.append(np.asarray(values, np.int32))
        start = 1 + self._entries
        self._entries += len(values)
        return start

    def arrays(self, frames: int, gap: np.ndarray, stall: np.ndarray) -> col.Arrays:
        """Room for ``frames`` frames, and nothing known yet; patterns as ``waits`` gives them."""
        beats = np.array([c.beats * frames for c in self.channels])
        deep = np.array([c.beats * frames * (c.depth >= col.QUICK) for c in self.channels])
        events = self.frees * frames
        units, rows = self.units.copy(), self.rows.copy()
        rows["base"], rows["queue"] = np.cumsum(beats) - beats, np.cumsum(deep) - deep
        units["event_base"] = np.cumsum(events) - events
        times = [np.empty(max(1, total), np.int64) for total in (beats.sum(), beats.sum(), deep.sum())]
        rings = [np.zeros(max(1, self.ring_places), np.int64) for _ in range(2)]
        freed = np.empty(max(1, events.sum()), np.int64)
        return col.Arrays(units, rows, self.ports, self.table, *times, *rings, freed, gap, stall)

    def frames_in(self, arrays: col.Arrays) -> int:
        """Frames that there is room for."""
        return len(arrays.pushed) // sum(c.beats for c in self.channels)

    def cleared(self, arrays: col.Arrays) -> None:
        """Forget all times; what has changed in ``rows`` counts, but for places of times."""
        for rows, fresh in ((arrays.units, self.units), (arrays.channels, self.rows)):
            for name in fresh.dtype.names:
                if name not in _PLACES:
                    rows[name] = fresh[name]

    def grown(self, old: col.Arrays, frames: int) -> col.Arrays:
        """The same with room for ``frames`` frames, which are more than there was room for."""
        new = self.arrays(frames, old.gap, old.stall)
        for times, rows, base in _TIMES:
            starts, places = (getattr(a, rows)[base] for a in (old, new))
            parts = np.split(getattr(old, times), starts[1:])
            for start, part in zip(places, parts, strict=True):
                getattr(new, times)[start : start + len(part)] = part
        for rows, before in ((new.units, old.units), (new.channels, old.channels)):
            for name in before.dtype.names:
                if name not in _PLACES:
                    rows[name] = before[name]
        new.ring_clock[:], new.ring_off[:] = old.ring_clock, old.ring_off
        return new
