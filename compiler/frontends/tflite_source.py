"""What an operator's handler sees: its operands, its result as the file declares it, its options."""

from dataclasses import dataclass, replace
from math import floor, prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Node, Value
from ..ir.ops import Reshape
from .tflite_file import SourceOperator, SourceTensor, constant

_RANGES = {"INT8": (-128, 127), "UINT8": (0, 255)}
# Fused activations by their number in the schema: the floats they clamp to.
_CLAMPS = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
_SAME = 0


@dataclass(frozen=True)
class Coding:
    """How a tensor's integers mean floats: ``scale * (code - zero_point)``, codes of 8 bits.

    The graph carries ``code - zero_point``, so that the code of 0.0 is 0 and padding stays 0.
    """

    scale: np.float32
    zero_point: int
    kind: str

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest of the graph's integers."""
        lo, hi = _RANGES[self.kind]
        return lo - self.zero_point, hi - self.zero_point

    def quantize(self, x: float) -> int:
        """The graph's integer for a float, within the range: LiteRT's rule, halves away from zero."""
        q = abs(float(np.float32(x) / self.scale))
        lo, hi = self.range
        size = floor(min(q, 1e6) + 0.5)
        return min(max(size if x >= 0 else -size, lo), hi)


def coding_of(tensor: SourceTensor, what: str) -> Coding:
    """The coding of a tensor of 8-bit integers; raises GraphError where it has none or a wrong one."""
    if tensor.kind not in _RANGES:
        raise GraphError(
            f"{what} must be INT8, not {tensor.kind}. Convert the model with full integer quantization."
        )
    if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
        raise GraphError(
            f"{what} must have one scale and one zero point, not {len(tensor.scales)} and "
            f"{len(tensor.zero_points)}"
        )
    scale, zero_point = tensor.scales[0], int(tensor.zero_points[0])
    lo, hi = _RANGES[tensor.kind]
    check_scales(tensor.scales, what)
    if not lo <= zero_point <= hi:
        raise GraphError(f"{what} must have a zero point in {lo}..{hi}, not {zero_point}")
    return Coding(scale, zero_point, tensor.kind)


def check_scales(scales: np.ndarray, what: str) -> None:
    """Raise GraphError for scales that no quantizer makes."""
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise GraphError(f"{what} must have finite scales above 0, not {float(scales.min())!r}")


