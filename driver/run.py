"""Running a compiled folder on a user's array."""

import io
from pathlib import Path

import numpy as np

from ..compiler.ir.graph import Graph
from ..sim.cycle.simulate import Timing
from .data import encode, load_array, load_data, output_decoding
from .execute import executor
from .output import write_whole
from .project import Project
from .verify import accuracy

# Frames whose clocks are listed; those after repeat, as the interval says.
LISTED = 1000
_ARCHIVE = ".npz"
# And for people.
_SHOWN = 4


def run_folder(folder: Path | str, source: Path | str, target: Path | str, on: str = "reference") -> dict:
    """Run the network in ``folder`` on the frames of ``source`` and write its integers to ``target``.

    Args:
        source: .npy with (N, ...) floats in the model's own input domain, or integers already quantized; or
            .npz with these as ``inputs``, and with ``labels`` to tell the accuracy.
        target: .npy that takes int64 (N, ...) in the source model's axis order; report.json has its scale.
        on: executor: reference, onnxruntime, rtl (Verilator), icarus, cycle (the reference's values with the
            RTL's clocks) or arm (qemu).
    Returns:
        What was done: executor, frames, shape; clocks, or instructions of an inference, where the executor
        has them; the share of frames that were classified right where labels are given.
    Raises:
        GatewrightError: an input that cannot be used, or an executor that failed.
    """
    run = executor(on)
    project = Project(Path(folder))
    graph = project.graph()
    frames, labels = _given(Path(source), graph)
    done = run(project, graph, frames)
    decoding = output_decoding(graph)
    values = decoding.integers(done.values)
    buffer = io.BytesIO()
    np.save(buffer, values)
    write_whole(Path(target), buffer.getvalue())
    result = {"executor": on, "frames": len(values), "shape": list(values.shape), "output": str(target)}
    if done.timing:
        result |= {
            "latency_clocks": done.timing.latency_clocks,
            "interval_clocks": done.timing.interval_clocks,
        }
    if done.clocks:
        result["clocks"] = _clocks(done.clocks)
    if done.instructions is not None:
        result["instructions_per_inference"] = done.instructions
    if labels is not None:
        result["accuracy"] = accuracy(decoding.apply(done.values), labels)
    return result


def _given(source: Path, graph: Graph) -> tuple[np.ndarray, np.ndarray | None]:
    """Frames as the graph takes them, and labels."""
    if source.suffix == _ARCHIVE:
        data = load_data(source, graph)
        return data.frames, data.labels
    return encode(graph, load_array(source)), None


def _clocks(timing: Timing) -> dict:
    """The clocks of each frame's first and last beat out, and what they come to; clock 0 follows reset."""
    interval, cycle = timing.interval, timing.cycle
    out = timing.out_clocks[:LISTED]
    return {
        "latency": timing.latency,
        "interval": None if interval is None else float(interval),
        "repeats": None if cycle is None else {"clocks": cycle.clocks, "frames": cycle.frames},
        "first_input": int(timing.in_clocks[0, 0]),
        "first_output": out[:, 0].tolist(),
        "last_output": out[:, -1].tolist(),
    }


def told(done: dict) -> str:
    """What ``run_folder`` did, for people."""
    lines = [f"{done['frames']} frames on {done['executor']}: {done['output']} {tuple(done['shape'])}"]
    clocks = done.get("clocks")
    if clocks:
        every = clocks["interval"]
        rate = "not periodic yet" if every is None else f"then a frame every {every:,.10g} clocks"
        lines.append(f"latency {clocks['latency']:,} clocks, {rate}")
        ends = zip(clocks["first_output"], clocks["last_output"], strict=True)
        for frame, (first, last) in enumerate(list(ends)[:_SHOWN]):
            lines.append(f"frame {frame}: first beat out in clock {first:,}, last in {last:,}")
    if "accuracy" in done:
        lines.append(f"accuracy {100 * done['accuracy']:.2f} %")
    return "\n".join(lines)
