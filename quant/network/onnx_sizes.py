"""Sizes that ONNX models compute to reshape by: lists of whole numbers, of which one may be the batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...errors import InputError
from .build import Made


@dataclass(frozen=True)
class Sizes:
    """Sizes along axes, or one size; None stands for the batch.

    Attributes:
        numbers: in order.
        single: whether it is one number rather than a list of one.
    """

    numbers: tuple[int | None, ...]
    single: bool = False


def sizes_of(value: object) -> Sizes:
    """A constant or computed list of whole numbers; raises InputError for anything else."""
    if isinstance(value, Sizes):
        return value
    if isinstance(value, Tensor) and not value.is_floating_point() and value.dim() < 2:
        return Sizes(tuple(int(v) for v in value.reshape(-1)), value.dim() == 0)
    raise InputError("sizes must be whole numbers, known but for the batch")


def _shape(given: list, attributes: dict) -> Sizes:
    (source,) = given
    shape = tuple(source.example.shape) if isinstance(source, Made) else None
    if shape is None:
        return Sizes(tuple(source.shape))
    return Sizes((None, *shape[1:])[attributes.get("start", 0) : attributes.get("end", len(shape))])


def _gather(given: list, attributes: dict) -> Sizes:
    numbers, index = sizes_of(given[0]).numbers, sizes_of(given[1])
    return Sizes(tuple(numbers[i] for i in index.numbers), index.single)


def _slice(given: list, attributes: dict) -> Sizes:
    numbers = sizes_of(given[0]).numbers
    start, end = (sizes_of(g).numbers[0] for g in given[1:3])
    step = sizes_of(given[4]).numbers[0] if len(given) > 4 else 1
    return Sizes(numbers[start:end:step])


def _joined(given: list, attributes: dict) -> Sizes:
    return Sizes(tuple(n for g in given for n in sizes_of(g).numbers))


def _listed(given: list, attributes: dict) -> Sizes:
    return Sizes(sizes_of(given[0]).numbers)


def _single(given: list, attributes: dict) -> Sizes:
    return Sizes(sizes_of(given[0]).numbers, True)


def _same(given: list, attributes: dict) -> object:
    return given[0] if isinstance(given[0], Tensor) else sizes_of(given[0])


# Operators as they act on sizes.
SIZES = {
    "Shape": _shape,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _joined,
    "Unsqueeze": _listed,
    "Squeeze": _single,
    "Cast": _same,
    "Identity": _same,
}
