"""Which layers of hls4ml each op becomes."""

from dataclasses import dataclass, field

import numpy as np

from ...errors import LoweringError
from ..ir.graph import Const, Node, Value
from ..ir.ops import (
    Add,
    AdderConv2d,
    AdderMatMul,
    ArgMax,
    Concat,
    Conv2d,
    DepthToSpace,
    Lookup,
    MatMul,
    MaxPool,
    Mul,
    Pad,
    ReduceSum,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Threshold,
    Transpose,
    Upsample,
)
from ..target import Target
from .gather import taps
from .types import precision, weight_precision

STREAM = "io_stream"
_CHANNELS_LAST = "channels_last"
# Of a table that says of which elements others are made.
_MOST_TAPS = 1 << 20


@dataclass(frozen=True)
class Piece:
    """A layer of hls4ml: its attributes, the precision of each of its types by name, and the product that it
    adds up where that is not hls4ml's own."""

    attributes: dict
    precisions: dict[str, str]
    product: str = ""
    inputs: tuple[Value, ...] = field(default=())


def _weights(w: np.ndarray, bias: np.ndarray | None, columns: int) -> tuple[dict, dict[str, str]]:
    """Attributes and precisions of weights and bias."""
    b = np.zeros(columns, dtype=np.int64) if bias is None else bias
    attributes = {"weight_data": w.astype(np.float64), "bias_data": b.astype(np.float64)}
    return attributes, {"weight": weight_precision(w), "bias": weight_precision(b)}


def _sums(node: Node) -> dict[str, str]:
    # Sums wrap as the result's type does, so partial ones need no more bits.
    return {
        "accum": precision(node.type.dtype, signed=True),
        "result": precision(node.type.dtype, signed=True),
    }


def _constants(node: Node) -> tuple[np.ndarray, np.ndarray | None]:
    w, *bias = node.inputs[1:]
    return w.value, bias[0].value if bias else None


def _product(node: Node, w: np.ndarray) -> str:
    if isinstance(node.op, AdderMatMul | AdderConv2d):
        return "gw_distance"
    return "gw_sign" if (np.abs(w) == 1).all() else ""


def _dense(node: Node, io_type: str) -> Piece:
    x, (w, bias) = node.inputs[0], _constants(node)
    columns = w.shape[1]
    layer = _rows(node, x.type.shape, *w.shape)
    attributes, precisions = _weights(w.reshape(*(1,) * (len(x.type.shape) - 1), *w.shape), bias, columns)
    attributes |= layer
    return Piece(attributes, precisions | _sums(node), _product(node, w))


def _rows(node: Node, shape: tuple[int, ...], inputs: int, outputs: int) -> dict:
    """A dense layer of one row, or the convolution of one pixel that does the same to every row."""
    if len(shape) == 1:
        return {"class_name": "Dense", "n_in": inputs, "n_out": outputs}
    sides = {"n_chan": inputs, "n_filt": outputs, "data_format": _CHANNELS_LAST}
    if len(shape) == 2:
        return sides | {
            "class_name": "Conv1D", "in_width": shape[0], "out_width": shape[0], "filt_width": 1,
            "stride_width": 1, "pad_left": 0, "pad_right": 0,
        }  # fmt: skip
    if len(shape) == 3:
        return sides | {
            "class_name": "Conv2D", "in_height": shape[0], "in_width": shape[1], "out_height": shape[0],
            "out_width": shape[1], "filt_height": 1, "filt_width": 1, "stride_height": 1, "stride_width": 1,
            "pad_top": 0, "pad_bottom": 0, "pad_left": 0, "pad_right": 0,
        }  # fmt: skip
    raise _refused(node, f"at most 3 axes, not {shape}")


