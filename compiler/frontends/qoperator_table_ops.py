"""Functions of one code, as tables that ONNX Runtime itself computes: QLinearSigmoid, QLinearLeakyRelu and
the change of scale in QLinearConcat."""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Concat, Lookup
from .constants import run_node
from .layout_ops import normalized
from .qoperator_codes import Coding, coding, integers, tensor_of
from .source import SourceNode
from .tensors import Tensor


def lower_table(node: SourceNode) -> tuple[Tensor]:
    """A function of one tensor's codes: the node itself is run for all 256 of them."""
    y = coding(node, 3, "the result", _kind(node, 0))
    x = coding(node, 1, "the input", y.kind)
    table = run_node(node, [x.codes, *x.arrays, *y.arrays])[0]
    value = looked_up(integers(node, 0, x.zero_point).value, table, x, y, node.name)
    return (tensor_of(value, y),)


def lower_qlinear_concat(node: SourceNode) -> tuple[Tensor]:
    """QLinearConcat: each input's codes in the result's scale, joined along an axis."""
    count = len(node.operands) - 2
    if count < 3 or count % 3:
        raise GraphError(f"it must have a scale, a zero point and three operands for each input, not {count}")
    y, places = coding(node, 0, "the result"), range(2, count + 2, 3)
    codings = [coding(node, i + 1, f"input {i}", y.kind) for i in places]
    axis = _axis(node, [node.any_tensor(i) for i in places])
    parts = []
    for i, x in zip(places, codings, strict=True):
        if x.kind != y.kind:
            raise GraphError(f"all codes must be of one type, not {x.kind} and {y.kind}")
        # Frames of one batch, with the codes along the axis that is joined.
        codes = x.codes.reshape((1,) * axis + (-1,) + (1,) * (node.any_tensor(i).rank - axis))
        table = run_node(node, [*y.arrays, codes, *x.arrays])[0].ravel()
        parts.append(looked_up(integers(node, i, x.zero_point).value, table, x, y))
    if len(parts) == 1:
        return (tensor_of(parts[0], y),)
    return (tensor_of(Concat(axis - 1)(*parts, name=node.name), y),)


def looked_up(value: Value, table: np.ndarray, x: Coding, y: Coding, name: str = "") -> Value:
    """Codes through a table of all 256 codes of ``x``, in codes of ``y``; both less their zero points."""
    entries = table.astype(np.int64) - y.zero_point
    lo, hi = x.range
    if (entries == np.arange(lo, hi + 1)).all():
        return value
    return Lookup(lo)(value, Const(entries), name=name)


def _axis(node: SourceNode, tensors: list[Tensor]) -> int:
    rank = tensors[0].rank + 1
    if any(t.rank + 1 != rank for t in tensors):
        raise GraphError("its inputs must have as many axes each")
    (axis,) = normalized([node.attribute("axis", 1)], rank)
    if not axis:
        raise GraphError("the axis must not be the batch")
    return axis


def _kind(node: SourceNode, index: int) -> str:
    """The type of a computed operand's codes, from what they can be."""
    tensor = node.any_tensor(index)
    return "int8" if tensor.value.type.dtype.lo + tensor.zero_point < 0 else "uint8"
