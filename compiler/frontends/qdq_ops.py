"""QuantizeLinear and DequantizeLinear, as ONNX Runtime computes them (also those of com.microsoft).

Zero points are taken off all codes. A tensor between the two nodes holds whole numbers whose ONNX type is
an integer one; it remembers its zero point, so that users get the source's own codes at the graph's edge.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from onnx import NodeProto, TensorProto

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import Add
from .chain import compress, scaled
from .quantizers import LinearQuantizer
from .source import Operand, SourceNode
from .tensors import Constant, Tensor, rescaled

QDQ_DOMAINS = ("", "ai.onnx", "com.microsoft")
_RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
    "uint4": (0, 15), "int4": (-8, 7),
}  # fmt: skip
_NAMES = {TensorProto.DataType.Value(name.upper()): name for name in _RANGES}


def lower_quantize_linear(node: SourceNode) -> LinearQuantizer:
    """The quantizer of a QuantizeLinear node.

    Raises:
        GraphError: another type than 4, 8 or 16 bits, several zero points, or scales in blocks.
    """
    operand = node.operands[0]
    if operand is None or (isinstance(operand, Tensor) and operand.integer):
        raise GraphError("input 0 must be float32, but is missing or of an integer type")
    name = _code_type(node)
    scale = _scale(node, operand)
    point = np.unique(_points(node))
    if point.size != 1:
        raise GraphError(
            "the zero point must be one for all channels, but they differ. Quantize per tensor, or "
            "symmetrically."
        )
    zero, (lo, hi) = int(point.item()), _RANGES[name]
    return LinearQuantizer(scale, lo - zero, hi - zero, 1, zero)


def _code_type(node: SourceNode) -> str:
    """The type of the codes: the zero point's, the attribute's, or uint8."""
    point = node.optional(2, "the zero point")
    wanted = node.attribute("output_dtype", 0)
    name = _NAMES.get(wanted, str(wanted)) if wanted else "uint8"
    if point is not None:
        name = point.values.dtype.name
    if name not in _RANGES:
        raise GraphError(f"codes must be of type {', '.join(_RANGES)}, not {name}")
    return name


def _points(node: SourceNode) -> np.ndarray:
    """The zero points as int64; one 0 where the node has none."""
    point = node.optional(2, "the zero point")
    return np.zeros(1, dtype=np.int64) if point is None else np.atleast_1d(point.values).astype(np.int64)


def _scale(node: SourceNode, operand: Operand) -> np.ndarray:
    """The scale, as it broadcasts against the operand: a frame, or a constant in its own shape."""
    scale = node.constant(1, "the scale").values
    if scale.dtype != np.float32:
        raise GraphError(f"the scale must be float32, not {scale.dtype}")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise GraphError(f"scales must be finite and above 0, not {scale.min()}. Export the model again.")
    return compress(_along_axis(node, scale, operand, "scale"))


def _along_axis(node: SourceNode, values: np.ndarray, operand: Operand, what: str) -> np.ndarray:
    """One value for all, or one per element of the node's axis."""
    if node.attribute("block_size", 0):
        raise GraphError("block_size must be 0: scales in blocks are not supported. Quantize per channel.")
    frame = isinstance(operand, Tensor)
    shape = (node.batch, *operand.shape) if frame else operand.values.shape
    if values.size == 1:
        return values.reshape((1,) * (len(shape) - frame))
    axis = node.attribute("axis", 1)
    axis += len(shape) * (axis < 0)
    if values.ndim != 1 or not frame <= axis < len(shape) or values.size != shape[axis]:
        raise GraphError(
            f"the {what} must be one number, or one per element of an axis behind the batch, "
            f"not of shape {values.shape} for axis {axis} of {shape}"
        )
    full = [1] * len(shape)
    full[axis] = -1
    return values.reshape(full[frame:])


def coded(result: Operand, quantizer: LinearQuantizer) -> Operand:
    """The codes themselves, from what a quantizer gives for a tensor or a constant."""
    if isinstance(result, Constant):
        point = quantizer.zero_point
        # In the source's type, as operators between the two nodes (a Clip of PyTorch's export) want it.
        kind = np.min_scalar_type(min(quantizer.lo + point, 0) or quantizer.hi + point)
        return Constant((result.codes + point).astype(kind))
    chain = scaled(np.ones((1,) * result.rank))
    return replace(result, chain=chain, integer=True, zero_point=quantizer.zero_point)


def lower_dequantize_linear(node: SourceNode) -> tuple[Operand]:
    """``(q - zero_point) * scale`` in float32: an integer with a scale."""
    operand = node.operands[0]
    if operand is None:
        raise GraphError("input 0 must be given")
    scale = _scale(node, operand)
    points = _along_axis(node, _points(node), operand, "zero point")
    if isinstance(operand, Tensor):
        return (_dequantized(operand, scale, points),)
    if operand.values.dtype.name not in (*_RANGES, "int32", "int64"):
        raise GraphError(f"constant codes must be integers of at most 32 bits, not {operand.values.dtype}")
    codes = operand.values.astype(np.int64) - points
    with np.errstate(over="ignore"):
        values = codes.astype(np.float32) * scale
    if not np.isfinite(values).all():
        raise GraphError("the dequantized constants must lie within float32's range")
    return (Constant(values, codes, scale),)


def _dequantized(tensor: Tensor, scale: np.ndarray, points: np.ndarray) -> Tensor:
    whole = not tensor.pending and tensor.chain.only_scale() and (tensor.chain.steps[0].params[0] == 1).all()
    if not whole:
        raise GraphError("its input must be integers of a QuantizeLinear node or of the model's input")
    points = np.unique(points)
    if points.size != 1:
        raise GraphError("the zero point must be one for all channels, but they differ. Quantize per tensor.")
    value, shift = tensor.value, tensor.zero_point - int(points.item())
    if shift:
        value = Add()(value, Const(np.array([shift])))
    return replace(rescaled(value, scale), zero_point=int(points.item()))


def edge_zero_point(
    name: str,
    nodes: Iterable[NodeProto],
    places: dict[str, dict[int, int]],
    stored: dict[str, Operand],
) -> int:
    """The zero point of an integer input, where all operators that have one for it agree; else 0.

    ``places`` has the operators' operands, and where the zero point of each is.
    """
    found = set()
    for node in nodes:
        for index, place in places.get(node.op_type, {}).items():
            if list(node.input[index : index + 1]) == [name]:
                point = stored.get(node.input[place]) if len(node.input) > place else None
                known = isinstance(point, Constant) and point.values.size == 1
                found.add(int(point.values.astype(np.int64).item()) if known else 0)
    return found.pop() if len(found) == 1 else 0
