"""Operators that move codes and compute nothing: orders of axes, parts, blocks, repetitions; and arg-max."""

from dataclasses import replace

import numpy as np

from ...errors import GraphError
from ..ir.ops import ArgMax, DepthToSpace, Slice, SpaceToDepth, Transpose, Upsample
from .tflite_file import constant
from .tflite_source import Activation, Coding, OperatorView

_MASKS = ("EllipsisMask", "NewAxisMask")


def _axes(view: OperatorView, index: int, what: str, rank: int) -> list[int]:
    """A constant vector with one element per axis, the batch first."""
    stored = view.source(index, what)
    values = constant(stored, "INT64" if stored.kind == "INT64" else "INT32", what).ravel().tolist()
    if len(values) != rank:
        raise GraphError(f"{what} must have one element for each of {rank} axes, not {values}")
    return values


def lower_transpose(view: OperatorView) -> Activation:
    """TRANSPOSE; the batch stays the first axis."""
    x, rank = view.activation(0), len(view.activation(0).shape) + 1
    perm = _axes(view, 1, "the order of axes", rank)
    if perm[0] != 0 or sorted(perm) != list(range(rank)):
        raise GraphError(f"the order must be one of {rank} axes that begins with the batch, not {perm}")
    order = tuple(a - 1 for a in perm[1:])
    value = x.value if order == tuple(range(rank - 1)) else Transpose(order)(x.value)
    return view.result(value, view.kept_coding(x))


def lower_slice(view: OperatorView) -> Activation:
    """SLICE: begin and size along each axis; a size of -1 is all that is left."""
    x = view.activation(0)
    full = (1, *x.shape)
    begins = _axes(view, 1, "the begins", len(full))
    sizes = _axes(view, 2, "the sizes", len(full))
    ends = [d if s == -1 else b + s for b, s, d in zip(begins, sizes, full, strict=True)]
    return _part(view, x, list(zip(begins, ends, [1] * len(full), strict=True)))


def lower_strided_slice(view: OperatorView) -> Activation:
    """STRIDED_SLICE with positive strides; axes may be shrunk to one element."""
    x = view.activation(0)
    full = (1, *x.shape)
    lists = [_axes(view, i + 1, f"the {w}", len(full)) for i, w in enumerate(("begins", "ends", "strides"))]
    if any(view.option(m) for m in _MASKS):
        raise GraphError("it must not add axes or leave some out, but its ellipsis or new-axis mask is set")
    parts = []
    for axis, (begin, end, stride, size) in enumerate(zip(*lists, full, strict=True)):
        bit = 1 << axis
        begin, end = begin + size * (begin < 0), end + size * (end < 0)
        begin = 0 if view.option("BeginMask") & bit else min(begin, size)
        end = size if view.option("EndMask") & bit else min(end, size)
        if view.option("ShrinkAxisMask") & bit:
            end, stride = begin + 1, 1
        parts.append((begin, end, stride))
    return _part(view, x, parts)


def _part(view: OperatorView, x: Activation, parts: list[tuple[int, int, int]]) -> Activation:
    """Start, stop and step of each axis, the batch first."""
    full = (1, *x.shape)
    if any(not 0 <= a < b <= d or s < 1 for (a, b, s), d in zip(parts, full, strict=True)):
        raise GraphError(
            f"each axis of {full} must give 0 <= begin < end <= length and a positive stride, not {parts}"
        )
    return view.result(_sliced(x, parts[1:]), view.kept_coding(x))


def _sliced(x: Activation, parts: list[tuple[int, int, int]]):
    if all(p == (0, d, 1) for p, d in zip(parts, x.shape, strict=True)):
        return x.value
    starts, stops, steps = zip(*parts, strict=True)
    return Slice(starts, stops, steps)(x.value)


def lower_split(view: OperatorView) -> tuple[Activation, ...]:
    """SPLIT into equal parts."""
    x = view.activation(1)
    axis, count = _split_axis(view, 0, x), len(view.outputs)
    size, rest = divmod(x.shape[axis], count)
    if rest:
        raise GraphError(f"{count} equal parts must make up the axis of {x.shape[axis]}, but do not")
    return _split(view, x, axis, [size] * count)


