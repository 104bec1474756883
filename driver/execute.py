"""Executors: ways to run a compiled network; all must give the same integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..compiler.ir.evaluate import evaluate
from ..compiler.ir.graph import Graph
from ..errors import InputError
from ..sim.cycle import simulate as cycle
from ..sim.rtl import Simulation, Trace, compile_rtl
from . import arm_run, hls_run, split_run, xls_run
from .device import Statistics, open_device
from .export import run_in_onnxruntime
from .project import TOP, Interface, Project


@dataclass(frozen=True)
class Timing:
    """Clocks measured in a simulation without stalls: first input beat to a frame's last output beat,
    and from frame to frame once the pipeline is full."""

    latency_clocks: int
    interval_clocks: int | None
    ends: tuple[int, ...] = ()  # of each frame's last output beat, counted from the first input beat


@dataclass(frozen=True)
class Execution:
    """Integers in the graph's layout, (N, *type.shape); timing, each beat's clock, instructions of one
    inference, or what happened on a device's line, where the executor has them."""

    values: np.ndarray
    timing: Timing | None = None
    instructions: int | None = None
    clocks: cycle.Timing | None = None
    line: Statistics | None = None


def run_reference(project: Project, graph: Graph, frames: np.ndarray) -> Execution:
    """The integer graph itself."""
    return Execution(evaluate(graph, frames)[0])


def run_cycle(project: Project, graph: Graph, frames: np.ndarray) -> Execution:
    """The integer graph's values, and the clocks that the RTL would have them in, all frames back to back."""
    design = project.design()
    values = evaluate(graph, frames)[0]
    if not len(frames):
        return Execution(values)
    clocks = cycle.simulate(design, len(frames))
    ends, start = clocks.out_clocks[:, -1], int(clocks.in_clocks[0, 0])
    return Execution(values, _rates(ends, start), clocks=clocks)


def compile_simulation(
    project: Project, interface: Interface, tool: str, native: bool | None = None
) -> Simulation:
    """The accelerator's RTL, compiled in ``tool``; ``native`` takes that from PATH."""
    return compile_rtl(
        TOP,
        project.sources(),
        {},
        interface.input.bits,
        interface.output.bits,
        memories=project.memories(),
        tool=tool,
        native=native,
    )


def run_rtl(project: Project, graph: Graph, frames: np.ndarray, tool: str) -> Execution:
    """RTL simulation of all frames back to back."""
    if not len(frames):
        return Execution(np.zeros((0, *graph.outputs[0].type.shape), dtype=np.int64))
    interface = project.interface()
    return simulate(compile_simulation(project, interface, tool), interface, graph, frames)


def simulate(
    simulation: Simulation,
    interface: Interface,
    graph: Graph,
    frames: np.ndarray,
    gap: float = 0.0,
    stall: float = 0.0,
) -> Execution:
    """A compiled simulation of at least one frame, with idle inputs and stalled outputs at these rates."""
    beats = interface.output.beats
    trace = simulation.run(interface.input.pack(frames), beats * len(frames), gap=gap, stall=stall)
    values = interface.output.unpack(trace.words).reshape(len(frames), *graph.outputs[0].type.shape)
    return Execution(values, _timing(trace, interface, len(frames)))


def run_on_arm(project: Project, graph: Graph, frames: np.ndarray) -> Execution:
    """The ARM library's example program under qemu."""
    values = arm_run.run_frames(project, graph, frames)
    counts = arm_run.count(project, frames[:1]) if len(frames) else None
    return Execution(values, instructions=counts.instructions if counts else None)


def run_split(project: Project, graph: Graph, frames: np.ndarray) -> Execution:
    """A split folder: the processor's programs under qemu, the RTL between them in Verilator."""
    if not len(frames):
        return Execution(np.zeros((0, *graph.outputs[0].type.shape), dtype=np.int64))
    timings = []

    def fpga(inner: Project, words: list[int]) -> list[int]:
        interface = inner.interface()
        simulation = compile_simulation(inner, interface, "verilator")
        trace = simulation.run(words, interface.output.beats * len(frames))
        timings.append(_timing(trace, interface, len(frames)))
        return trace.words

    return Execution(split_run.run_split(project, frames, fpga), *timings)


def _timing(trace: Trace, interface: Interface, frames: int) -> Timing:
    ends = np.array(trace.out_clocks[interface.output.beats - 1 :: interface.output.beats])
    return _rates(ends[:frames], trace.in_clocks[0])


def _rates(ends: np.ndarray, start: int) -> Timing:
    """Latency and interval from the clock of each frame's last beat and of the first beat in."""
    latency, frames, since = int(ends[0]) - start + 1, len(ends), tuple((ends - start).tolist())
    if frames < 4:
        return Timing(latency, None, since)
    half = frames // 2
    # The mean of the later half: a frame's own jitter is not the rate that frames can be fed at.
    return Timing(latency, -(-int(ends[-1] - ends[half]) // (frames - 1 - half)), since)


def on_device(port: str, baud: int | None, say: Callable[[int], None] | None = None) -> Executor:
    """The board on a serial port, which runs the folder's bitstream; ``say`` is told how many frames are
    done."""

    def run(project: Project, graph: Graph, frames: np.ndarray) -> Execution:
        with open_device(project.root, port, baud=baud) as device:
            return Execution(device.run(frames, graph, say), line=device.statistics)

    return run


DEVICE = "device"
Executor = Callable[[Project, Graph, np.ndarray], Execution]
EXECUTORS: Mapping[str, Executor] = {
    "reference": run_reference,
    "onnxruntime": lambda project, graph, frames: Execution(run_in_onnxruntime(graph, frames)),
    "rtl": lambda project, graph, frames: run_rtl(project, graph, frames, "verilator"),
    "icarus": lambda project, graph, frames: run_rtl(project, graph, frames, "icarus"),
    "cycle": run_cycle,
    "arm": run_on_arm,
    "hls": lambda project, graph, frames: Execution(hls_run.run_frames(project, graph, frames)),
    "xls": lambda project, graph, frames: Execution(xls_run.run_frames(project, graph, frames)),
    "split": run_split,
}


def executor(name: str) -> Executor:
    """The executor called ``name``, which needs nothing but a folder.

    Raises:
        InputError: there is none.
    """
    if name not in EXECUTORS:
        raise InputError(f"run: --on must be one of {', '.join([*EXECUTORS, DEVICE])}, not {name!r}")
    return EXECUTORS[name]
