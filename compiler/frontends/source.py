"""One node of the source model as its handler sees it: operands resolved, attributes typed."""

from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto, NodeProto, helper

from ...errors import GraphError
from .chain import compress
from .tensors import Constant, Tensor

Operand = Tensor | Constant | None


@dataclass(frozen=True, eq=False)
class SourceNode:
    """A node with its operands; ``batch`` is the size of axis 0 in the source's shapes."""

    proto: NodeProto
    name: str
    operands: tuple[Operand, ...]
    opset: int
    batch: int

    def tensor(self, index: int = 0) -> Tensor:
        """A computed float operand.

        Raises:
            GraphError: it is missing, a constant, or of an integer type.
        """
        operand = self.any_tensor(index)
        if operand.integer:
            raise GraphError(f"input {index} must be float32, not integers. Cast it to float first.")
        return operand

    def any_tensor(self, index: int = 0) -> Tensor:
        """A computed operand of any type; raises GraphError when it is missing or a constant."""
        operand = self.operands[index] if index < len(self.operands) else None
        if not isinstance(operand, Tensor):
            kind = "a constant" if operand else "missing"
            raise GraphError(f"input {index} must be computed from the model's input, but is {kind}")
        return operand

    def constant(self, index: int, what: str) -> Constant:
        """A constant operand; raises GraphError when it is missing or computed."""
        constant = self.optional(index, what)
        if constant is None:
            raise GraphError(f"input {index} ({what}) must be given")
        return constant

    def optional(self, index: int, what: str) -> Constant | None:
        """A constant operand or None; raises GraphError when it is computed."""
        operand = self.operands[index] if index < len(self.operands) else None
        if isinstance(operand, Tensor):
            raise GraphError(f"input {index} ({what}) must be a constant, but is computed")
        return operand

    def integers(self, index: int, what: str) -> list[int]:
        """A constant operand as a list of integers."""
        values = self.constant(index, what).values
        if values.dtype.kind not in "iu":
            raise GraphError(f"input {index} ({what}) must hold integers, not {values.dtype}")
        return [int(v) for v in values.ravel()]

    def attribute(self, name: str, default):
        """An attribute of the default's type, or the default; raises GraphError on another type."""
        for a in self.proto.attribute:
            if a.name == name:
                return self._typed(a, default)
        return default

    def _typed(self, attribute: AttributeProto, default):
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError:
            # A reference to a function's attribute, or a type that is none.
            raise GraphError(f"attribute {attribute.name} must have a value of its own") from None
        if isinstance(default, str) and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        kinds = {int: int, float: (float, int), list: list, tuple: list}
        wanted = kinds.get(type(default), type(default))
        if default is None or isinstance(value, wanted):
            if isinstance(value, list) and not all(isinstance(v, int) for v in value):
                raise GraphError(f"attribute {attribute.name} must hold integers")
            return tuple(value) if isinstance(value, list) else value
        raise GraphError(
            f"attribute {attribute.name} must be of type {type(default).__name__}, not {type(value).__name__}"
        )


def aligned(constant: Constant, tensor: Tensor, what: str) -> Constant:
    """A constant that broadcasts against a tensor with its batch axis, made to broadcast against a frame.

    Raises:
        GraphError: it has more elements than the frame along some axis, or is not finite float32.
    """
    values = constant.values
    if values.dtype != np.float32:
        raise GraphError(f"{what} must be float32, not {values.dtype}")
    if not np.isfinite(values).all():
        raise GraphError(f"{what} must be finite, but holds NaN or infinity")
    rank = tensor.rank
    full = (1,) * (rank + 1 - values.ndim) + values.shape
    if (
        len(full) > rank + 1
        or full[0] != 1
        or any(d not in (1, t) for d, t in zip(full[1:], tensor.shape, strict=True))
    ):
        raise GraphError(
            f"{what} of shape {values.shape} must broadcast to frames of shape {tensor.shape} "
            "without enlarging them"
        )
    return constant.mapped(lambda a: a.reshape(full[1:]))


def parameter(constant: Constant, tensor: Tensor, what: str) -> np.ndarray:
    """The float32 values of ``aligned``, one element along axes where all are equal."""
    return compress(aligned(constant, tensor, what).values)


def along_channels(values: np.ndarray, tensor: Tensor, what: str) -> np.ndarray:
    """One value per channel (axis 0 of a frame), made to broadcast against the frame."""
    if values.shape != (tensor.shape[0],):
        raise GraphError(f"{what} must have shape ({tensor.shape[0]},), one per channel, not {values.shape}")
    return values.reshape((-1,) + (1,) * (tensor.rank - 1))
