"""Nodes that move, pick or compare elements: reshapes, transposes, pooling, arg-max."""

from dataclasses import replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.ops import ArgMax, MaxPool
from .linear_ops import frame, image, window
from .source import SourceNode
from .tensors import Constant, Tensor, oriented, rescaled, transpose

# Chains are checked for distinct values by evaluating every sum, so their number is limited.
_MAX_COMPARED = 2**22


def lower_shape(node: SourceNode) -> tuple[Constant]:
    """The source's shape as a constant."""
    full = (node.batch, *node.any_tensor().shape)
    start, end = node.attribute("start", 0), node.attribute("end", len(full))
    return (Constant(np.array(full[start:end], dtype=np.int64)),)


def lower_reshape(node: SourceNode) -> tuple[Tensor]:
    """A constant target shape, with ONNX's 0 (keep) and -1 (what remains)."""
    tensor = node.any_tensor()
    if len(node.operands) < 2:
        target = list(node.attribute("shape", ()))
    else:
        target = node.integers(1, "the shape")
    full = (node.batch, *tensor.shape)
    if not node.attribute("allowzero", 0):
        target = [full[i] if d == 0 and i < len(full) else d for i, d in enumerate(target)]
    if target.count(-1) == 1:
        known = prod(d for d in target if d != -1)
        target = [prod(full) // known if d == -1 and known else d for d in target]
    return (_reshaped(node, tensor, tuple(target)),)


def lower_flatten(node: SourceNode) -> tuple[Tensor]:
    """All axes behind the batch become one."""
    tensor = node.any_tensor()
    axis = node.attribute("axis", 1)
    axis += (tensor.rank + 1) * (axis < 0)
    if not 0 <= axis <= tensor.rank + 1:
        raise GraphError(f"the axis must be one of {tensor.rank + 1}, not {node.attribute('axis', 1)}")
    full = (node.batch, *tensor.shape)
    return (_reshaped(node, tensor, (prod(full[:axis]), prod(full[axis:]))),)


def lower_squeeze(node: SourceNode) -> tuple[Tensor]:
    """Axes of size 1 taken out."""
    tensor = node.any_tensor()
    full = (node.batch, *tensor.shape)
    axes = normalized(node_axes(node), len(full)) or [i for i, d in enumerate(full) if d == 1]
    return (_reshaped(node, tensor, tuple(d for i, d in enumerate(full) if i not in axes)),)


def lower_unsqueeze(node: SourceNode) -> tuple[Tensor]:
    """Axes of size 1 put in."""
    tensor = node.any_tensor()
    axes = node_axes(node)
    rank = tensor.rank + 1 + len(axes)
    axes = normalized(axes, rank)
    rest = iter((node.batch, *tensor.shape))
    return (_reshaped(node, tensor, tuple(1 if i in axes else next(rest) for i in range(rank))),)


def node_axes(node: SourceNode) -> list[int]:
    """The axes attribute (up to opset 12) or operand."""
    if len(node.operands) > 1 and node.operands[1] is not None:
        return node.integers(1, "the axes")
    return list(node.attribute("axes", ()))


def normalized(axes: list[int], rank: int) -> list[int]:
    """The axes counted from the front."""
    result = [a % rank for a in axes if -rank <= a < rank]
    if len(set(result)) != len(axes):
        raise GraphError(f"axes must be different ones of {rank}, not {axes}")
    return result


def _reshaped(node: SourceNode, tensor: Tensor, full: tuple[int, ...]) -> Tensor:
    """Reshape to ``full``, which includes the batch axis."""
    size = prod(tensor.shape)
    if len(full) < 2 or full[0] != node.batch or min(full) < 1 or prod(full[1:]) != size:
        raise GraphError(
            f"the new shape must keep the batch axis of {node.batch} first and hold {size} elements a frame, "
            f"not {full}"
        )
    return tensor.reshaped(full[1:], node.name)


def lower_transpose(node: SourceNode) -> tuple[Tensor]:
    """Axes behind the batch in another order."""
    tensor = node.any_tensor()
    perm = node.attribute("perm", tuple(range(tensor.rank, -1, -1)))
    if sorted(perm) != list(range(tensor.rank + 1)) or perm[0] != 0:
        raise GraphError(f"perm must order {tensor.rank + 1} axes and keep the batch first, not {perm}")
    return (tensor.transposed(tuple(a - 1 for a in perm[1:])),)


def lower_max_pool(node: SourceNode) -> tuple[Tensor]:
    """The largest of each window: of the integers, as their meaning never falls."""
    tensor = oriented(node.any_tensor())
    size, kernel = tensor.shape[1:], node.attribute("kernel_shape", ())
    if tensor.rank not in (2, 3):
        raise GraphError(f"pooling must be 1-D or 2-D, with frames (C, L) or (C, H, W), not {tensor.shape}")
    strides, pads, dilations = window(node, size, kernel)
    kernel, size = ((1,) * (2 - len(v)) + v for v in (kernel, size))
    if node.attribute("ceil_mode", 0):
        pads = ceiled(size, kernel, strides, pads, dilations)
    if any(d > 1 for d in tensor.chain.shape(tensor.rank)[1:]):
        raise GraphError("the function before pooling must be the same all over the image")
    op = MaxPool(kernel, strides, pads, dilations)
    return (replace(tensor, value=frame(op(image(tensor.value), name=node.name), tensor.rank)),)


def ceiled(size, kernel, strides, pads, dilations) -> tuple[int, int, int, int]:
    """Pads at the end that let a last window stand over the edge, as long as it begins before it."""
    ends = list(pads)
    for i in (0, 1):
        span = (kernel[i] - 1) * dilations[i] + 1
        count = -(-(size[i] + pads[i] + pads[i + 2] - span) // strides[i]) + 1
        count -= (count - 1) * strides[i] >= size[i] + pads[i]
        ends[i + 2] = max((count - 1) * strides[i] + span - size[i] - pads[i], pads[i + 2])
    return tuple(ends)


def lower_arg_max(node: SourceNode) -> tuple[Tensor]:
    """Index of the largest element along one axis, the first of equals."""
    if node.attribute("select_last_index", 0):
        raise GraphError("select_last_index must be 0")
    return (_arg_max(node, node.attribute("axis", 0), bool(node.attribute("keepdims", 1))),)


def lower_top_k(node: SourceNode) -> tuple[None, Tensor]:
    """The indices of TopK with k = 1, which are an arg-max; its values are not available."""
    k = node.integers(1, "k") if len(node.operands) > 1 else [node.attribute("k", 1)]
    if k != [1] or not node.attribute("largest", 1):
        raise GraphError(f"k must be 1 and largest 1, not k {k} and largest {node.attribute('largest', 1)}")
    return (None, _arg_max(node, node.attribute("axis", -1), True))


def _arg_max(node: SourceNode, axis: int, keep: bool) -> Tensor:
    tensor = node.any_tensor()
    axis = normalized([axis], tensor.rank + 1)[0] - 1
    if axis < 0:
        raise GraphError("the axis must not be the batch")
    tensor = oriented(tensor)
    _check_comparable(tensor)
    perm = (*(a for a in range(tensor.rank) if a != axis), axis)
    value: Value = ArgMax()(transpose(tensor.value, perm), name=node.name)
    shape = tensor.shape[:axis] + ((1,) if keep else ()) + tensor.shape[axis + 1 :]
    result = rescaled(value, np.ones((1,) * len(value.type.shape)))
    return replace(result.reshaped(shape), integer=True)


def _check_comparable(tensor: Tensor) -> None:
    """Comparing integers must give what comparing their float values gives, equals included."""
    if tensor.pending:
        raise GraphError("its input must be quantized, but comes from the model's float input")
    if tensor.chain.shape(tensor.rank) != (1,) * tensor.rank:
        raise GraphError(
            "arg-max compares integers, so its input must have one scale and bias for all channels. "
            "Leave it out (the logits are decoded exactly), or use a per-tensor weight quantizer "
            "and a bias quantized with the layer's own scale."
        )
    dtype = tensor.value.type.dtype
    if dtype.levels > _MAX_COMPARED:
        raise GraphError(f"arg-max takes sums of at most {_MAX_COMPARED} values, not {dtype.levels}")
    x = np.arange(dtype.lo, dtype.hi + 1, dtype.step).reshape((1,) * (tensor.rank - 1) + (-1,))
    if (np.diff(tensor.chain.apply(x).ravel()) <= 0).any():
        raise GraphError(
            "arg-max must see a different float for every sum, but some become equal (by clipping or "
            "rounding), so ties could differ. Take the arg-max of the logits themselves."
        )
