"""ONNX Runtime on exported models."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime


def run_onnx(model: onnx.ModelProto, frames: Sequence[np.ndarray], optimise: bool) -> list[np.ndarray]:
    """All outputs for int64 frames of every input, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [i.name for i in session.get_inputs()]
    feed = {n: np.asarray(f, dtype=np.int64) for n, f in zip(names, frames, strict=True)}
    return session.run(None, feed)