@dataclass(frozen=True, eq=False)
class Activation:
    """A computed tensor: the graph's integers and their coding; ``floats`` behind a DEQUANTIZE."""

    value: Value
    coding: Coding
    floats: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the batch axis."""
        return self.value.type.shape


@dataclass(frozen=True, eq=False)
class FloatInput:
    """A float input of the model, before its QUANTIZE."""

    name: str
    shape: tuple[int, ...]


Operand = Activation | FloatInput | SourceTensor


@dataclass(frozen=True, eq=False)
class OperatorView:
    """One operator with its operands; methods raise GraphError with a rule, the caller adds the place."""

    op: SourceOperator
    name: str
    operands: tuple[Operand | None, ...]
    outputs: tuple[SourceTensor, ...]

    @property
    def output(self) -> SourceTensor:
        """The result as declared, where there is one."""
        return self.outputs[0]

    def option(self, key: str) -> int:
        """An option of the schema's table."""
        return self.op.options[key]

    def activation(self, index: int, kinds: tuple[str, ...] = ("INT8",)) -> Activation:
        """A computed operand of integers."""
        operand = self.operands[index] if index < len(self.operands) else None
        what = f"operand {index}"
        if isinstance(operand, FloatInput):
            raise GraphError(
                f"{what} must be INT8, not FLOAT32. Convert the model with full integer quantization."
            )
        if not isinstance(operand, Activation):
            raise GraphError(f"{what} must be computed from the input, but is none or constant")
        if operand.floats:
            raise GraphError(f"{what} must be integers. Only outputs may come from DEQUANTIZE.")
        if operand.coding.kind not in kinds:
            raise GraphError(f"{what} must be {' or '.join(kinds)}, not {operand.coding.kind}")
        return operand

    def image(self, index: int) -> Activation:
        """A computed operand of shape (H, W, C)."""
        x = self.activation(index)
        if len(x.shape) != 3:
            raise GraphError(f"operand {index} must be (1, H, W, C), not {(1, *x.shape)}")
        return x

    def source(self, index: int, what: str) -> SourceTensor:
        """An operand that the file holds."""
        operand = self.operands[index] if index < len(self.operands) else None
        if not isinstance(operand, SourceTensor):
            raise GraphError(f"{what} must be constant")
        return operand

    def bias(self, index: int, channels: int) -> np.ndarray | None:
        """The int32 bias of a linear layer, or None where it has none."""
        if index >= len(self.operands) or self.operands[index] is None:
            return None
        values = constant(self.source(index, "the bias"), "INT32", "the bias")
        if values.shape != (channels,):
            raise GraphError(f"the bias must have shape ({channels},), not {values.shape}")
        return values

    def coding(self, kinds: tuple[str, ...] = ("INT8",)) -> Coding:
        """The result's coding."""
        coding = coding_of(self.output, "the result")
        if coding.kind not in kinds:
            raise GraphError(f"the result must be {' or '.join(kinds)}, not {coding.kind}")
        return coding

    def clamp(self, coding: Coding) -> tuple[int, int]:
        """Range of the result's integers under the fused activation."""
        number = self.option("FusedActivationFunction")
        if number not in _CLAMPS:
            raise GraphError(
                f"its fused activation must be none, RELU, RELU6 or RELU_N1_TO_1, not number {number}. "
                "Use one of these."
            )
        return clamped(coding, *_CLAMPS[number])

    def kept_coding(self, x: Activation) -> Coding:
        """The result's coding where it must be the operand's: LiteRT then copies codes."""
        coding = self.coding(("INT8", "UINT8"))
        if coding != x.coding:
            raise GraphError(
                "the result must have its operand's scale and zero point, not "
                f"{coding.scale}, {coding.zero_point} instead of {x.coding.scale}, {x.coding.zero_point}"
            )
        return coding

    def result(self, value: Value, coding: Coding) -> Activation:
        """The result, in the shape that the file declares."""
        shape = self.shape()
        if prod(shape) != value.type.size:
            raise GraphError(f"the result must have shape {(1, *value.type.shape)}, not {(1, *shape)}")
        if shape != value.type.shape:
            value = Reshape(shape)(value)
        return Activation(self.named(value), coding)

    def shape(self) -> tuple[int, ...]:
        """The declared shape of the result, without the batch axis."""
        return frame_shape(self.output, "the result")

    def named(self, value: Value) -> Value:
        """The value, under the operator's name where no node on its way has it already."""
        stack, seen = [value], set()
        known = {id(o.value) for o in self.operands if isinstance(o, Activation)}
        while stack:
            v = stack.pop()
            if not isinstance(v, Node) or id(v) in known or id(v) in seen:
                continue
            if v.name == self.name:
                return value
            seen.add(id(v))
            stack.extend(v.inputs)
        if isinstance(value, Node) and id(value) not in known:
            return replace(value, name=self.name)
        return value


def clamped(coding: Coding, low: float | None, high: float | None) -> tuple[int, int]:
    """Range of the integers between two floats, either of which may be missing."""
    lo, hi = coding.range
    lo = lo if low is None else coding.quantize(low)
    hi = hi if high is None else coding.quantize(high)
    return lo, hi


def frame_shape(tensor: SourceTensor, what: str) -> tuple[int, ...]:
    """A tensor's shape without the batch axis, which must be 1."""
    if not tensor.shape or tensor.shape[0] != 1 or len(tensor.shape) < 2 or min(tensor.shape) < 1:
        raise GraphError(
            f"{what} must have a batch axis of 1 and known sizes behind it, not shape {tensor.shape}. "
            "Convert the model with a batch of 1."
        )
    return tensor.shape[1:]


def window(
    view: OperatorView, size: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """Strides, pads (top, left, bottom, right) and dilations of a window over an image of ``size``."""
    strides = view.option("StrideH"), view.option("StrideW")
    dilations = view.op.options.get("DilationHFactor", 1), view.op.options.get("DilationWFactor", 1)
    if min(*strides, *dilations, *kernel) < 1:
        raise GraphError(
            f"windows must have positive sizes, not kernel {kernel}, strides {strides}, dilations {dilations}"
        )
    if max(*strides, *dilations, *kernel) > 2**16:
        raise GraphError(
            f"windows must be at most 65536 wide, not kernel {kernel}, strides {strides}, "
            f"dilations {dilations}"
        )
    if view.option("Padding") != _SAME:
        return strides, (0, 0, 0, 0), dilations
    before, after = [], []
    for s, k, st, d in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-s // st) - 1) * st + (k - 1) * d + 1 - s, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return strides, (*before, *after), dilations
