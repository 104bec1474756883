"""Computed tensors brought together: as exact integers of one unit, and joined along an axis.

What a tensor means is a float32 number for each of its integers, and every float32 number is a whole
multiple of a power of two. So operands become exact integers of one unit, through tables where no factor
does; a sum of two is exact, and rounding it once to float32 is what the source does.
"""

from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Value
from ..ir.ops import Concat, Mul
from .chain import AddStep, Chain, ClipStep, DivStep, LeakyStep, MulStep, ScaleStep, Step, compress
from .function_steps import TableStep
from .source import SourceNode
from .tensors import Tensor, float_table, lookup, on_channels, rows

# Sums of two stay exact in float64, which thresholds behind them rely on.
_MAX_MULTIPLE = 2**51
_MANTISSA = 24
# Steps that are wholly their parameters, with the parameters that change no float; a chain has one ScaleStep.
_NEUTRAL: dict[type[Step], tuple[float, ...]] = {
    MulStep: (1.0,), DivStep: (1.0,), AddStep: (0.0,), ClipStep: (-np.inf, np.inf), LeakyStep: (1.0,),
}  # fmt: skip
_JOINED = {ScaleStep, *_NEUTRAL}


class FarApart(GraphError):
    """Floats that are no exact integers of one unit."""

    def __init__(self):
        super().__init__(
            "operands must be multiples of one power of two within 51 bits, but theirs are too far apart. "
            "Quantize both with scales of similar size."
        )


@dataclass(frozen=True, eq=False)
class _Multiples:
    """A tensor's floats as ``numbers * 2**exponent``: per parameter and value, or per value's unit."""

    tensor: Tensor
    numbers: np.ndarray
    exponent: int
    linear: bool

    def in_units(self, exponent: int) -> np.ndarray:
        """The numbers as multiples of ``2**exponent``, int64; raises GraphError where they are too large."""
        peak = int(np.abs(self.numbers).max(initial=0)) << (self.exponent - exponent)
        if self.linear:
            peak *= self.tensor.value.type.dtype.magnitude
        if peak >= _MAX_MULTIPLE:
            raise FarApart()
        return self.numbers << (self.exponent - exponent)


