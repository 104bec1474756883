"""Running a compiled folder on a user's array."""

import io
from pathlib import Path

import numpy as np

from .data import encode, load_array, output_decoding
from .execute import executor
from .output import write_whole
from .project import Project


def run_folder(folder: Path | str, source: Path | str, target: Path | str, on: str = "reference") -> dict:
    """Run the network in ``folder`` on the frames of ``source`` and write its integers to ``target``.

    Args:
        source: .npy with (N, ...) floats in the model's own input domain, or integers already quantized.
        target: .npy that takes int64 (N, ...) in the source model's axis order; report.json has its scale.
        on: executor: reference, onnxruntime, rtl (Verilator), icarus or arm (qemu).
    Returns:
        What was done: executor, frames, shape; clocks, or instructions of an inference, where the executor
        measures them.
    Raises:
        GatewrightError: an input that cannot be used, or an executor that failed.
    """
    run = executor(on)
    project = Project(Path(folder))
    graph = project.graph()
    done = run(project, graph, encode(graph, load_array(Path(source))))
    values = output_decoding(graph).integers(done.values)
    buffer = io.BytesIO()
    np.save(buffer, values)
    write_whole(Path(target), buffer.getvalue())
    result = {"executor": on, "frames": len(values), "shape": list(values.shape), "output": str(target)}
    if done.timing:
        result |= {
            "latency_clocks": done.timing.latency_clocks,
            "interval_clocks": done.timing.interval_clocks,
        }
    if done.instructions is not None:
        result["instructions_per_inference"] = done.instructions
    return result
