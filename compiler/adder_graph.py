"""Products with a constant matrix as few adders: sums of shifted inputs, those that columns share made once.

Weights become signed digits (non-adjacent form, the fewest), so that a column is a sum of shifted inputs.
While two terms, at the same distance and with the same relation of signs, stand in several places, the pair
that saves most adder bits becomes a value of its own and replaces them (common subexpression elimination of
two terms; Pasko et al., 1999). What remains of a column is added up in a tree, narrow and early
values first.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np

from ..errors import LoweringError
from .ir.types import Int

# A value, and how many places it is shifted left.
Term = tuple[int, int]
# Two values, the second's shift less the first's, and the product of their signs.
_Pair = tuple[int, int, int, int]

# For how many bits of width a level later counts, when a column is added up: of 0 to 3, this took the fewest
# clocks, and within a thousandth of the fewest LUTs, for a network of four pruned layers.
_LEVEL_BITS = 3


@dataclass(frozen=True)
class Sum:
    """``(a << a_shift) + sign * (b << b_shift)``; a and b are values' numbers."""

    a: int
    a_shift: int
    b: int
    b_shift: int
    sign: int

    @property
    def free_bits(self) -> int:
        """Low bits that are those of one operand and meet no adder."""
        return self.b_shift or (self.a_shift if self.sign > 0 else 0)


@dataclass(frozen=True)
class Column:
    """``sign * (value << shift)``; a column of zeros has no value."""

    value: int | None
    shift: int = 0
    sign: int = 1


@dataclass(frozen=True)
class AdderGraph:
    """Values 0 to K-1 are the inputs, K and on the ``sums``; ``ranges`` and ``levels`` are of all values.

    A value's level is the clock in which its sum is made, where each takes one: behind those of its operands,
    and as late as its readers allow, since an early sum would have to be kept. Inputs have level 0; every
    column that nothing else reads has the last level.
    """

    sums: tuple[Sum, ...]
    columns: tuple[Column, ...]
    ranges: tuple[Int, ...]
    levels: tuple[int, ...]


def digits(w: int) -> list[tuple[int, int]]:
    """The non-adjacent form of ``w``: (place, +1 or -1), lowest first."""
    found, place = [], 0
    while w:
        if w & 1:
            digit = 2 - (w & 3)
            found.append((place, digit))
            w -= digit
        w >>= 1
        place += 1
    return found


def digit_count(w: np.ndarray) -> int:
    """Signed digits of all elements: those of 3w that differ from w's, its non-adjacent form's places."""
    v = np.abs(np.asarray(w, dtype=np.int64))
    return sum(int(v_bits).bit_count() for v_bits in ((3 * v) ^ v).ravel())


def adder_graph(w: np.ndarray, x: Int) -> AdderGraph:
    """The graph of ``x @ w``.

    Args:
        w: integers, shape (K, M).
        x: type of each input; not bipolar, whose codes are no numbers.
    """
    if x.bipolar:
        raise LoweringError("adder graph: inputs must be integers, not bipolar. Map -1 and +1 to 0 and 1.")
    w = np.ascontiguousarray(w, dtype=np.int64)
    return _solved(w.tobytes(), w.shape, x)


@lru_cache(maxsize=512)
def _solved(data: bytes, shape: tuple[int, int], x: Int) -> AdderGraph:
    """Kept, since a folding is tried many times."""
    search = _Search(np.frombuffer(data, dtype=np.int64).reshape(shape), x)
    search.share()
    columns = tuple(search.column(terms) for terms in search.columns)
    ranges = tuple(search.ranges)
    return AdderGraph(tuple(search.sums), columns, ranges, _latest(search, columns))


def _latest(search: _Search, columns: Sequence[Column]) -> tuple[int, ...]:
    """Levels: counted from the end, since a sum stands behind its operands in ``sums``."""
    inputs, last = len(search.w), max(search.levels)
    levels = [0] * inputs + [last + 1] * len(search.sums)
    for column in columns:
        if column.value is not None and column.value >= inputs:
            levels[column.value] = last
    for value in range(len(levels) - 1, inputs - 1, -1):
        made = search.sums[value - inputs]
        for operand in (made.a, made.b):
            if operand >= inputs:
                levels[operand] = min(levels[operand], levels[value] - 1)
    return tuple(levels)