def lower_split_v(view: OperatorView) -> tuple[Activation, ...]:
    """SPLIT_V into parts of given sizes; one of them may be -1, the rest."""
    x = view.activation(0)
    axis = _split_axis(view, 2, x)
    sizes = _axes(view, 1, "the sizes", len(view.outputs))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - (sum(sizes) + 1)
    if min(sizes) < 1 or sum(sizes) != x.shape[axis]:
        raise GraphError(f"the sizes must make up the axis of {x.shape[axis]}, but are {sizes}")
    return _split(view, x, axis, sizes)


def _split_axis(view: OperatorView, index: int, x: Activation) -> int:
    (axis,) = _axes(view, index, "the axis", 1)
    rank = len(x.shape) + 1
    if not -rank <= axis < rank or axis % rank == 0:
        raise GraphError(f"the axis must be one of 1..{rank - 1}, not {axis}")
    return axis % rank - 1


def _split(view: OperatorView, x: Activation, axis: int, sizes: list[int]) -> tuple[Activation, ...]:
    results, start = [], 0
    for number, (output, size) in enumerate(zip(view.outputs, sizes, strict=True)):
        parts = [(0, d, 1) for d in x.shape]
        parts[axis] = (start, start + size, 1)
        start += size
        part = replace(view, outputs=(output,), name=view.name if not number else f"{view.name}_{number}")
        results.append(part.result(_sliced(x, parts), part.kept_coding(x)))
    return tuple(results)


def lower_resize_nearest(view: OperatorView) -> Activation:
    """RESIZE_NEAREST_NEIGHBOR by whole factors, where that is plain repetition."""
    x = view.image(0)
    size = _axes(view, 1, "the size", 2)
    factors = []
    for old, new in zip(x.shape[:2], size, strict=True):
        if new < 1 or new % old or (_sources(view, old, new) != np.arange(new) // (new // old)).any():
            raise GraphError(
                f"it must repeat each pixel equally often, but {x.shape[0]}x{x.shape[1]} becomes "
                f"{size[0]}x{size[1]}. Use whole factors, without align_corners."
            )
        factors.append(new // old)
    value = x.value if factors == [1, 1] else Upsample((factors[0], factors[1]))(x.value)
    return view.result(value, view.kept_coding(x))


def _sources(view: OperatorView, old: int, new: int) -> np.ndarray:
    """The pixel that each new one takes, as LiteRT computes it in float32."""
    aligned = view.option("AlignCorners") and new > 1
    scale = np.float32(old - 1) / np.float32(new - 1) if aligned else np.float32(old) / np.float32(new)
    at = np.arange(new).astype(np.float32)
    if view.option("HalfPixelCenters"):
        at = at + np.float32(0.5)
    at = at * scale
    whole = np.floor(at + np.float32(0.5)) if aligned else np.floor(at)
    return np.clip(whole, 0, old - 1).astype(np.int64)


def lower_depth_to_space(view: OperatorView) -> Activation:
    """DEPTH_TO_SPACE: the channels of a block are in its pixels' order, as in ONNX's mode DCR."""
    x = view.image(0)
    return view.result(DepthToSpace(view.option("BlockSize"))(x.value), view.kept_coding(x))


def lower_space_to_depth(view: OperatorView) -> Activation:
    """SPACE_TO_DEPTH."""
    x = view.image(0)
    return view.result(SpaceToDepth(view.option("BlockSize"))(x.value), view.kept_coding(x))


def lower_arg_max(view: OperatorView) -> Activation:
    """ARG_MAX along one axis, the first of equals; only outputs may follow."""
    x = view.activation(0, ("INT8", "UINT8"))
    axis, rank = _split_axis(view, 1, x), len(x.shape)
    if view.output.kind not in ("INT32", "INT64"):
        raise GraphError(f"the result must be INT32 or INT64, not {view.output.kind}")
    order = (*(a for a in range(rank) if a != axis), axis)
    value = ArgMax()(x.value if order == tuple(range(rank)) else Transpose(order)(x.value))
    if view.output.shape[:1] != (1,) or view.output.shape[1:] != value.type.shape:
        raise GraphError(f"the result must have shape {(1, *value.type.shape)}, not {view.output.shape}")
    return Activation(view.named(value), Coding(np.float32(1), 0, view.output.kind))
