"""How the cycle model is held against RTL: every beat of every stream in a simulator, and what FIFOs hold."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatewright.hw.design import Design, Edge
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level, wires
from gatewright.sim.cycle.simulate import Timing, simulate
from gatewright.sim.rtl import Trace, compile_rtl
from gatewright.sim.wrapper import pattern

_LOG = "streams.txt"
# Notes each beat that moves: the number of its stream, and its clock.
_MONITOR = """
    integer log_file;
    integer log_clock;
    initial log_file = $fopen("{log}", "w");
    always @(posedge clk) log_clock <= rst ? 0 : log_clock + 1;
    always @(posedge clk) if (!rst) begin
{notes}    end
"""
_NOTE = '        if ({wire}_tvalid && {wire}_tready) $fwrite(log_file, "{number} %0d\\n", log_clock);\n'


class Watched:
    """A design in a simulator whose streams are all watched; ``clocks`` are the last run's, by edge: those of
    all beats that moved until the last one out, and a few clocks more."""

    def __init__(self, design: Design, folder: Path, tool: str = "icarus"):
        self.design, self._folder = design, folder
        names = wires(design)
        notes = "".join(
            _NOTE.format(wire=names[edge.source], number=n) for n, edge in enumerate(design.edges)
        )
        text = top_level(design, "accelerator")
        body, _, tail = text.rpartition("endmodule")
        watched = f"{body}{_MONITOR.format(log=_LOG, notes=notes)}endmodule{tail}"
        (folder / "accelerator.v").write_text(watched)
        self._simulation = compile_rtl(
            "accelerator", [folder / "accelerator.v", *closure([text]).values()], {},
            design.input.bits, design.output.bits, memories=memory_files(design), workdir=folder,
            tool=tool,
        )  # fmt: skip
        self.clocks: Mapping[Edge, np.ndarray] = {}

    def run(self, frames: int, **patterns) -> Trace:
        """Frames of noise."""
        stream = self.design.input
        # Times do not depend on values, which any code within the type will do for.
        values = np.random.default_rng(frames).integers(
            0, stream.element.levels, frames * stream.beats * stream.lanes
        )
        words = stream.pack(stream.element.lo + stream.element.step * values)
        trace = self._simulation.run(words, frames * self.design.output.beats, **patterns)
        rows = np.loadtxt(self._folder / _LOG, dtype=np.int64, ndmin=2)
        self.clocks = {edge: rows[rows[:, 0] == n, 1] for n, edge in enumerate(self.design.edges)}
        return trace


def modelled(design: Design, frames: int, gap: float = 0.0, stall: float = 0.0, seed: int = 0) -> Timing:
    """The model's times under the patterns that the RTL benches play."""
    gaps, stalls = (
        np.array([c == "1" for c in pattern(probability, seed, salt)]) if probability else None
        for probability, salt in ((gap, "gap"), (stall, "stall"))
    )
    return simulate(design, frames, gaps, stalls)


def differences(watched: Watched, timing: Timing) -> list[str]:
    """The streams whose beats move at other clocks than modelled, and FIFOs that hold other numbers."""
    design, found = watched.design, []
    end = timing.out_clocks[-1, -1]
    for edge, clocks in watched.clocks.items():
        told = timing.clocks(edge).reshape(-1)
        seen = len(clocks)
        # A slice drops beats that may still come when all is out.
        if (told[seen:] <= end).any():
            found.append(f"{_name(design, edge)}: {seen} beats moved, not {(told <= end).sum()} or more")
        late = np.flatnonzero(told[:seen] != clocks)
        if len(late):
            found.append(f"{_name(design, edge)}: beat {late[0]} at {told[late[0]]}, not {clocks[late[0]]}")
    whole = all(times.size == timing.clocks(edge).size for edge, times in watched.clocks.items())
    for place, most in held(design, watched.clocks).items():
        if timing.occupancy(place) != most and (whole or timing.occupancy(place) < most):
            found.append(f"{design.instances[place].name} holds {most}, not {timing.occupancy(place)}")
    return found


def held(design: Design, clocks: Mapping[Edge, np.ndarray]) -> dict[int, int]:
    """The most beats in each FIFO, counted clock by clock."""
    into = {edge.sink.place: times for edge, times in clocks.items() if edge.sink}
    out = {edge.source.place: times for edge, times in clocks.items() if edge.source}
    found = {}
    for place, instance in enumerate(design.instances):
        if instance.unit.module == "gw_fifo":
            end = max(into[place].max(), out[place].max()) + 2
            moves = np.zeros(end, dtype=np.int64)
            np.add.at(moves, into[place] + 1, 1)
            np.add.at(moves, out[place] + 1, -1)
            found[place] = int(moves.cumsum().max())
    return found


def _name(design: Design, edge: Edge) -> str:
    ends = [None if p is None else design.instances[p.place].name for p in (edge.source, edge.sink)]
    return f"{ends[0] or 'in'} -> {ends[1] or 'out'}"


def compare(design: Design, frames: int, **patterns) -> list[str]:
    """``differences`` of the design alone in Icarus under ``gap``, ``stall`` and ``seed``."""
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        watched = Watched(design, Path(folder))
        watched.run(frames, **patterns)
        return differences(watched, modelled(design, frames, **patterns))
