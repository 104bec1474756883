"""RTL simulation of one ready/valid module or design, in Icarus Verilog or Verilator.

Both simulators play the same idle and stall patterns, so they give the same outputs at the same clocks.
Every run also checks the stream protocol (``hw/README.md``).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, ToolError
from .icarus import compile_icarus, run_icarus
from .verilate import compile_verilator, run_verilator
from .wrapper import IDLE_CLOCKS, Outcome, Ports, Stimulus, pattern, wrapper, write_memories

_WRAPPER_FILE = "gw_wrapper.v"

# What ended a run that is not "done"; the keys are what the benches report.
_REASONS = {
    "idle": "a beat must move every {idle} clocks, not none. Look for a deadlock, or set max_clocks",
    "limit": "the outputs must arrive within {limit} clocks, not later. Raise max_clocks if that is too few",
    "dropped": "m_tvalid must stay high until the beat moves, not drop while m_tready is low",
    "changed": "m_tdata must hold until the beat moves, not change while m_tready is low",
    "valid_on_ready": "m_tvalid must not depend combinationally on m_tready; it changed with it",
    "ready_on_valid": "s_tready must not depend combinationally on s_tvalid; it changed with it",
    "surplus": "there must be no more outputs than asked for, not one more. Pass drain=0 to stop at the last",
    "x_ready": "s_tready must be 0 or 1, not X or Z",
    "x_valid": "m_tvalid must be 0 or 1, not X or Z",
    "x_data": "m_tdata must be 0s and 1s while m_tvalid is high, not X or Z",
}


@dataclass(frozen=True)
class Backend:
    """How a simulator compiles a folder and runs what it compiled."""

    compile: Callable[[Path, str, Sequence[Path], Ports, bool | None], None]
    run: Callable[[Path, Ports, Stimulus, bool | None, float | None], Outcome]


BACKENDS = {
    "icarus": Backend(compile_icarus, run_icarus),
    "verilator": Backend(compile_verilator, run_verilator),
}


@dataclass(frozen=True)
class Trace:
    """What a simulation gave; clock 0 is the first after reset.

    Attributes:
        words: tdata of each output beat.
        out_clocks: clock in which each output beat moved.
        in_clocks: clock in which each input beat moved.
        offered: clock in which the first output became valid, None without outputs.
    """

    words: list[int]
    out_clocks: list[int]
    in_clocks: list[int]
    offered: int | None


class Simulation:
    """A compiled design; ``run`` may be called many times, each from reset. Made by ``compile_rtl``."""

    def __init__(self, name: str, tool: str, ports: Ports, workdir: Path, native: bool | None, keep: object):
        self._name, self._tool, self._ports = name, tool, ports
        self._workdir, self._native = workdir, native
        self._keep = keep  # a temporary folder lives as long as the object

    def run(
        self,
        words: Sequence[int],
        out_count: int,
        *,
        gap: float = 0.0,
        stall: float = 0.0,
        seed: int = 0,
        max_clocks: int | None = None,
        drain: int = 64,
        timeout: float | None = None,
    ) -> Trace:
        """Drives ``words`` in order and collects ``out_count`` output beats.

        Args:
            gap: probability that a clock without a waiting word stays idle (s_tvalid low).
            stall: probability that m_tready is low in a clock.
            seed: of both patterns; equal seeds give equal runs in both simulators.
            max_clocks: bound of the run; by default it ends when no beat moves for 200,000 clocks.
            drain: clocks after the last output in which another one is an error.
            timeout: seconds of real time.

        Raises:
            InputError: a word too wide, or a probability out of range.
            ToolError: outputs missing or surplus, a broken protocol, X on an output, or a failed tool.
        """
        _check_words(words, self._ports.in_bits)
        stimulus = Stimulus(
            words=words,
            out_count=out_count,
            gap=pattern(gap, seed, "gap"),
            stall=pattern(stall, seed, "stall"),
            max_clocks=max_clocks if max_clocks is not None else 2**31 - 1,
            idle_clocks=IDLE_CLOCKS if max_clocks is None else 2**31 - 1,
            drain=drain,
            seed=seed,
        )
        outcome = BACKENDS[self._tool].run(self._workdir, self._ports, stimulus, self._native, timeout)
        return self._trace(outcome, stimulus)

    def _trace(self, outcome: Outcome, stimulus: Stimulus) -> Trace:
        """What a run gave, unless the bench ended it for a reason other than its last output."""
        if outcome.reason == "done":
            return Trace(outcome.words, outcome.out_clocks, outcome.in_clocks, outcome.offered)
        rule = _REASONS[outcome.reason].format(idle=stimulus.idle_clocks, limit=stimulus.max_clocks)
        raise ToolError(
            f"simulate {self._name}: {rule} ({len(outcome.words)} of {stimulus.out_count} outputs came, "
            f"{len(outcome.in_clocks)} of {len(stimulus.words)} inputs went in, last clock {outcome.clock}, "
            f"{self._tool})"
        )


def _check_words(words: Sequence[int], bits: int) -> None:
    limit = 1 << bits
    bad = next((word for word in words if not 0 <= word < limit), None)
    if bad is not None:
        raise InputError(f"simulate: input words must fit {bits} bits, not {bad}")


def compile_rtl(
    top: str,
    files: Sequence[Path | str],
    params: Mapping[str, int | str],
    in_bits: int,
    out_bits: int,
    *,
    memories: Mapping[str, object] | None = None,
    tool: str = "icarus",
    workdir: Path | str | None = None,
    native: bool | None = None,
) -> Simulation:
    """Compiles module ``top`` for any number of runs.

    Args:
        files: Verilog sources.
        params: parameters of ``top``.
        in_bits, out_bits: widths of s_tdata and m_tdata.
        memories: file name to text, or to (words, bits): written where $readmemh finds them by that name.
        tool: "icarus" or "verilator".
        workdir: folder for everything written; default a temporary one that goes with the result.
        native: take Verilator and the C++ compiler from PATH (default: GATEWRIGHT_TOOLS=native does).

    Raises:
        InputError: an unknown tool, a bad name, or memory words that do not fit.
        ToolError: a tool is missing, or it rejects the Verilog.
    """
    if tool not in BACKENDS:
        raise InputError(f"simulate: tool must be one of {', '.join(BACKENDS)}, not {tool!r}")
    ports = Ports(in_bits, out_bits)
    text = wrapper(top, params, ports)
    keep = tempfile.TemporaryDirectory(prefix="gatewright_") if workdir is None else None
    folder = Path(keep.name if keep else workdir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_memories(folder, memories or {})
    (folder / _WRAPPER_FILE).write_text(text)
    sources = [Path(file).resolve() for file in files]
    BACKENDS[tool].compile(folder, _WRAPPER_FILE, sources, ports, native)
    return Simulation(top, tool, ports, folder, native, keep)


def simulate(
    top: str,
    files: Sequence[Path | str],
    params: Mapping[str, int | str],
    words: Sequence[int],
    in_bits: int,
    out_bits: int,
    out_count: int,
    *,
    memories: Mapping[str, object] | None = None,
    tool: str = "icarus",
    gap: float = 0.0,
    stall: float = 0.0,
    seed: int = 0,
    max_clocks: int | None = None,
    drain: int = 64,
    workdir: Path | str | None = None,
    native: bool | None = None,
) -> Trace:
    """Compiles and runs once: ``compile_rtl`` then ``Simulation.run``, whose arguments these are."""
    simulation = compile_rtl(
        top, files, params, in_bits, out_bits, memories=memories, tool=tool, workdir=workdir, native=native
    )
    return simulation.run(
        words, out_count, gap=gap, stall=stall, seed=seed, max_clocks=max_clocks, drain=drain
    )