def matched(tensors: list[Tensor]) -> tuple[list[Value], float]:
    """Integers of one unit for tensors in floats, and the unit: ``float of tensor = unit * integer``.

    Raises:
        GraphError: a float input, too many values, or too wide a range for exact integers.
    """
    sides = [_multiples(t) for t in tensors]
    exponent = min(s.exponent for s in sides)
    numbers = [s.in_units(exponent) for s in sides]
    common = gcd(*(int(np.gcd.reduce(n, axis=None)) for n in numbers)) or 1
    values = [_applied(s, n // common) for s, n in zip(sides, numbers, strict=True)]
    return values, common * 2.0**exponent


def as_multiples(tensor: Tensor) -> tuple[Value, float]:
    """The floats of one tensor as exact integers of a unit; raises GraphError where there is none."""
    try:
        (value,), unit = matched([tensor])
    except FarApart:
        raise GraphError(
            "its floats must be multiples of one power of two within 51 bits, but are too far apart. Put a "
            "quantizer behind the function, or leave the function out where it is the last layer."
        ) from None
    return value, unit


def _multiples(tensor: Tensor) -> _Multiples:
    return linear_multiples(tensor) or _Multiples(tensor, *_dyadic(float_table(tensor)), False)


def linear_multiples(tensor: Tensor) -> _Multiples | None:
    """A plainly scaled tensor none of whose products rounds; None for others."""
    if tensor.pending or not tensor.chain.only_scale():
        return None
    numbers, exponent = _dyadic(tensor.chain.steps[0].params[0])
    peak = int(np.abs(numbers).max()) * tensor.value.type.dtype.magnitude
    # Numbers of this size are float32's.
    if peak <= 2**_MANTISSA and -149 <= exponent <= _MANTISSA:
        return _Multiples(tensor, numbers, exponent, True)
    return None


def _dyadic(values: np.ndarray) -> tuple[np.ndarray, int]:
    """``(n, e)`` with values = n * 2**e exactly, n int64 and e as large as possible."""
    mantissa, exponents = np.frexp(values.astype(np.float64))
    whole = np.rint(mantissa * 2.0**53).astype(np.int64)
    used = whole != 0
    if not used.any():
        return whole, 0
    low = whole[used] & -whole[used]
    exponent = int((exponents[used] - 53 + np.frexp(low.astype(np.float64))[1] - 1).min())
    if int(exponents[used].max()) - exponent > 62:
        raise FarApart()
    return np.rint(np.ldexp(values.astype(np.float64), -exponent)).astype(np.int64), exponent


def _applied(side: _Multiples, numbers: np.ndarray) -> Value:
    """The tensor's integers in the new unit: times a factor where one does, else through a table."""
    value, dtype = side.tensor.value, side.tensor.value.type.dtype
    factor = numbers if side.linear else _factor(numbers, dtype.lo)
    if factor is not None:
        axes, table = rows(compress(factor), value.type.shape, 0)
        if (table == 1).all():
            return value
        return on_channels(value, axes, lambda v: Mul()(v, Const(table)))
    return lookup(value, numbers, dtype.lo)


def _factor(numbers: np.ndarray, lo: int) -> np.ndarray | None:
    """The number by which the integers from ``lo`` on are multiplied, where it is one per parameter."""
    x = np.arange(lo, lo + numbers.shape[-1])
    end = -1 if x[-1] else 0
    if not x[end]:
        return None
    factor = numbers[..., end] // x[end]
    return factor if (factor[..., None] * x == numbers).all() else None


def lower_concat(node: SourceNode) -> tuple[Tensor]:
    """Computed tensors joined along an axis; each keeps its own scale where chains have equal steps."""
    tensors = [node.any_tensor(i) for i in range(len(node.operands))]
    rank = tensors[0].rank
    axis = node.attribute("axis", 1)
    axis += (rank + 1) * (axis < 0)
    if not 1 <= axis <= rank or any(t.rank != rank for t in tensors):
        raise GraphError(f"the axis must be one behind the batch, which all inputs have, not {axis}")
    if any(t.pending for t in tensors):
        raise GraphError("its inputs must be quantized, but one is the model's float input")
    points = {t.zero_point for t in tensors}
    integer = tensors[0].integer
    if any(t.integer != integer for t in tensors) or (integer and len(points) > 1):
        raise GraphError("its inputs must all be floats, or integers with one zero point")
    if len(tensors) == 1:
        return (tensors[0],)
    chain = _joined(tensors, axis - 1)
    values: list[Value] = [t.value for t in tensors]
    if chain is None:
        values, chain = _in_one_chain(tensors)
    value = Concat(axis - 1)(*values, name=node.name)
    point = points.pop() if len(points) == 1 else 0
    return (replace(tensors[0], value=value, chain=chain, zero_point=point),)


def _in_one_chain(tensors: list[Tensor]) -> tuple[list[Value], Chain]:
    """Integers of one unit, or else numbers in one list of all floats."""
    try:
        values, unit = matched(tensors)
        return values, Chain((ScaleStep((np.full((1,) * tensors[0].rank, unit),)),))
    except FarApart:
        tables = [float_table(t) for t in tensors]
        floats = np.unique(np.concatenate([t.ravel() for t in tables]))
        values = [
            lookup(t.value, np.searchsorted(floats, table), t.value.type.dtype.lo)
            for t, table in zip(tensors, tables, strict=True)
        ]
        return values, Chain((TableStep.of(floats.reshape((1,) * tensors[0].rank + (-1,))),))


def _joined(tensors: list[Tensor], axis: int) -> Chain | None:
    """One chain for all, its parameters joined along the axis; None where the steps differ in kind.

    Steps that a chain lacks, but the longest has, are made up where they change nothing.
    """
    longest = max((t.chain.steps for t in tensors), key=len)
    chains = [_completed(t, longest) for t in tensors]
    if None in chains or not _JOINED.issuperset(map(type, longest)):
        return None

    def join(params: tuple[np.ndarray, ...]) -> np.ndarray:
        shape = list(np.broadcast_shapes(*(p.take([0], axis=axis).shape for p in params)))
        parts = []
        for t, p in zip(tensors, params, strict=True):
            shape[axis] = t.shape[axis]
            parts.append(np.broadcast_to(p, shape))
        return compress(np.concatenate(parts, axis=axis))

    steps = []
    for same in zip(*chains, strict=True):
        columns = zip(*(s.params for s in same), strict=True)
        steps.append(type(same[0])(tuple(join(c) for c in columns)))
    return Chain(tuple(steps))


def _completed(tensor: Tensor, wanted: tuple[Step, ...]) -> list[Step] | None:
    """The tensor's steps, neutral ones between, as steps of the wanted kinds; None where they cannot be."""
    own, steps = list(tensor.chain.steps), []
    for kind in map(type, wanted):
        if own and type(own[0]) is kind:
            steps.append(own.pop(0))
        elif kind in _NEUTRAL:
            steps.append(kind(tuple(np.full((1,) * tensor.rank, v, np.float32) for v in _NEUTRAL[kind])))
        else:
            return None
    return None if own else steps
