"""Adder layers in ONNX: one column of the weights after the other, so that memory does not grow with these.

A Scan over the columns subtracts each from all rows and sums the absolute differences. Differences and
sums are float32 below 2^24 and float64 below 2^53, where no sum rounds in whatever order, else int64.
"""

import numpy as np
from onnx import helper

from ..ir.graph import Node
from ..ir.types import Int
from .emitter import ELEMENTS, EXACT_FLOAT32, EXACT_FLOAT64, Emitter
from .linear_rules import taps


def adder_matmul(e: Emitter, node: Node, x: str) -> str:
    """AdderMatMul."""
    data, w, *bias = node.inputs
    y = _distances(e, x, len(data.type.shape) + 1, data.type.dtype, w.value)
    return _biased(e, y, bias)


def adder_conv2d(e: Emitter, node: Node, x: str) -> str:
    """AdderConv2d."""
    data, w, *bias = node.inputs
    kh, kw, c, m = w.type.shape
    x, oh, ow = taps(e, node.op, x, data.type.shape, (kh, kw))
    x = e.reshape(x, (oh, ow, kh * kw * c))
    y = _distances(e, x, 4, data.type.dtype, w.value.reshape(-1, m))
    return _biased(e, y, bias)


def _biased(e: Emitter, distance: str, bias) -> str:
    if bias:
        return e.op("Sub", e.constant(bias[0].value), distance)
    return e.op("Neg", distance)


def _distances(e: Emitter, x: str, rank: int, x_type: Int, w: np.ndarray) -> str:
    """``sum_k |x[..., k] - w[k, m]|`` of a tensor with ``rank`` axes, the batch axis included."""
    largest = (x_type.magnitude + int(np.abs(w).max())) * len(w)
    floats = "float32" if largest < EXACT_FLOAT32 else "float64" if largest < EXACT_FLOAT64 else ""
    kind = floats or "int64"
    x = e.cast(x, kind) if floats else x
    row, apart, far, total = (e.names.fresh(f"{e.label}/{n}") for n in ("row", "apart", "far", "total"))
    nodes = [helper.make_node("Sub", [x, row], [apart]), helper.make_node("Abs", [apart], [far])]
    if floats:
        last = e.constant([-1])
        nodes.append(helper.make_node("ReduceSum", [far, last], [total], keepdims=0))
    else:
        # ONNX Runtime's ReduceSum rounds large int64 sums as float64; its product with ones does not.
        nodes.append(helper.make_node("MatMul", [far, e.constant(np.ones(len(w)))], [total]))
    for step in nodes:
        step.name = step.output[0]
    body = helper.make_graph(
        nodes,
        f"{row}/body",
        [helper.make_tensor_value_info(row, ELEMENTS[kind], [len(w)])],
        [helper.make_tensor_value_info(total, ELEMENTS[kind], None)],
    )
    y = e.op("Scan", e.constant(w.T, kind), body=body, num_scan_inputs=1, scan_output_axes=[rank - 1])
    return e.cast(y, "int64") if floats else y
