"""Moving, picking and repeating a tensor's elements, with the chain's parameters moved along."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.op import Op
from ..ir.ops import Concat, Reshape, Slice, Upsample
from .chain import ArrayMap, compress
from .constants import MAX_ELEMENTS
from .tensors import Tensor, transpose

# Each piece is a node of the graph; no model that people draw has more.
_MAX_PIECES = 4096


def moved(tensor: Tensor, build: Callable[[Value], Value], move: ArrayMap) -> Tensor:
    """``build`` applied to the integers, and ``move``, which does the same to arrays, to the chain."""
    value = build(tensor.value)
    rank = len(value.type.shape)

    def param(p: np.ndarray) -> np.ndarray:
        if p.size == 1:
            return p.reshape((1,) * rank)
        return compress(move(np.broadcast_to(p, tensor.shape)))

    return replace(tensor, value=value, chain=tensor.chain.moved(param))


def image_moved(tensor: Tensor, op: Op, name: str) -> Tensor:
    """An op on images (H, W, C) applied to a frame (C, H, W)."""
    return moved(
        tensor,
        lambda v: transpose(op(transpose(v, (1, 2, 0)), name=name), (2, 0, 1)),
        lambda p: op.evaluate(p.transpose(1, 2, 0)[None])[0].transpose(2, 0, 1),
    )


def sliced(tensor: Tensor, parts: Sequence[slice], name: str = "") -> Tensor:
    """The elements ``start, start + step, ...`` below ``stop`` of each axis, as one Slice node."""
    return moved(tensor, lambda v: _part(v, parts, name), lambda p: p[tuple(parts)])


def picked(tensor: Tensor, axis: int, indices: np.ndarray, name: str = "") -> Tensor:
    """The elements ``indices`` along one axis, in that order: slices, joined.

    Raises:
        GraphError: no element, too many pieces, or a float input in several pieces.
    """
    check_size((*tensor.shape[:axis], len(indices), *tensor.shape[axis + 1 :]))
    times = _repeats(indices)
    if times > 1:
        return repeated(picked(tensor, axis, indices[::times]), axis, times, name)
    pieces = _pieces(indices)
    if len(pieces) == 1:
        return sliced(tensor, _along(tensor.shape, axis, pieces[0]), name)
    if tensor.pending:
        raise GraphError(
            "the model's float input must be quantized before its elements are put into another order. "
            "Quantize the input, in Brevitas with a QuantIdentity in front."
        )

    def build(value: Value) -> Value:
        parts = (_along(tensor.shape, axis, p) for p in pieces)
        return Concat(axis)(*(_part(value, p) for p in parts), name=name)

    return moved(tensor, build, lambda p: p.take(indices, axis=axis))


def repeated(tensor: Tensor, axis: int, times: int, name: str = "") -> Tensor:
    """Each element ``times`` times along one axis, one behind the other: the columns of an image."""
    if times == 1:
        return tensor
    shape = tensor.shape
    result = (*shape[:axis], shape[axis] * times, *shape[axis + 1 :])
    check_size(result)
    image = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))

    def build(value: Value) -> Value:
        return shaped(Upsample((1, times))(shaped(value, image), name=name), result)

    return moved(tensor, build, lambda p: p.repeat(times, axis=axis))


def check_size(shape: tuple[int, ...]) -> None:
    """Refuse frames without elements, or too large ones."""
    if not 0 < prod(shape) <= MAX_ELEMENTS:
        raise GraphError(f"frames must have 1 to {MAX_ELEMENTS} elements, not the {prod(shape)} of {shape}")


def _repeats(indices: np.ndarray) -> int:
    """How often each index comes in a row, where that is the same number for all; else 1."""
    ends = np.flatnonzero(np.diff(indices, append=indices[-1] + 1))
    lengths = np.diff(ends, prepend=-1)
    return int(lengths[0]) if (lengths == lengths[0]).all() else 1


def _pieces(indices: np.ndarray) -> list[slice]:
    """Runs of indices in equal steps upward."""
    pieces, start, total = [], 0, len(indices)
    while start < total:
        step = max(int(indices[start + 1] - indices[start]), 0) if start + 1 < total else 0
        end = start + 1
        while step and end < total and indices[end] - indices[end - 1] == step:
            end += 1
        first, last = int(indices[start]), int(indices[end - 1])
        pieces.append(slice(first, last + 1, step or 1))
        start = end
    if len(pieces) > _MAX_PIECES:
        raise GraphError(f"elements must come in at most {_MAX_PIECES} runs, not {len(pieces)}")
    return pieces


def _along(shape: tuple[int, ...], axis: int, piece: slice) -> list[slice]:
    """The piece along one axis, and all of the others."""
    return [piece if a == axis else slice(0, d, 1) for a, d in enumerate(shape)]


def _part(value: Value, parts: Sequence[slice], name: str = "") -> Value:
    if all(p == slice(0, d, 1) for p, d in zip(parts, value.type.shape, strict=True)):
        return value
    op = Slice(*(tuple(getattr(p, k) for p in parts) for k in ("start", "stop", "step")))
    return op(value, name=name)


def shaped(value: Value, shape: tuple[int, ...]) -> Value:
    """The value under another shape; itself where the shape stays."""
    return value if value.type.shape == shape else Reshape(shape)(value)
