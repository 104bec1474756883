"""TFLite flatbuffers from outside, read within limits into plain data.

The accessors come from the schema's package. They check nothing, so every length is bounded here before
it is used, and whatever a damaged offset makes them raise ends in one ``InputError``.
"""

import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import tflite

from ...errors import GraphError, InputError
from ..ir.model_bytes import MAX_BYTES, read_bytes

IDENTIFIER = b"TFL3"
MAX_TENSORS = MAX_OPERATORS = 2**14
MAX_ELEMENTS = 2**24
MAX_AXES = 8
_MAX_OPERANDS = 2**10
_MAX_CHANNELS = 2**16
_MAX_NAME = 2**10
# A damaged file may let all its vectors overlap; a whole one reads each byte once.
_MAX_REREAD = 8

_DAMAGED = (struct.error, ValueError, IndexError, TypeError, OverflowError, AttributeError)
_TYPES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_NUMPY = {"INT8": "i1", "UINT8": "u1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FLOAT32": "<f4"}
_WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
_DILATION = ("DilationHFactor", "DilationWFactor")
_ACTIVATION = ("FusedActivationFunction",)
# Options that handlers read, by operator: the schema's table and its fields.
# fmt: off
_OPTIONS = {
    "ADD": ("AddOptions", _ACTIVATION),
    "ARG_MAX": ("ArgMaxOptions", ()),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", *_ACTIVATION)),
    "CONV_2D": ("Conv2DOptions", (*_WINDOW, *_DILATION)),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_WINDOW, *_DILATION, "DepthMultiplier")),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("WeightsFormat", *_ACTIVATION)),
    "GELU": ("GeluOptions", ("Approximate",)),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "MAX_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "MEAN": ("ReducerOptions", ("KeepDims",)),
    "MUL": ("MulOptions", _ACTIVATION),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ("AlignCorners", "HalfPixelCenters")),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", ("BlockSize",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions", ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"),
    ),
    "SUB": ("SubOptions", _ACTIVATION),
    "TRANSPOSE_CONV": ("TransposeConvOptions", _WINDOW),
}
# fmt: on


@dataclass(frozen=True, eq=False)
class SourceTensor:
    """A tensor of the file; ``values`` is None unless it is a constant.

    Attributes:
        shape: with the batch axis.
        kind: element type, such as "INT8".
        scales, zero_points: one, one per element of ``axis``, or none; float32 and int64.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    values: np.ndarray | None
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int


@dataclass(frozen=True)
class SourceOperator:
    """An operator of the file; operands are numbers of tensors, -1 for one left out."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, float]


