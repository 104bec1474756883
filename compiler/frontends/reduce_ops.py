"""Sums and maxima over whole axes."""

from dataclasses import replace
from math import prod

from ...errors import GraphError
from ..ir.ops import MaxPool
from .average_ops import sum_over
from .layout_ops import node_axes, normalized
from .moves import shaped
from .source import SourceNode
from .tensors import Tensor, oriented, reshape_param, transpose


def lower_reduce_sum(node: SourceNode) -> tuple[Tensor]:
    """The sum over some axes behind the batch: exact, rounded to float32 once, as sums of products are."""
    tensor = node.tensor()
    return (sum_over(node, tensor, *_axes(node, tensor)),)


def lower_reduce_max(node: SourceNode) -> tuple[Tensor]:
    """The largest over some axes behind the batch."""
    tensor = node.any_tensor()
    return (_largest(tensor, *_axes(node, tensor), node.name),)


def lower_global_max_pool(node: SourceNode) -> tuple[Tensor]:
    """The largest of each channel; axes of size 1 stay."""
    tensor = node.any_tensor()
    if tensor.rank < 2:
        raise GraphError(f"frames must have a channel and other axes, not shape {tensor.shape}")
    return (_largest(tensor, tuple(range(1, tensor.rank)), True, node.name),)


def _axes(node: SourceNode, tensor: Tensor) -> tuple[tuple[int, ...], bool]:
    """The axes, counted behind the batch, and whether they stay as axes of size 1."""
    axes = sorted(a - 1 for a in normalized(node_axes(node), tensor.rank + 1))
    if not axes or axes[0] < 0:
        raise GraphError("the axes must be given, and none of them the batch")
    return tuple(axes), bool(node.attribute("keepdims", 1))


def _left(shape: tuple[int, ...], axes: tuple[int, ...], keep: bool) -> tuple[int, ...]:
    """A frame's shape without the axes."""
    left = tuple(1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes)
    if not left:
        raise GraphError("an axis besides the batch must stay. Set keepdims.")
    return left


def _largest(tensor: Tensor, axes: tuple[int, ...], keep: bool, name: str) -> Tensor:
    """A pool whose window is all of the axes: of the integers, as their meaning never falls."""
    tensor = oriented(tensor)
    if any(tensor.chain.shape(tensor.rank)[a] > 1 for a in axes):
        raise GraphError("the function before a maximum must be the same all over its axes")
    rest = tuple(a for a in range(tensor.rank) if a not in axes)
    sizes = [tensor.shape[a] for a in axes]
    image = (sizes[0], prod(sizes[1:]), prod(tensor.shape[a] for a in rest))
    pooled = MaxPool(image[:2])(shaped(transpose(tensor.value, (*axes, *rest)), image), name=name)
    shape, one = _left(tensor.shape, axes, keep), _left(tensor.shape, axes, True)
    chain = tensor.chain.moved(lambda p: reshape_param(p, one, shape))
    return replace(tensor, value=shaped(pooled, shape), chain=chain)
