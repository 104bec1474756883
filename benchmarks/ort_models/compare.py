"""Integers of a graph against ONNX Runtime's, tensor by tensor."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnx import ModelProto, helper

from gatewright.compiler.ir.graph import Graph

# Operators whose first result is a tensor of codes.
CODED = {
    "QuantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat",
    "QLinearSigmoid", "QLinearLeakyRelu", "QLinearGlobalAveragePool", "QLinearAveragePool",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """How many integers differ, by how much at most, and the first tensor (inner ones first) of them."""

    differ: int
    total: int
    most: int
    first: str
    tensors: int
    frames: int


def inner_codes(model: ModelProto) -> None:
    """Make all computed tensors of codes outputs of the model, in node order behind its own outputs."""
    known = {o.name for o in model.graph.output}
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    # The input's quantizer has the zero point of the type that all activations have.
    first = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    kind = kinds[first.input[2]]
    for node in model.graph.node:
        if node.op_type in CODED and node.output[0] not in known:
            model.graph.output.append(helper.make_tensor_value_info(node.output[0], kind, None))


def results_of(model: ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs (N, *shape) by name, from ONNX Runtime without graph optimisation on one thread."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    frames = [session.run(None, {"x": frame[None]}) for frame in x]
    names = [o.name for o in session.get_outputs()]
    return {name: np.concatenate(parts) for name, *parts in zip(names, *frames, strict=True)}


def compared(graph: Graph, ours, theirs: list[np.ndarray], names: list[str], own: int) -> Difference:
    """The graph's outputs against the source's: integers as they are, floats as steps of their scale.

    Args:
        ours: integers (N, *shape) of each output; theirs: the source's tensors (N, *shape).
        own: how many of the outputs, the first ones, are the model's own.
    """
    differ, total, most, places = 0, 0, 0, []
    for q, decoding, there, name in zip(ours, graph.decodings, theirs, names, strict=True):
        if there.dtype.kind == "f":
            along = (1, -1) + (1,) * (there.ndim - 2)
            scale = decoding.scale.reshape(along) if decoding.scale.size > 1 else decoding.scale.item()
            off = np.abs(np.rint((decoding.apply(q) - there) / scale))
        else:
            off = np.abs(decoding.integers(q) - there.astype(np.int64))
        count = int(np.count_nonzero(off))
        differ, total, most = differ + count, total + off.size, max(most, int(off.max(initial=0)))
        places += [name] * (count > 0)
    # The model's own outputs come before the inner tensors.
    inner = [p for p in places if p not in names[:own]]
    first = (inner + places + [""])[0]
    return Difference(differ, total, most, first, len(names), len(theirs[0]))