def _conv(node: Node, io_type: str) -> Piece:
    op, (w, bias) = node.op, _constants(node)
    if isinstance(op, AdderConv2d):
        if op.dilations != (1, 1):
            raise _refused(node, "no dilation")
    else:
        w = _spread(w, op.groups, op.dilations)
    # hls4ml's streams take every row where a wide kernel has one.
    below = int(io_type == STREAM and w.shape[0] == 1 and w.shape[1] > 1 and op.strides[0] > 1)
    if below and isinstance(op, AdderConv2d):
        raise _refused(node, "a kernel of several rows, or every row, in io_stream")
    w = np.pad(w, ((0, below), (0, 0), (0, 0), (0, 0)))
    attributes, precisions = _weights(w, bias, w.shape[3])
    attributes |= {
        "class_name": "Conv2D", "n_chan": w.shape[2], "n_filt": w.shape[3],
        "filt_height": w.shape[0], "filt_width": w.shape[1],
    } | _image(node)  # fmt: skip
    attributes["pad_bottom"] += below
    return Piece(attributes, precisions | _sums(node), _product(node, w))


def _spread(w: np.ndarray, groups: int, dilations: tuple[int, int]) -> np.ndarray:
    """Weights of one group and without dilation that do the same: 0 between taps and between groups."""
    height, width, inputs, outputs = w.shape
    rows, columns = ((k - 1) * d + 1 for k, d in zip((height, width), dilations, strict=True))
    found = np.zeros((rows, columns, inputs * groups, outputs), dtype=w.dtype)
    each = outputs // groups
    for g in range(groups):
        block = slice(g * inputs, (g + 1) * inputs), slice(g * each, (g + 1) * each)
        found[:: dilations[0], :: dilations[1], *block] = w[..., block[1]]
    return found


def _image(node: Node) -> dict:
    """What hls4ml asks of layers with windows."""
    x, op = node.inputs[0], node.op
    height, width, _ = x.type.shape
    top, left, bottom, right = op.pads
    return {
        "data_format": _CHANNELS_LAST, "in_height": height, "in_width": width,
        "out_height": node.type.shape[0], "out_width": node.type.shape[1],
        "stride_height": op.strides[0], "stride_width": op.strides[1],
        "pad_top": top, "pad_bottom": bottom, "pad_left": left, "pad_right": right,
    }  # fmt: skip


def _max_pool(node: Node, io_type: str) -> Piece:
    op = node.op
    if op.dilations != (1, 1) or any(op.pads) or (io_type == STREAM and op.kernel != op.strides):
        # hls4ml pads unsigned numbers by a large one, and its streams have windows side by side only.
        return _gather(node, io_type)
    attributes = {
        "class_name": "MaxPooling2D", "n_filt": node.type.shape[2],
        "pool_height": op.kernel[0], "pool_width": op.kernel[1], "count_pad": False,
    } | _image(node)  # fmt: skip
    return Piece(attributes, {name: precision(node.type.dtype) for name in ("accum", "result")})


def _gather(node: Node, io_type: str) -> Piece:
    """Elements made of elements, by a table."""
    table = taps(node)
    if table.size > _MOST_TAPS:
        raise _refused(node, f"a table of at most {_MOST_TAPS} numbers, not {table.size}")
    attributes = {
        "class_name": "GwGather", "n_in": node.inputs[0].type.size, "n_out": len(table),
        "taps": table.shape[1], "largest": isinstance(node.op, MaxPool),
        "fill": getattr(node.op, "value", 0), "result_shape": list(node.type.shape) or [1],
        "constant_data": table.astype(np.float64),
    }  # fmt: skip
    return Piece(attributes, {"constant": weight_precision(table), "result": precision(node.type.dtype)})


def _elements(node: Node, x: Value, function: str, rows: np.ndarray, bias: int = 0, step: int = 1) -> Piece:
    """A function of each element of x and constants (rows, steps)."""
    shape = x.type.shape
    attributes = {
        "class_name": "GwElements", "function": function, "n_in": x.type.size,
        "n_chan": shape[-1] if shape else 1, "rows": rows.shape[0], "steps": rows.shape[1],
        "bias": bias, "step": step, "constant_data": rows.astype(np.float64),
    }  # fmt: skip
    found = {"constant": weight_precision(rows), "result": precision(node.type.dtype)}
    return Piece(attributes, found, inputs=(x,))


