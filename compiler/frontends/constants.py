"""Nodes whose operands are all constant, computed once with ONNX Runtime, the source's own executor."""

from math import prod

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from ...errors import GraphError
from ..ir.onnx_file import tensor_array
from .source import Operand, SourceNode
from .tensors import Constant

MAX_ELEMENTS = 2**26
_ELEMENTWISE = {
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Equal", "Exp", "Floor", "Greater", "Identity",
    "Less", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu", "Round",
    "Sign", "Sqrt", "Sub", "Where",
}  # fmt: skip
_LAYOUT = {"Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
_REDUCTIONS = {"ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"}
COMPUTED = _ELEMENTWISE | _LAYOUT | _REDUCTIONS | {"Concat", "ConstantOfShape", "Expand", "Range", "Shape"}


def compute(node: SourceNode) -> tuple[Operand, ...]:
    """The results of a node in ``COMPUTED`` with constant operands.

    A quantized constant keeps its codes through nodes that only move elements.

    Raises:
        GraphError: ONNX Runtime refuses the node, or the result would be too large.
    """
    operands = [o for o in node.operands if o is not None]
    _check_size(node, [o.values for o in operands])
    arrays = [None if o is None else o.values for o in node.operands]
    results = [Constant(a) for a in run_node(node, arrays)]
    first = node.operands[0] if node.operands else None
    if node.proto.op_type in _LAYOUT and first is not None and first.codes is not None:
        for i, result in enumerate(results):
            moved = first.mapped(lambda a, i=i: run_node(node, [a, *arrays[1:]])[i])
            results[i] = Constant(result.values, moved.codes, moved.scale)
    return tuple(results)


def run_node(node: SourceNode, arrays: list[np.ndarray | None]) -> list[np.ndarray]:
    """What ONNX Runtime gives for the node alone, with these operands; raises GraphError where it refuses."""
    names = [f"i{k}" if a is not None else "" for k, a in enumerate(arrays)]
    outputs = [f"o{k}" for k in range(max(1, len(node.proto.output)))]
    inner = NodeProto(
        op_type=node.proto.op_type, domain=node.proto.domain, input=names, output=outputs,
        attribute=node.proto.attribute,
    )  # fmt: skip
    given = {n: a for n, a in zip(names, arrays, strict=True) if n}
    graph = helper.make_graph(
        [inner],
        "constant",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in given.items()
        ],
        [onnx.ValueInfoProto(name=o) for o in outputs],
    )
    opsets = [helper.make_opsetid("", node.opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    # Fusions would compute what the node's own kernel, or the functions it is made of, do not.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        return session.run(None, given)
    except (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph, ort_errors.NotImplemented,
            ort_errors.RuntimeException, RuntimeError, ValueError) as error:  # fmt: skip
        raise GraphError(f"ONNX Runtime must accept the node, but: {str(error).splitlines()[0]}") from None


def _check_size(node: SourceNode, arrays: list[np.ndarray]) -> None:
    """Refuse results that would not fit before computing them."""
    op, size = node.proto.op_type, max((a.size for a in arrays), default=0)
    if op in ("ConstantOfShape", "Expand") and arrays:
        target = arrays[-1].ravel()
        size = prod(max(int(d), 1) for d in target) * (max(arrays[0].size, 1) if op == "Expand" else 1)
    elif op == "Gather" and len(arrays) == 2:
        size = arrays[0].size * max(arrays[1].size, 1)
    elif op == "Range" and len(arrays) == 3:
        start, limit, step = (float(a.ravel()[0]) if a.size else 0.0 for a in arrays)
        size = abs((limit - start) / step) if step else 0
    elif op == "Concat":
        size = sum(a.size for a in arrays)
    elif op in _ELEMENTWISE and len(arrays) > 1:
        try:
            size = prod(np.broadcast_shapes(*(a.shape for a in arrays)))
        except ValueError:
            raise GraphError(
                f"operands must broadcast, but have shapes {', '.join(str(a.shape) for a in arrays)}"
            ) from None
    if not size <= MAX_ELEMENTS:
        raise GraphError(f"constants must have at most {MAX_ELEMENTS} elements, not up to {size:.0f}")


def literal(node: SourceNode) -> Constant:
    """The value of a Constant node; raises GraphError when it has none that we read."""
    for attribute in node.proto.attribute:
        if attribute.name == "value":
            return Constant(tensor_array(attribute.t, MAX_ELEMENTS))
        if attribute.name == "value_float":
            return Constant(np.array(attribute.f, dtype=np.float32))
        if attribute.name == "value_int":
            return Constant(np.array(attribute.i, dtype=np.int64))
        if attribute.name == "value_floats":
            return Constant(np.array(attribute.floats, dtype=np.float32))
        if attribute.name == "value_ints":
            return Constant(np.array(attribute.ints, dtype=np.int64))
    raise GraphError("it must have a tensor, a float or an integer as its value")
