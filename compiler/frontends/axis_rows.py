"""Tensors as rows (N, K, 1) of the elements that a sum or a maximum runs over, and back."""

from math import prod

import numpy as np

from ...errors import GraphError
from ..ir.graph import Value
from ..ir.ops import ReduceSum, Reshape, Upsample
from .moves import shaped
from .tensors import Tensor, transpose


def as_rows(value: Value, axes: tuple[int, ...]) -> Value:
    """The elements along the axes as the second axis of (N, K, 1)."""
    shape = value.type.shape
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    count = prod(shape[a] for a in axes)
    return shaped(transpose(value, (*rest, *axes)), (value.type.size // count, count, 1))


def from_rows(value: Value, shape: tuple[int, ...], axes: tuple[int, ...]) -> Value:
    """Rows of a tensor of this shape as that tensor again."""
    order = (*(a for a in range(len(shape)) if a not in axes), *axes)
    turned = shaped(value, tuple(shape[a] for a in order))
    return transpose(turned, tuple(int(a) for a in np.argsort(order)))


def row_sum(value: Value) -> Value:
    """The sum of each row, (N, 1, 1)."""
    return Reshape((value.type.shape[0], 1, 1))(ReduceSum((1,))(value))


def along_row(value: Value, count: int) -> Value:
    """One element of each row, repeated over it."""
    return Upsample((1, count))(value)


def uniform_scale(tensor: Tensor) -> float:
    """What one step of the integers is in floats, for functions to which constant summands do not matter.

    Raises:
        GraphError: several scales, or no plain scale at all.
    """
    parts = tensor.chain.affine()
    if parts is None or any(np.size(p) != 1 for p in parts) or not np.isfinite(parts[0]).all():
        raise GraphError(
            "its input must have one scale for the whole tensor, and come from a quantizer, not from other "
            "functions. Put a quantizer in front."
        )
    return float(np.asarray(parts[0]).item())
