"""Running a compiled folder on a user's array."""

import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..compiler.ir.graph import Graph
from ..errors import InputError
from ..sim.cycle.simulate import Timing
from .data import encode, load_array, load_data, output_decoding
from .execute import DEVICE, Execution, Executor, executor, on_device
from .output import write_whole
from .project import Project
from .verify import accuracy

# Frames whose clocks are listed; those after repeat, as the interval says.
LISTED = 1000
_ARCHIVE = ".npz"
# And for people.
_SHOWN = 4


def run_folder(
    folder: Path | str,
    source: Path | str,
    target: Path | str,
    on: str = "reference",
    *,
    port: str | None = None,
    baud: int | None = None,
    say: Callable[[int], None] | None = None,
) -> dict:
    """Run the network in ``folder`` on the frames of ``source`` and write its integers to ``target``.

    Args:
        source: .npy with (N, ...) floats in the model's own input domain, or integers already quantized; or
            .npz with these as ``inputs``, and with ``labels`` to tell the accuracy.
        target: .npy that takes int64 (N, ...) in the source model's axis order; report.json has its scale.
        on: executor: reference, onnxruntime, rtl (Verilator), icarus, cycle (the reference's values with the
            RTL's clocks), arm (qemu) or device (a board on a serial port, which runs the folder's bitstream).
        port: the device's serial port; baud: its bits per second, if not those it was compiled for; say:
            told by a device how many frames are done.
    Returns:
        What was done: executor, frames, shape; clocks, instructions or what happened on the line, where the
        executor has them; the share of frames that were classified right where labels are given.
    Raises:
        GatewrightError: an input that cannot be used, or an executor that failed.
    """
    run = _executor(on, port, baud, say)
    project = Project(Path(folder))
    graph = project.graph()
    frames, labels = _given(Path(source), graph)
    done = run(project, graph, frames)
    decoding = output_decoding(graph)
    values = decoding.integers(done.values)
    _save(Path(target), values)
    result = {"executor": on, "frames": len(values), "shape": list(values.shape), "output": str(target)}
    result |= _found(done)
    if labels is not None:
        result["accuracy"] = accuracy(decoding.apply(done.values), labels)
    return result


def _save(target: Path, values: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, values)
    write_whole(target, buffer.getvalue())


def _found(done: Execution) -> dict:
    """What an executor says beside its integers."""
    found = {}
    if done.timing:
        found["latency_clocks"] = done.timing.latency_clocks
        found["interval_clocks"] = done.timing.interval_clocks
    if done.clocks:
        found["clocks"] = _clocks(done.clocks)
    if done.instructions is not None:
        found["instructions_per_inference"] = done.instructions
    if done.line:
        found["line"] = asdict(done.line) | {"frames_per_second": done.line.frames_per_second}
    return found


def _executor(on: str, port: str | None, baud: int | None, say: Callable[[int], None] | None) -> Executor:
    if on != DEVICE:
        if port is not None or baud is not None:
            raise InputError(f"run: --port and --baud are for --on {DEVICE}, not {on!r}. Leave them out.")
        return executor(on)
    if port is None:
        raise InputError(f"run: --on {DEVICE} needs --port, the board's serial port, such as /dev/ttyUSB0")
    if baud is not None and baud < 1:
        raise InputError(f"run: --baud must be at least 1 bit per second, not {baud}")
    return on_device(port, baud, say)


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
    if "line" in done:
        line = done["line"]
        lines.append(
            f"{line['frames_per_second']:,.1f} frames/s through the line; {line['repeats']} requests sent "
            f"again, {line['naks']} of them refused by the board"
        )
    if "accuracy" in done:
        lines.append(f"accuracy {100 * done['accuracy']:.2f} %")
    return "\n".join(lines)