@dataclass(frozen=True, eq=False)
class SourceModel:
    """The main subgraph of a file; operators are in the order of execution."""

    tensors: tuple[SourceTensor, ...]
    operators: tuple[SourceOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def is_tflite(head: bytes) -> bool:
    """Whether a file that starts with these (at least 8) bytes is a TFLite flatbuffer."""
    return head[4:8] == IDENTIFIER


def read_tflite(path: str | os.PathLike) -> SourceModel:
    """The file's model.

    Raises:
        InputError: no readable TFLite file, too large, or damaged.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        return parse_tflite(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_tflite(data: bytes) -> SourceModel:
    """The model in a file's bytes; raises like ``read_tflite``."""
    if not is_tflite(data[:8]):
        raise InputError("must be a TFLite model, but is none")
    try:
        return _Reader(data).model()
    except _DAMAGED:
        raise InputError("must be a whole TFLite model, but is damaged") from None


def _limit(what: str, count: int, most: int) -> int:
    if count > most:
        raise InputError(f"a model must have at most {most} {what}, not {count}")
    return count


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.left = _MAX_REREAD * len(data)

    def model(self) -> SourceModel:
        root = tflite.Model.GetRootAs(self.data, 0)
        if root.SubgraphsLength() < 1:
            raise InputError("a model must have a subgraph, but has none")
        graph = root.Subgraphs(0)
        tensors = _limit("tensors", graph.TensorsLength(), MAX_TENSORS)
        operators = _limit("operators", graph.OperatorsLength(), MAX_OPERATORS)
        _limit("kinds of operators", root.OperatorCodesLength(), MAX_OPERATORS)
        return SourceModel(
            tuple(self.tensor(root, graph.Tensors(i)) for i in range(tensors)),
            tuple(self.operator(root, graph.Operators(i), i, tensors) for i in range(operators)),
            self.numbers(graph.InputsAsNumpy(), tensors, 0),
            self.numbers(graph.OutputsAsNumpy(), tensors, 0),
        )

    def numbers(self, vector, count: int, least: int) -> tuple[int, ...]:
        """A vector of tensor numbers; the accessors give 0 for one that is not there."""
        if isinstance(vector, int):
            return ()
        _limit("operands of one operator", len(vector), _MAX_OPERANDS)
        if len(vector) and not least <= int(vector.min()) <= int(vector.max()) < count:
            raise InputError(f"tensors must be numbered {least}..{count - 1}, not {vector.tolist()}")
        return tuple(int(v) for v in vector)

    def tensor(self, root, tensor) -> SourceTensor:
        name = (tensor.Name() or b"")[:_MAX_NAME].decode(errors="replace")
        shape = self.part(tensor.ShapeAsNumpy(), "axes of one tensor", MAX_AXES)
        shape = tuple(int(d) for d in shape)
        kind = _TYPES.get(tensor.Type(), str(tensor.Type()))
        if any(d < 0 for d in shape) or prod(shape) > MAX_ELEMENTS:
            raise InputError(f"tensor {name!r} must have at most {MAX_ELEMENTS} elements, not shape {shape}")
        q = tensor.Quantization()
        scales = zero_points = np.zeros(0)
        if q is not None:
            scales = self.part(q.ScaleAsNumpy(), "scales of one tensor", _MAX_CHANNELS)
            zero_points = self.part(q.ZeroPointAsNumpy(), "zero points of one tensor", _MAX_CHANNELS)
        axis = 0 if q is None else q.QuantizedDimension()
        values = self.values(root, tensor, name, shape, kind)
        return SourceTensor(
            name, shape, kind, values, scales.astype(np.float32), zero_points.astype(np.int64), axis
        )

    def values(self, root, tensor, name: str, shape: tuple[int, ...], kind: str) -> np.ndarray | None:
        """A constant's elements: those of its buffer, which the others do not have."""
        number = tensor.Buffer()
        if not 0 <= number < root.BuffersLength():
            raise InputError(f"tensor {name!r} must have a buffer of the model, not number {number}")
        buffer = root.Buffers(number)
        if buffer.DataIsNone() or buffer.DataLength() == 0:
            if buffer.Offset() > 1:
                raise InputError(f"tensor {name!r}: constants must lie inside the flatbuffer, not behind it")
            return None
        data = self.part(buffer.DataAsNumpy(), "bytes in one tensor", MAX_BYTES)
        if kind not in _NUMPY:
            # Whoever uses it refuses its type.
            return np.zeros(0, np.int64)
        dtype = np.dtype(_NUMPY[kind])
        if len(data) != prod(shape) * dtype.itemsize:
            raise InputError(
                f"tensor {name!r} of shape {shape} must have {prod(shape) * dtype.itemsize} bytes, "
                f"not {len(data)}"
            )
        return np.frombuffer(data.tobytes(), dtype).reshape(shape)

    def part(self, vector, what: str, most: int) -> np.ndarray:
        """A vector of the file, within its own limit and that on all of them."""
        if isinstance(vector, int):
            return np.zeros(0, np.int64)
        _limit(what, len(vector), most)
        self.left -= vector.nbytes
        if self.left < 0:
            raise InputError("must be a whole TFLite model, but its parts overlap")
        return vector

    def operator(self, root, operator, index: int, tensors: int) -> SourceOperator:
        number = operator.OpcodeIndex()
        if number >= root.OperatorCodesLength():
            raise InputError(f"operator {index} must be of a kind that the model lists, not number {number}")
        code = root.OperatorCodes(number)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = tflite.BUILTIN_OPCODE2NAME.get(builtin, f"operator code {builtin}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {(code.CustomCode() or b'')[:_MAX_NAME].decode(errors='replace')!r}"
        return SourceOperator(
            index,
            kind,
            self.numbers(operator.InputsAsNumpy(), tensors, -1),
            self.numbers(operator.OutputsAsNumpy(), tensors, 0),
            _options(operator, kind),
        )


def _options(operator, kind: str) -> dict[str, float]:
    """The operator's options that handlers read."""
    if kind not in _OPTIONS:
        return {}
    table, fields = _OPTIONS[kind]
    union = operator.BuiltinOptions()
    if union is None or operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, table):
        raise InputError(f"{kind} must come with {table}, but has none")
    options = getattr(tflite, table)()
    options.Init(union.Bytes, union.Pos)
    return {field: getattr(options, field)() for field in fields}


def constant(tensor: SourceTensor, kind: str, what: str) -> np.ndarray:
    """A constant operand's elements as int64; raises GraphError unless they are of that type."""
    if tensor.kind != kind:
        raise GraphError(f"{what} must be {kind}, not {tensor.kind}")
    return tensor.values.astype(np.int64)