@dataclass
class _Search:
    """Columns as terms with signs, and the pairs in them."""

    w: np.ndarray
    x: Int
    sums: list[Sum] = field(default_factory=list)
    columns: list[dict[Term, int]] = field(default_factory=list)
    count: Counter = field(default_factory=Counter)
    places: defaultdict = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self):
        inputs = len(self.w)
        self.rows = list(np.eye(inputs, dtype=np.int64))
        self.ranges = [Int(self.x.lo, self.x.hi)] * inputs
        self.levels = [0] * inputs
        for column in self.w.T:
            used = [(int(k), int(column[k])) for k in np.flatnonzero(column)]
            self.columns.append({(k, place): digit for k, weight in used for place, digit in digits(weight)})
        for m, terms in enumerate(self.columns):
            for (t, sign), (u, other) in combinations(terms.items(), 2):
                self._note(m, _pair(t, u, sign * other))

    def _note(self, m: int, pair: _Pair) -> None:
        self.count[pair] += 1
        self.places[pair].add(m)

    def share(self) -> None:
        """Make each pair that stands in two places or more a value, the one that saves most first."""
        heap = [(-self._saved(p), p, n) for p, n in self.count.items() if n > 1]
        heapq.heapify(heap)
        while heap:
            _, pair, n = heapq.heappop(heap)
            if self.count[pair] < 2:
                continue
            if n != self.count[pair]:
                heapq.heappush(heap, (-self._saved(pair), pair, self.count[pair]))
                continue
            found = self._found(pair)
            if len(found) < 2:  # the others overlap
                self.count[pair] = 0
                continue
            for risen in sorted(self._replace(pair, found)):
                heapq.heappush(heap, (-self._saved(risen), risen, self.count[risen]))

    def _saved(self, pair: _Pair) -> int:
        """About the adder bits that sharing saves: where both terms have bits, and one for the carry."""
        a, b, distance, _ = pair
        bits = min(self.ranges[a].bits, self.ranges[b].bits + distance) - max(distance, 0)
        return (self.count[pair] - 1) * (max(bits, 0) + 1)

    def _found(self, pair: _Pair) -> list[tuple[int, Term, Term]]:
        """Where the pair stands, in terms that no other of its places uses."""
        a, b, distance, sign = pair
        found = []
        for m in sorted(self.places[pair]):
            terms, used = self.columns[m], set()
            for term, own in terms.items():
                other = (b, term[1] + distance)
                if term[0] != a or term in used or other in used or terms.get(other, 0) * own != sign:
                    continue
                if other != term:
                    used |= {term, other}
                    found.append((m, term, other))
        return found

    def _replace(self, pair: _Pair, found: list[tuple[int, Term, Term]]) -> set[_Pair]:
        """Put the pair's sum where it stands; gives the pairs that this made in several places."""
        a, b, distance, sign = pair
        down = min(0, distance)
        value = self._add(Sum(a, -down, b, distance - down, sign))
        risen = set()
        for m, term, other in found:
            terms = self.columns[m]
            own = terms[term]
            for gone in (term, other):
                taken = terms.pop(gone)
                self.count.subtract(_pair(gone, t, taken * s) for t, s in terms.items())
            new = (value, term[1] + down)
            for t, s in terms.items():
                made = _pair(new, t, own * s)
                self._note(m, made)
                risen.add(made)
            terms[new] = own
        return {p for p in risen if self.count[p] > 1}

    def _add(self, made: Sum) -> int:
        """A new value; its range follows from its weights, so that none of its bits is idle."""
        row = (self.rows[made.a] << made.a_shift) + made.sign * (self.rows[made.b] << made.b_shift)
        low = np.minimum(row * self.x.lo, row * self.x.hi).sum()
        high = np.maximum(row * self.x.lo, row * self.x.hi).sum()
        self.sums.append(made)
        self.rows.append(row)
        self.ranges.append(Int(int(low), int(high)))
        self.levels.append(max(self.levels[made.a], self.levels[made.b]) + 1)
        return len(self.rows) - 1

    def column(self, terms: dict[Term, int]) -> Column:
        """Add up what remains of a column, the two narrowest and earliest terms first."""
        if not terms:
            return Column(None)
        heap = [(self._order(v, s), s, v, sign) for (v, s), sign in terms.items()]
        heapq.heapify(heap)
        while len(heap) > 1:
            (_, s, v, sign), (_, t, u, other) = heapq.heappop(heap), heapq.heappop(heap)
            if sign < 0 < other:
                s, v, sign, t, u, other = t, u, other, s, v, sign
            down = min(s, t)
            made = self._add(Sum(v, s - down, u, t - down, sign * other))
            heapq.heappush(heap, (self._order(made, down), down, made, sign))
        _, shift, value, sign = heap[0]
        return Column(value, shift, sign)

    def _order(self, value: int, shift: int) -> int:
        return self.ranges[value].bits + shift + _LEVEL_BITS * self.levels[value]


def _pair(t: Term, u: Term, sign: int) -> _Pair:
    """Two terms without their common shift; the lower value first, so that each pair has one name."""
    if t > u:
        t, u = u, t
    return t[0], u[0], u[1] - t[1], sign
