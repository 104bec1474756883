"""Pad: the source's constant around a tensor, or its own elements mirrored or repeated."""

from dataclasses import replace
from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const
from ..ir.ops import Pad
from .join_ops import matched
from .layout_ops import normalized
from .moves import check_size, picked, sliced
from .source import SourceNode
from .tensors import Tensor, rescaled

# Both ONNX's names and numpy's.
_MODES = ("reflect", "edge", "wrap")
# Integers searched for the one that means the constant.
_MAX_SEARCHED = 2**16
# Floats made of them at once.
_MAX_FLOATS = 2**22


def lower_pad(node: SourceNode) -> tuple[Tensor]:
    """Elements before and behind each axis; negative numbers take elements away."""
    tensor = node.any_tensor()
    before, after = _widths(node, tensor)
    mode = node.attribute("mode", "constant")
    if mode == "constant":
        return (_padded(node, tensor, before, after),)
    if mode not in _MODES:
        raise GraphError(f"mode must be constant, {', '.join(_MODES)}, not {mode!r}")
    # ONNX Runtime reflects once, and repeats no more than there is.
    limits = [d - (mode == "reflect") for d in tensor.shape]
    if min(*before, *after) < 0 or (
        mode != "edge" and any(max(b, a) > m for b, a, m in zip(before, after, limits, strict=True))
    ):
        raise GraphError(f"pads must be 0 or more and smaller than the axes, not {before} and {after}")
    wide = [axis for axis in range(tensor.rank) if before[axis] or after[axis]]
    for axis in wide:
        width = (before[axis], after[axis])
        indices = np.pad(np.arange(tensor.shape[axis]), width, mode=mode)
        tensor = picked(tensor, axis, indices, node.name if axis == wide[-1] else "")
    return (tensor,)


def _widths(node: SourceNode, tensor: Tensor) -> tuple[list[int], list[int]]:
    """Pads before and behind each axis of a frame: operands, or attributes up to opset 10."""
    rank = tensor.rank + 1
    stored = len(node.operands) > 1
    pads = node.integers(1, "the pads") if stored else list(node.attribute("pads", ()))
    given = len(node.operands) > 3 and node.operands[3] is not None
    axes = normalized(node.integers(3, "the axes"), rank) if given else list(range(rank))
    if len(pads) != 2 * len(axes):
        raise GraphError(f"pads must be two for each of {len(axes)} axes, not {pads}")
    widths = np.zeros((2, rank), dtype=np.int64)
    widths[:, axes] = np.reshape(pads, (2, -1))
    if widths[:, 0].any():
        raise GraphError(f"the batch axis must not be padded, but is by {widths[:, 0].tolist()}")
    return widths[0, 1:].tolist(), widths[1, 1:].tolist()


def _padded(node: SourceNode, tensor: Tensor, before: list[int], after: list[int]) -> Tensor:
    constant = _constant(node, tensor)
    parts = [
        slice(max(-b, 0), d - max(-a, 0), 1) for b, a, d in zip(before, after, tensor.shape, strict=True)
    ]
    if any(p.start >= p.stop for p in parts):
        raise GraphError(f"pads must leave some of {tensor.shape}, not take away {before} and {after}")
    before, after = [max(b, 0) for b in before], [max(a, 0) for a in after]
    wide = any(before) or any(after)
    tensor = sliced(tensor, parts, "" if wide else node.name)
    if not wide:
        return tensor
    if tensor.pending:
        raise GraphError(
            "the model's float input must be quantized before it is padded. "
            "Quantize the input, in Brevitas with a QuantIdentity in front."
        )
    check_size(tuple(b + d + a for b, d, a in zip(before, tensor.shape, after, strict=True)))
    tensor, number = _with_number(tensor, constant)
    value = Pad((*before, *after), number)(tensor.value, name=node.name)

    def move(p: np.ndarray) -> np.ndarray:
        # The constant means the same whichever channel's parameters it gets.
        widths = [(b, a) if d > 1 else (0, 0) for b, a, d in zip(before, after, p.shape, strict=True)]
        return np.pad(p, widths, mode="edge")

    return replace(tensor, value=value, chain=tensor.chain.moved(move))


def _constant(node: SourceNode, tensor: Tensor) -> np.generic:
    """The number around the tensor, in the source's type."""
    given = node.optional(2, "the constant")
    if given is None:
        return np.float32(0 if len(node.operands) > 1 else node.attribute("value", 0.0))
    values = given.values
    kinds = "iu" if tensor.integer else "f"
    if values.size != 1 or values.dtype.kind not in kinds or not np.isfinite(values).all():
        raise GraphError(f"the constant must be one finite number of the input's type, not {values.tolist()}")
    return values.reshape(-1)[0]


def _with_number(tensor: Tensor, constant: np.generic) -> tuple[Tensor, int]:
    """The tensor, and the integer that means the constant in it.

    Where no integer does, the tensor becomes one of exact multiples that both are.

    Raises:
        GraphError: too many values for that.
    """
    if tensor.integer:
        return tensor, int(constant) - tensor.zero_point
    number = _number(tensor, np.float32(constant))
    if number is not None:
        return tensor, number
    ones = (1,) * tensor.rank
    around = rescaled(Const(np.ones(ones, dtype=np.int64)), np.full(ones, constant, dtype=np.float64))
    (value, other), unit = matched([tensor, around])
    return rescaled(value, np.full(ones, unit)), other.type.dtype.lo


def _number(tensor: Tensor, constant: np.float32) -> int | None:
    """The integer next to 0 whose float is the constant for all parameters, or None."""
    dtype, chain = tensor.value.type.dtype, tensor.chain
    if chain.only_scale() and constant == 0:
        return 0
    if dtype.hi - dtype.lo >= _MAX_SEARCHED:
        candidates = np.array([0] if dtype.lo <= 0 <= dtype.hi else [], dtype=np.int64)
    else:
        candidates = np.arange(dtype.lo, dtype.hi + 1, dtype.step)
        candidates = candidates[np.argsort(np.abs(candidates), kind="stable")]
    rows = prod(chain.shape(tensor.rank))
    for part in np.array_split(candidates, max(len(candidates) * rows // _MAX_FLOATS, 1)):
        floats = chain.moved(lambda p: p[..., None]).apply(part.reshape((1,) * tensor.rank + (-1,)))
        hits = part[(floats == constant).reshape(-1, len(part)).all(axis=0)]
        if len(hits):
            return int(hits[0])
    return None
