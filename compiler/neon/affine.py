"""Sums of vectors times constants, not yet computed, so that offsets and factors meet beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir.types import Int
from .builder import const, element_of
from .isa import cast
from .writer import Writer

_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


@dataclass(frozen=True, eq=False)
class Term:
    """A vector of small integers, each lane times its channel's ``factor`` (int64, one element or C)."""

    vector: object
    factor: np.ndarray


@dataclass(frozen=True, eq=False)
class Affine:
    """``constant + sum of terms``, lane by lane; values lie in ``range``."""

    terms: tuple[Term, ...]
    constant: np.ndarray
    range: Int

    def scaled(self, factor: np.ndarray, result: Int) -> Affine:
        """Every lane times its channel's factor."""
        terms = tuple(replace(t, factor=t.factor * factor) for t in self.terms)
        return Affine(terms, self.constant * factor, result)

    def plus(self, other: Affine, result: Int) -> Affine:
        """The sum."""
        return Affine(self.terms + other.terms, self.constant + other.constant, result)

    def shifted(self, offset: np.ndarray, result: Int) -> Affine:
        """A constant added."""
        return Affine(self.terms, self.constant + offset, result)


def leaf(vector, offset: int, values: Int) -> Affine:
    """A vector whose lanes are ``value - offset``."""
    return Affine((Term(vector, np.ones(1, np.int64)),), np.array([offset], np.int64), values)


def element_for(values: Int) -> str:
    """The narrowest signed element type that holds a range."""
    return next(
        e for e, bits in _BITS.items() if -(1 << (bits - 1)) <= values.lo and values.hi < 1 << (bits - 1)
    )


def computed(w: Writer, a: Affine, element: str, channel, lanes: int):
    """The sum as a vector of ``element``; exact where the result fits, as lanes wrap around."""
    total, constant = None, _wrapped(a.constant, _BITS[element])
    for term in a.terms:
        value = _product(w, term, element, channel, lanes)
        total = value if total is None else total + value
    if total is None:
        return w.channels(constant, element, channel, lanes)
    if constant.any():
        total = total + w.channels(constant, element, channel, lanes)
    return w.let(total)


def _product(w: Writer, term: Term, element: str, channel, lanes: int):
    factor, vector = term.factor, term.vector
    if (factor == 1).all():
        return cast(vector, element)
    if (factor == -1).all():
        return const(0, f"{element}x{lanes}") - cast(vector, element)
    bits = _BITS[element]
    half = f"int{bits // 2}"
    fits = np.abs(factor).max() < 1 << (bits // 2 - 1)
    if bits > 8 and fits and _BITS[element_of(vector)] <= bits // 2:
        # Both factors extended from half the width: one long multiplication (SMULL).
        return cast(cast(vector, half), element) * cast(w.channels(factor, half, channel, lanes), element)
    return cast(vector, element) * w.channels(_wrapped(factor, bits), element, channel, lanes)


def _wrapped(values: np.ndarray, bits: int) -> np.ndarray:
    """Constants as their lanes hold them."""
    return ((values + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1)) if bits < 64 else values


def is_plain(a: Affine, element: str, offset: int) -> bool:
    """Whether the affine form is one vector that memory takes as it is."""
    return (
        len(a.terms) == 1
        and element_of(a.terms[0].vector) == element
        and (a.terms[0].factor == 1).all()
        and (a.constant == offset).all()
    )
