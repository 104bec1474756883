"""Constants that act on channels, the last axis: how passes recognise and look at them."""

import numpy as np

from ..ir.graph import Const, Node, Value
from ..ir.ops import Add, AdderConv2d, AdderMatMul, Conv2d, Lookup, MatMul, Mul, Threshold
from ..ir.types import Int, TensorType, range_of


def constant_operand(node: Node) -> tuple[Value, np.ndarray] | None:
    """The computed operand of an Add or Mul, and its constant as shape (1,) or (C,).

    None where no operand, or each, is a constant, or where the constant differs within a channel.
    """
    x, z = node.inputs
    if isinstance(x, Const):
        x, z = z, x
    if isinstance(x, Const) or not isinstance(z, Const):
        return None
    vector = _per_channel(z.value, x.type)
    return None if vector is None else (x, vector)


def _per_channel(value: np.ndarray, type_: TensorType) -> np.ndarray | None:
    if not type_.shape:
        return None
    if value.shape in ((1,), type_.shape[-1:]):
        return value
    rows = value.reshape(-1, type_.shape[-1])
    return rows[0] if (rows == rows[0]).all() else None


def is_per_tensor(node: Node) -> bool:
    """Whether the node treats every element alike: one row of thresholds or table, a scalar Add or Mul."""
    if not isinstance(node.op, Threshold | Lookup | Add | Mul) or isinstance(node.inputs[0], Const):
        return False
    z = node.inputs[1]
    if isinstance(node.op, Lookup):
        return len(z.type.shape) == 1
    if isinstance(node.op, Threshold):
        return z.type.shape[0] == 1
    return isinstance(z, Const) and z.type.shape == (1,)


def is_linear(value: Value) -> bool:
    """Whether the value is a MatMul or Conv2d."""
    return isinstance(value, Node) and isinstance(value.op, MatMul | Conv2d)


def is_adder(value: Value) -> bool:
    """Whether the value is an AdderMatMul or AdderConv2d."""
    return isinstance(value, Node) and isinstance(value.op, AdderMatMul | AdderConv2d)


def takes_bias(value: Value) -> bool:
    """Whether the value is a layer of either kind, to whose sums a bias is added."""
    return is_linear(value) or is_adder(value)


def with_bias(layer: Node, bias: np.ndarray) -> Node:
    """The same layer with another bias, or none where it is all zeros."""
    x, w = layer.inputs[:2]
    operands = (x, w, Const(bias, _bias_name(layer))) if bias.any() else (x, w)
    return Node(layer.op, operands, layer.name)


def bias_of(layer: Node) -> np.ndarray:
    """The bias, shape (M,); zeros where there is none."""
    if len(layer.inputs) == 3:
        return layer.inputs[2].value
    return np.zeros(layer.type.shape[-1], np.int64)


def _bias_name(layer: Node) -> str:
    return layer.inputs[2].name if len(layer.inputs) == 3 else ""


def bits_of(values: np.ndarray) -> int:
    """Bits of the narrowest type that holds a constant."""
    return range_of(values).bits


def clipped(thresholds: np.ndarray, x: Int) -> np.ndarray:
    """The same thresholds within [smallest x, largest x + 1], where each comparison comes out the same."""
    return np.clip(thresholds, x.lo, x.hi + 1)
