"""Nodes that repeat elements or trade pixels for channels: Resize, Upsample, Expand, Tile, DepthToSpace."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.ops import DepthToSpace, SpaceToDepth, Upsample
from ..ir.ops.resample import CRD, DCR
from .constants import MAX_ELEMENTS, run_node
from .moves import image_moved, picked, repeated
from .source import SourceNode
from .tensors import Constant, Tensor


def lower_resize(node: SourceNode) -> tuple[Tensor]:
    """Nearest neighbours, whichever ones ONNX Runtime takes: elements repeated or left out along each axis.

    Also Upsample, as Resize was called up to opset 9.
    """
    tensor = node.any_tensor()
    mode = node.attribute("mode", "nearest")
    crop = node.attribute("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    if mode != "nearest" or crop:
        raise GraphError(
            f"resizing must be of mode 'nearest', without cropping, not {mode!r}{' with cropping' * crop}: "
            "other modes compute new values. Use mode='nearest', or a transposed convolution with constant "
            "weights."
        )
    picks = _picks(node, tensor)
    factors = [_factor(p, d) for p, d in zip(picks, tensor.shape, strict=True)]
    if tensor.rank == 3 and factors[0] == 1 and all(factors):
        return (image_moved(tensor, Upsample((factors[1], factors[2])), node.name),)
    for axis, indices in enumerate(picks):
        tensor = picked(tensor, axis, indices)
    return (tensor,)


def _factor(indices: np.ndarray, size: int) -> int:
    """How often each element is repeated, where all are alike and in order; else 0."""
    times = len(indices) // size
    return times if np.array_equal(indices, np.repeat(np.arange(size), times)) else 0


def _picks(node: SourceNode, tensor: Tensor) -> list[np.ndarray]:
    """For each axis of a frame, the source's elements in the result: the node itself, run on indices."""
    full = (node.batch, *tensor.shape)
    rest = [node.optional(i, "a parameter") for i in range(1, len(node.operands))]
    _check_result(node, full, rest)
    numbers = np.arange(prod(full), dtype=np.int32).reshape(full)
    found = run_node(node, [numbers, *(None if c is None else c.values for c in rest)])[0]
    if found.ndim != len(full) or found.shape[0] != node.batch:
        raise GraphError(f"the result must keep the batch axis of {node.batch}, not have shape {found.shape}")
    picks = [
        np.unravel_index(found[(0,) * a + (slice(None),) + (0,) * (found.ndim - a - 1)], full)[a]
        for a in range(found.ndim)
    ]
    if not np.array_equal(numbers[np.ix_(*picks)], found):
        raise GraphError("each axis must be resized on its own, without values from outside")
    return picks[1:]


def _check_result(node: SourceNode, full: tuple[int, ...], rest: list[Constant | None]) -> None:
    """Refuse a result that would not fit, before it is computed."""
    scales = [c.values for c in rest if c is not None and c.values.dtype.kind == "f"]
    sizes = [c.values for c in rest if c is not None and c.values.dtype.kind in "iu"]
    # The region of interest is of floats too, and no larger than 1.
    factors = [float(np.prod(np.maximum(s.astype(np.float64), 1))) for s in scales]
    stored = [list(a.floats) for a in node.proto.attribute if a.name == "scales"]
    factors += [float(np.prod(np.maximum(s, 1))) for s in stored]
    count = max(
        prod(full) * max(factors, default=1),
        max((float(np.prod(s.astype(np.float64))) for s in sizes), default=0),
    )
    if not count <= MAX_ELEMENTS:
        raise GraphError(f"the result must have at most {MAX_ELEMENTS} elements, not up to {count:.0f}")


def lower_expand(node: SourceNode) -> tuple[Tensor]:
    """Axes of size 1 repeated."""
    tensor = node.any_tensor()
    full, target = (node.batch, *tensor.shape), tuple(node.integers(1, "the shape"))
    fits = len(target) <= len(full) and min(target, default=1) > 0
    wide = (1,) * (len(full) - len(target)) + target
    if not fits or wide[0] not in (1, node.batch) or any(
        1 not in (d, t) and d != t for d, t in zip(full, wide, strict=True)
    ):  # fmt: skip
        raise GraphError(f"the shape must repeat axes of size 1 of {full} behind the batch, not {target}")
    for axis, (size, times) in enumerate(zip(tensor.shape, wide[1:], strict=True)):
        tensor = repeated(tensor, axis, times if size == 1 else 1)
    return (tensor,)


def lower_tile(node: SourceNode) -> tuple[Tensor]:
    """The whole tensor several times along each axis."""
    tensor = node.any_tensor()
    repeats = node.integers(1, "the repeats")
    if len(repeats) != tensor.rank + 1 or repeats[0] != 1 or min(repeats) < 1:
        raise GraphError(f"repeats must be {tensor.rank + 1} numbers above 0, 1 for the batch, not {repeats}")
    if prod(repeats) * prod(tensor.shape) > MAX_ELEMENTS:
        raise GraphError(f"the result must have at most {MAX_ELEMENTS} elements, not {repeats} times more")
    for axis, times in enumerate(repeats[1:]):
        tensor = picked(tensor, axis, np.tile(np.arange(tensor.shape[axis]), times))
    return (tensor,)


def lower_depth_to_space(node: SourceNode) -> tuple[Tensor]:
    """Channels become blocks of pixels, in either order."""
    mode = node.attribute("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise GraphError(f"mode must be DCR or CRD, not {mode!r}")
    op = DepthToSpace(node.attribute("blocksize", 0), CRD if mode == "CRD" else DCR)
    return (image_moved(_image(node), op, node.name),)


def lower_space_to_depth(node: SourceNode) -> tuple[Tensor]:
    """Blocks of pixels become channels."""
    return (image_moved(_image(node), SpaceToDepth(node.attribute("blocksize", 0)), node.name),)


def _image(node: SourceNode) -> Tensor:
    tensor = node.any_tensor()
    if tensor.rank != 3:
        raise GraphError(f"frames must be images (C, H, W), not {tensor.shape}")
    return tensor
