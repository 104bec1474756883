"""The integer graph for others: as a plain ONNX file, and run in ONNX Runtime."""

from pathlib import Path

import numpy as np

from ..compiler.export_onnx import export_onnx
from ..compiler.frontends import load_model
from ..compiler.ir.graph import Graph
from .output import write_whole
from .project import Project

# Frames run together; memory grows with this.
_CHUNK = 64


def export_file(target: Path | str, out: Path | str) -> dict:
    """Write a model's integer graph, or that of a compiled folder, as a plain ONNX file.

    Returns:
        What was written: file, bytes, the inputs' and outputs' names, shapes and ranges, in the graph's own
        layout.
    Raises:
        GatewrightError: a model that cannot be used, or a file that cannot be written.
    """
    target = Path(target)
    graph = Project(target).graph() if target.is_dir() else load_model(target)
    model = export_onnx(graph)
    data = model.SerializeToString(deterministic=True)
    write_whole(Path(out), data)
    return {
        "output": str(out),
        "bytes": len(data),
        "nodes": len(model.graph.node),
        "inputs": _tensors(model.graph.input, graph.inputs),
        "outputs": _tensors(model.graph.output, graph.outputs),
    }


def _tensors(infos, values) -> list[dict]:
    return [
        {"name": i.name, "shape": list(v.type.shape), "range": str(v.type.dtype)}
        for i, v in zip(infos, values, strict=True)
    ]


def run_in_onnxruntime(graph: Graph, frames: np.ndarray) -> np.ndarray:
    """The first output for (N, *input.type.shape) integers, int64, as stock ONNX Runtime computes it."""
    import onnxruntime  # half a second that other commands need not wait

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # warnings about its own optimisations are not the user's
    session = onnxruntime.InferenceSession(
        export_onnx(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name, first = session.get_inputs()[0].name, session.get_outputs()[0].name
    frames = np.asarray(frames, dtype=np.int64)
    parts = [
        session.run([first], {name: frames[i : i + _CHUNK]})[0] for i in range(0, len(frames), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, *graph.outputs[0].type.shape), np.int64)
