"""Permutations of axes: what Transpose nodes, and Reshapes that only move axes of size 1, do."""

from ..ir.graph import Node, Value
from ..ir.ops import Reshape, Transpose

Perm = tuple[int, ...]


def compose(first: Perm, second: Perm) -> Perm:
    """The permutation of transposing by ``first``, then by ``second``."""
    return tuple(first[a] for a in second)


def inverse(perm: Perm) -> Perm:
    """The permutation that undoes ``perm``."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def is_identity(perm: Perm) -> bool:
    """Whether ``perm`` leaves every axis where it is."""
    return perm == tuple(range(len(perm)))


def moves_only_units(shape: tuple[int, ...], perm: Perm) -> bool:
    """Whether elements keep their order, as only axes of size 1 move."""
    kept = [a for a in perm if shape[a] != 1]
    return kept == sorted(kept)


def permutation_of(value: Value) -> Perm | None:
    """The axes' order that a Transpose, or a Reshape that only moves axes of size 1, gives; else None."""
    if not isinstance(value, Node):
        return None
    if isinstance(value.op, Transpose):
        return value.op.perm
    if not isinstance(value.op, Reshape):
        return None
    source, target = value.inputs[0].type.shape, value.type.shape
    if [d for d in source if d != 1] != [d for d in target if d != 1] or len(source) != len(target):
        return None
    ones = iter([a for a, d in enumerate(source) if d == 1])
    others = iter([a for a, d in enumerate(source) if d != 1])
    return tuple(next(ones if d == 1 else others) for d in target)
