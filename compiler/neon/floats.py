"""Thresholds of networks that quantize in float32: the same product and rounding, where they are no line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.reach import Reach
from ..ir.types import Int
from .requantize import LANE, NEVER, equals, line_through

_CANDIDATES = 33
# Exceptions a row may have, and instructions an element: of the test for a row that is searched, and of that.
_MOST = 4
_COLUMNS = [(plus, n - plus) for n in range(_MOST + 1) for plus in range(n, -1, -1)]
_TEST, _SEARCH = 0.2, 100
# Units in the last place by which a factor may lie outside what real numbers would allow.
_ULPS = 3
_LARGEST = 2**21


@dataclass(frozen=True, eq=False)
class FloatScaling:
    """``y = round(float32(x + offset) * factor)`` in float32, halves to even, plus exceptions, clamped.

    That is SCVTF, FMUL and FCVTNS. ONNX's QuantizeLinear rounds so; where it divided after another product,
    a few results differ by one, which ``wrong`` holds.

    Attributes:
        offset: int64, one per row of the thresholds.
        factor: float32, one per row.
        wrong: int64 (rows, n): operands ``x + offset`` with another result; ``change``: what to add there in
            every row, 1 or -1, int64 (n,).
        low, high: bounds of the result.
        searched: rows that nothing of this fits, ascending; ``steps``: their thresholds.
    """

    offset: np.ndarray
    factor: np.ndarray
    wrong: np.ndarray
    change: np.ndarray
    low: int
    high: int
    searched: np.ndarray
    steps: np.ndarray

    @property
    def left(self) -> int:
        """No shift stands before the offset, so a product's sums can start from it."""
        return 0

    @property
    def cost(self) -> float:
        """Instructions an element, about."""
        return _cost(self.wrong.shape[1], len(self.searched), len(self.factor))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Results for integers ``x`` (..., C)."""
        v = x + self.offset
        y = _rounded(v, self.factor)
        for place, change in zip(self.wrong.T, self.change, strict=True):
            y = y + np.where(v == place, change, 0)
        for row, steps in zip(self.searched, self.steps, strict=True):
            y[..., row] = self.low + np.searchsorted(steps, x[..., row], side="right")
        return np.clip(y, self.low, self.high)


def float_scaling(t: np.ndarray, bias: int, x: Int, reach: Reach | None) -> FloatScaling | None:
    """The float scaling equal to ``bias + #{i : x >= t[c, i]}``; a search where that is cheaper.

    Args:
        t: (C, N) or (1, N) thresholds.
        reach: least and greatest x of each row, where that is less than ``x``.
    """
    t = np.asarray(t, dtype=np.int64)
    if t.shape[1] < 2 or x.step != 1 or x.magnitude > LANE // 4 or bias + t.shape[1] > 2**20:
        return None
    low, high = reach or (np.full(len(t), x.lo), np.full(len(t), x.hi))
    rows = [_row(row, bias, lo, hi) for row, lo, hi in zip(t, low.tolist(), high.tolist(), strict=True)]
    wanted = [(_MOST + 1, 0) if row is None else _signs(row[2]) for row in rows]
    most = min(_COLUMNS, key=lambda n: _cost(sum(n), sum(_beyond(k, n) for k in wanted), len(t)))
    searched = [n for n, k in enumerate(wanted) if _beyond(k, most)]
    if len(t) == 1 and searched:
        return None
    for n in searched:
        rows[n] = 0, np.float32(0), []
    offsets, factors, exceptions = zip(*rows, strict=True)
    wrong, change = np.full((len(t), sum(most)), NEVER, dtype=np.int64), np.repeat([1, -1], most)
    for n, each in enumerate(exceptions):
        for sign in (1, -1):
            places = [p for p, delta in each for _ in range(delta * sign)]
            wrong[n, np.flatnonzero(change == sign)[: len(places)]] = places
    whole = FloatScaling(
        np.array(offsets, np.int64), np.array(factors, np.float32), wrong, change, bias, bias + t.shape[1],
        np.array(searched, np.int64), t[searched],
    )  # fmt: skip
    ends = np.stack([low, high]) + whole.offset
    # ARMv7 rounds by adding a large number: products must stay below it.
    small = bool((np.abs(ends * whole.factor.astype(np.float64)) < _LARGEST).all())
    return whole if small and equals(whole, t, bias, (low, high)) else None


def _signs(exceptions) -> tuple[int, int]:
    """How many times a row's results become one more, and one less."""
    return tuple(sum(max(delta * sign, 0) for _, delta in exceptions) for sign in (1, -1))


def _beyond(wanted: tuple[int, int], most: tuple[int, int]) -> bool:
    """Whether a row has more exceptions of a sign than there is room for."""
    return wanted[0] > most[0] or wanted[1] > most[1]


def _cost(most: int, searched: int, rows: int) -> float:
    """Instructions an element: conversion, product and rounding, exceptions, and a search where needed."""
    return (3 + 2 * most) / 4 + (_TEST + _SEARCH * searched / rows if searched else 0)


def _rounded(v: np.ndarray, factor) -> np.ndarray:
    """The product in float32, rounded to the nearest integer, halves to even."""
    return np.rint(np.asarray(v, np.int64).astype(np.float32) * factor).astype(np.int64)


def _row(row: np.ndarray, bias: int, lo: int, hi: int):
    """Offset, factor and exceptions [(operand, change)] of one row, or None."""
    inside = (row > lo) & (row <= hi)
    at, results = row[inside], bias + 1 + np.flatnonzero(inside)
    if not len(at):
        value = bias + int((row <= lo).sum())
        return 2**30, np.float32(value / 2**30), []
    if len(at) < 2 or at[-1] == at[0]:
        return None
    _, centre = line_through(at, results)
    points = np.unique(np.concatenate([at, at - 1]))
    want = bias + np.searchsorted(row, points, side="right")
    best = None
    for offset in (round(centre) + d for d in (0, 1, -1)):
        found = _factor(at + offset, results, points + offset, want)
        if found is not None and (best is None or len(found[1]) < len(best[2])):
            best = (offset, *found)
        if best is not None and not best[2]:
            break
    return best


def _factor(first, results, points, want):
    """The factor with the fewest exceptions, and those, for operands ``points``."""
    plus = first > 1
    if not plus.any():
        return None
    middle = (results - 0.5)[plus]
    ends = float((middle / first[plus]).max()), float((middle / (first[plus] - 1)).min())
    if min(ends) <= 0:
        return None
    slack = _ULPS * 2.0**-24
    factors = np.unique(
        np.linspace(min(ends) * (1 - slack), max(ends) * (1 + slack), _CANDIDATES).astype(np.float32)
    )
    results = _rounded(points[:, None], factors[None, :])
    # Of equally good ones that with the fewest results too large: a vector of like signs is cheaper.
    off = want[:, None] - results
    best = int((8 * (off != 0).sum(0) + (off < 0).sum(0)).argmin())
    wrong = results[:, best] != want
    deltas = want[wrong] - results[wrong, best]
    return factors[best], list(zip(points[wrong].tolist(), deltas.tolist(), strict=True))
