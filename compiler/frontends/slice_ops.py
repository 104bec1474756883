"""Nodes that take parts of a tensor: Slice, Split, Gather; also of a table, by computed indices."""

from dataclasses import replace

import numpy as np

from ...errors import GraphError
from .function_steps import FunctionStep
from .join_ops import FarApart, matched
from .layout_ops import normalized
from .moves import picked, sliced
from .source import SourceNode
from .tensors import Constant, Tensor, rescaled


def lower_slice(node: SourceNode) -> tuple[Tensor]:
    """Elements of each axis in steps, also backward; starts and ends are attributes up to opset 9."""
    tensor = node.any_tensor()
    full = (node.batch, *tensor.shape)
    if len(node.operands) > 1:
        starts, ends = node.integers(1, "the starts"), node.integers(2, "the ends")
        axes = node.integers(3, "the axes") if _given(node, 3) else list(range(len(starts)))
        steps = node.integers(4, "the steps") if _given(node, 4) else [1] * len(starts)
    else:
        starts, ends = node.attribute("starts", ()), node.attribute("ends", ())
        axes, steps = list(node.attribute("axes", tuple(range(len(starts))))), [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise GraphError(
            f"starts, ends, axes and steps must be as many, and no step 0, not {starts}, {ends}, {axes}, "
            f"{steps}"
        )
    parts = [slice(0, d, 1) for d in full]
    for axis, start, end, step in zip(normalized(axes, len(full)), starts, ends, steps, strict=True):
        parts[axis] = _part(full[axis], start, end, step)
    if parts[0] != slice(0, node.batch, 1):
        raise GraphError(f"slices must keep the whole batch axis of {node.batch}, not {parts[0]}")
    return (_taken(tensor, parts[1:], node.name),)


def _given(node: SourceNode, index: int) -> bool:
    return len(node.operands) > index and node.operands[index] is not None


def _part(size: int, start: int, end: int, step: int) -> slice:
    """ONNX's start and end as bounds: from the front, and within the axis."""
    found = range(*slice(start, end, step).indices(size))
    if not len(found):
        raise GraphError(f"slices must keep some of the {size} elements, not {start}:{end}:{step}")
    first, last = found[0], found[-1]
    if step < 0:
        return slice(first, last - 1, step)
    return slice(first, last + 1, step if last > first else 1)


def _taken(tensor: Tensor, parts: list[slice], name: str) -> Tensor:
    """Slices of a frame; backward ones element by element."""
    forward = [p if p.step > 0 else slice(0, d, 1) for p, d in zip(parts, tensor.shape, strict=True)]
    backward = [a for a, p in enumerate(parts) if p.step < 0]
    result = sliced(tensor, forward, "" if backward else name)
    for i, axis in enumerate(backward):
        p = parts[axis]
        last = i == len(backward) - 1
        result = picked(result, axis, np.arange(p.start, p.stop, p.step), name if last else "")
    return result


def lower_split(node: SourceNode) -> tuple[Tensor, ...]:
    """Parts one behind the other along an axis: of given sizes, or equal ones."""
    tensor = node.any_tensor()
    axis = _axis(node, tensor)
    size, count = tensor.shape[axis], len(node.proto.output)
    if _given(node, 1):
        sizes = node.integers(1, "the sizes")
    else:
        sizes = list(node.attribute("split", ())) or _equal(size, node.attribute("num_outputs", count))
    if len(sizes) != count or min(sizes, default=0) < 1 or sum(sizes) != size:
        raise GraphError(f"the {count} parts must be of at least 1 and sum to {size}, not {sizes}")
    parts, start = [], 0
    for length in sizes:
        whole = [slice(0, d, 1) for d in tensor.shape]
        whole[axis] = slice(start, start + length, 1)
        parts.append(sliced(tensor, whole))
        start += length
    return tuple(parts)


def _equal(size: int, count: int) -> list[int]:
    """Equal parts, the last of which may be smaller."""
    if not 1 <= count <= size:
        raise GraphError(f"num_outputs must be 1 to {size}, as many as there are elements, not {count}")
    each = -(-size // count)
    return [each] * (count - 1) + [size - each * (count - 1)]


def lower_gather(node: SourceNode) -> tuple[Tensor]:
    """Elements of one axis by constant indices, whose axes take that axis' place; or of a constant list of
    float32 numbers by computed indices."""
    if isinstance(node.operands[0], Constant) and isinstance(node.operands[-1], Tensor):
        return (_from_table(node),)
    tensor = node.any_tensor()
    axis = _axis(node, tensor)
    indices = np.array(node.integers(1, "the indices"), dtype=np.int64)
    size, shape = tensor.shape[axis], node.constant(1, "the indices").values.shape
    if not indices.size or not -size <= indices.min() <= indices.max() < size:
        raise GraphError(f"indices must lie in {-size}..{size - 1}, not {indices.tolist()[:8]}")
    target = (*tensor.shape[:axis], *shape, *tensor.shape[axis + 1 :])
    if not target:
        raise GraphError("an axis besides the batch must stay. Gather with a list of one index.")
    return (picked(tensor, axis, indices % size, node.name).reshaped(target),)


def _from_table(node: SourceNode) -> Tensor:
    """A number for each index, as exact integers of one unit where there is one."""
    table, indices = node.constant(0, "the table").values, node.any_tensor(1)
    if table.ndim != 1 or table.dtype != np.float32 or not np.isfinite(table).all():
        raise GraphError(
            f"a table for computed indices must be one list of finite float32 numbers, not {table.dtype} of "
            f"shape {table.shape}"
        )
    dtype, count = indices.value.type.dtype, len(table)
    low, high = dtype.lo + indices.zero_point, dtype.hi + indices.zero_point
    if not -count <= low <= high < count:
        raise GraphError(
            f"computed indices must lie in {-count}..{count - 1}, but may be {low}..{high}. Put a quantizer "
            "with as many codes as the table has numbers in front."
        )

    def function(x: np.ndarray) -> np.ndarray:
        return table[np.rint(x).astype(np.int64) + indices.zero_point]

    plain = replace(indices, integer=False, zero_point=0).then(FunctionStep((), function, "Gather"))
    try:
        (value,), unit = matched([plain])
    except FarApart:
        return plain
    return rescaled(value, np.full((1,) * plain.rank, unit))


def _axis(node: SourceNode, tensor: Tensor) -> int:
    """The node's axis, counted behind the batch."""
    axis = normalized([node.attribute("axis", 0)], tensor.rank + 1)[0] - 1
    if axis < 0:
        raise GraphError("the axis must not be the batch")
    return axis
