"""Tensors as rows (N, K, 1) of the elements that a sum or a maximum runs over, and back."""

from math import prod

import numpy as np

from ..ir.graph import Value
from ..ir.ops import ReduceSum, Reshape, Upsample
from .moves import shaped
from .tensors import transpose


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