def _threshold(node: Node, io_type: str) -> Piece:
    return _elements(
        node, node.inputs[0], "gw_threshold_of", node.inputs[1].value, node.op.bias, node.op.step
    )


def _lookup(node: Node, io_type: str) -> Piece:
    return _elements(node, node.inputs[0], "gw_lookup_of", np.atleast_2d(node.inputs[1].value), node.op.lo)


def _join(node: Node, io_type: str) -> Piece:
    """A sum or product of two tensors, or of one and a constant."""
    function, merge = ("gw_add_of", "add") if isinstance(node.op, Add) else ("gw_multiply_of", "multiply")
    constants = [v for v in node.inputs if isinstance(v, Const)]
    tensors = tuple(v for v in node.inputs if not isinstance(v, Const))
    if constants:
        rows = constants[0].value.reshape(-1, 1)
        if len(tensors) != 1 or len(rows) not in (1, tensors[0].type.shape[-1]):
            raise _refused(node, f"a constant for all or one a channel, not of {constants[0].type.shape}")
        return _elements(node, tensors[0], function, rows)
    if tensors[0].type.shape != tensors[1].type.shape:
        raise _refused(node, f"two tensors of one shape, not {', '.join(str(t.type.shape) for t in tensors)}")
    attributes = {"class_name": "Merge", "op": merge}
    return Piece(attributes, {"result": precision(node.type.dtype)})


def _reshape(node: Node, io_type: str) -> Piece:
    attributes = {"class_name": "Reshape", "target_shape": list(node.type.shape)}
    return Piece(attributes, {"result": precision(node.type.dtype)})


def _concat(node: Node, io_type: str) -> Piece:
    """Two tensors, one behind the other."""
    if len(node.inputs) != 2 or any(isinstance(v, Const) for v in node.inputs):
        raise _refused(node, f"two tensors, not {len(node.inputs)} operands")
    axes = len(node.type.shape)
    if axes > 3 or (io_type == STREAM and node.op.axis != axes - 1):
        raise _refused(node, "at most 3 axes, of which streams join the last")
    attributes = {"class_name": "Concatenate", "op": f"concatenate{axes}d", "axis": node.op.axis + 1}
    return Piece(attributes, {"result": precision(node.type.dtype)})


def _arg_max(node: Node, io_type: str) -> Piece:
    x = node.inputs[0]
    if len(x.type.shape) != 1:
        raise _refused(node, f"one row, not {x.type.shape}")
    attributes = {"class_name": "GwArgMax", "n_in": x.type.size, "n_chan": x.type.size, "result_shape": [1]}
    return Piece(attributes, {"result": precision(node.type.dtype)})


def _refused(node: Node, rule: str) -> LoweringError:
    return LoweringError(
        f"hls: {node.op.name!r} (node {node.name!r}) must have {rule}. Compile without --via hls."
    )


def refusal(node: Node, io_type: str) -> str:
    """Why a node cannot become layers of hls4ml; empty where it can."""
    try:
        HLS.rule(node)(node, io_type)
    except LoweringError as error:
        return str(error)
    return ""


HLS = Target(
    "hls",
    {
        MatMul: _dense, AdderMatMul: _dense, Conv2d: _conv, AdderConv2d: _conv, MaxPool: _max_pool,
        Threshold: _threshold, Lookup: _lookup, Add: _join, Mul: _join, Reshape: _reshape, ArgMax: _arg_max,
        Concat: _concat,
        **dict.fromkeys(
            (SumPool, ReduceSum, Transpose, Slice, Pad, Upsample, DepthToSpace, SpaceToDepth), _gather
        ),
    },
)  # fmt: skip
