"""Averages: integer sums, rounded to float32 once, and divided in float32 as the source does."""

from dataclasses import dataclass
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.ops import ReduceSum, SumPool
from .chain import DivStep, compress
from .constants import MAX_ELEMENTS
from .join_ops import matched
from .layout_ops import ceiled, node_axes, normalized
from .linear_ops import frame, image, window
from .moves import shaped
from .source import SourceNode
from .tensors import Tensor, rescaled, transpose

# Integers below this are float64's own, as the products with a scale rely on.
_MAX_SUM = 2**53


@dataclass(frozen=True, eq=False)
class _Summands:
    """Integers and their float64 scale, which is the same for all that are summed."""

    value: Value
    scale: np.ndarray


def lower_global_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each channel; axes of size 1 stay."""
    tensor = node.tensor()
    if tensor.rank < 2:
        raise GraphError(f"frames must have a channel and other axes, not shape {tensor.shape}")
    return (_mean(node, tensor, tuple(range(1, tensor.rank)), True),)


def lower_reduce_mean(node: SourceNode) -> tuple[Tensor]:
    """The mean over some axes behind the batch."""
    tensor = node.tensor()
    axes = sorted(a - 1 for a in normalized(node_axes(node), tensor.rank + 1))
    if not axes or axes[0] < 0:
        raise GraphError("the axes must be given, and none of them the batch")
    return (_mean(node, tensor, tuple(axes), bool(node.attribute("keepdims", 1))),)


def _mean(node: SourceNode, tensor: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    count = prod(tensor.shape[a] for a in axes)
    total = sum_over(node, tensor, axes, keep)
    return _divided(total, np.full((1,) * total.rank, count))


def sum_over(node: SourceNode, tensor: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """The sum over some axes of a frame, rounded to float32 once; ``keep`` leaves them as axes of size 1.

    Raises:
        GraphError: no axis would be left, or sums that float64 does not hold.
    """
    given = _summands(tensor, axes, prod(tensor.shape[a] for a in axes))
    # Sums over the leading axes, as images are (H, W, C) in the graph.
    rest = tuple(a for a in range(tensor.rank) if a not in axes)
    total = ReduceSum(tuple(range(len(axes))))(transpose(given.value, (*axes, *rest)), name=node.name)
    shape = tuple(1 if a in axes else d for a, d in enumerate(tensor.shape) if keep or a not in axes)
    if not shape:
        raise GraphError("an axis besides the batch must stay. Set keepdims.")
    return rescaled(shaped(total, shape), given.scale if keep else given.scale.squeeze(axes))


def lower_average_pool(node: SourceNode) -> tuple[Tensor]:
    """The mean of each window, 1-D or 2-D; padding counts where count_include_pad says so."""
    tensor = node.tensor()
    if tensor.rank not in (2, 3):
        raise GraphError(f"pooling must be 1-D or 2-D, with frames (C, L) or (C, H, W), not {tensor.shape}")
    size, kernel = tensor.shape[1:], node.attribute("kernel_shape", ())
    strides, pads, dilations = window(node, size, kernel)
    kernel, size = ((1,) * (2 - len(v)) + v for v in (kernel, size))
    reach = ceiled(size, kernel, strides, pads, dilations) if node.attribute("ceil_mode", 0) else pads
    op = SumPool(kernel, strides, reach, dilations)
    given = _summands(tensor, tuple(range(1, tensor.rank)), prod(kernel))
    # First, as it checks the windows that are counted then.
    total = frame(op(image(given.value), name=node.name), tensor.rank)
    counts = _counts(op, size, pads if node.attribute("count_include_pad", 0) else (0, 0, 0, 0))
    return (_divided(rescaled(total, given.scale), compress(counts[None] if tensor.rank == 3 else counts)),)


def _counts(op: SumPool, size: tuple[int, int], counted: tuple[int, int, int, int]) -> np.ndarray:
    """The elements in each window of an image, with this much of its padding, (OH, OW).

    Raises:
        GraphError: a window of padding only, or more padding than any image needs.
    """
    rest = tuple(p - c for p, c in zip(op.pads, counted, strict=True))
    whole = (size[0] + op.pads[0] + op.pads[2], size[1] + op.pads[1] + op.pads[3])
    if prod(whole) > MAX_ELEMENTS:
        raise GraphError(f"a padded image must have at most {MAX_ELEMENTS} pixels, not {whole}")
    shape = (size[0] + counted[0] + counted[2], size[1] + counted[1] + counted[3])
    ones = np.ones((1, *shape, 1), dtype=np.int64)
    counts = SumPool(op.kernel, op.strides, rest, op.dilations).evaluate(ones)[0, :, :, 0]
    if not counts.all():
        raise GraphError("every window must meet the image, but one holds padding only. Pad less.")
    return counts


def _summands(tensor: Tensor, axes: tuple[int, ...], count: int) -> _Summands:
    """Integers, ``count`` of which along the axes have a float sum of ``scale * (their sum)``.

    Raises:
        GraphError: sums that float64 does not hold.
    """
    plain = tensor.chain.only_scale() and not tensor.pending
    if plain and all(tensor.chain.shape(tensor.rank)[a] == 1 for a in axes):
        value, scale = tensor.value, tensor.chain.steps[0].params[0]
    else:
        (value,), unit = matched([tensor])
        scale = np.full((1,) * tensor.rank, unit)
    reach = value.type.dtype.magnitude * count
    if reach >= _MAX_SUM:
        raise GraphError(
            f"sums must stay within 53 bits, not reach {reach}. Put a quantizer in front, or use a smaller "
            "window."
        )
    return _Summands(value, scale)


def _divided(total: Tensor, counts: np.ndarray) -> Tensor:
    return total.then(DivStep((counts.astype(np.float32),)))
