"""A function of pairs of two tensors' values, as thresholds on a sum or product of few bits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..ir.graph import Const, Node, Value
from ..ir.ops import Add, Mul, Threshold
from .elementwise import levels, tabulated
from .pair_search import (
    Pairs,
    linear_factors,
    narrow_tables,
    placed,
    product_zeros,
)

# Thresholds in a row at most: 8-bit codes need 255.
_MAX_STEPS = 2**10


# A sum or product node, and its operands' values: int64 (La, C) and (Lb, C).
_Form = tuple[Node, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class PairFunction:
    """``codes[i, j, c]`` for each value of ``a`` and ``b``, in channel c or, where C is 1, in all.

    Attributes:
        codes: int64 (La, Lb, C).
        tables: f (La, C or 1) and g (Lb, C or 1) where codes are a function of ``f(a) + g(b)``.
    """

    a: Value
    b: Value
    codes: np.ndarray
    tables: tuple[np.ndarray, np.ndarray] | None


def cheapest_form(function: PairFunction, name: str) -> Node | None:
    """Thresholds on a sum of multiples, else on a product, else on a sum of tables, equal for every pair.

    None where none of them was found.
    """
    bias, top = int(function.codes.min()), int(function.codes.max())
    step = int(np.gcd.reduce(function.codes - bias, axis=None))
    if bias == top or (top - bias) // step > _MAX_STEPS:
        return None
    channels = _Channels(function, bias, step)
    found = _linear(channels) or _product(channels) or _tables(channels)
    if found is None:
        return None
    joint, f, g = found
    joined = f[:, None] + g if isinstance(joint.op, Add) else f[:, None] * g
    ends = joint.type.dtype.lo, joint.type.dtype.hi + 1
    steps = (top - bias) // step
    rows = np.stack([placed(p, joined[..., c], steps, ends) for c, p in enumerate(channels.all)])
    rows = rows[:1] if (rows == rows[0]).all() else rows
    return Node(Threshold(bias, step), (joint, Const(rows)), name)


class _Channels:
    """The function's channels, each searched once: equal ones share their ``Pairs``."""

    def __init__(self, function: PairFunction, bias: int, step: int):
        self.function = function
        codes = (function.codes - bias) // step
        if (codes == codes[..., :1]).all() and all(t.shape[1] == 1 for t in function.tables or ()):
            codes = codes[..., :1]
        self.count = codes.shape[2]
        self.a, self.b = (levels(v.type.dtype)[:, 0] for v in (function.a, function.b))
        found: dict[bytes, Pairs] = {}
        self.all = []
        for c in range(self.count):
            channel = np.ascontiguousarray(codes[..., c])
            self.all.append(found.setdefault(channel.tobytes(), Pairs(channel)))

    def tables(self, c: int) -> tuple[np.ndarray, np.ndarray]:
        """f and g of one channel."""
        return tuple(t[:, c % t.shape[1]] for t in self.function.tables)

    def search(self, one: Callable[[Pairs, int], tuple | None]) -> list[tuple] | None:
        """``one(pairs, channel)`` for each, None where one channel has none."""
        found: dict[tuple, tuple] = {}
        results = []
        for c, pairs in enumerate(self.all):
            key = (id(pairs), *(t.tobytes() for t in self.tables(c))) if self.function.tables else id(pairs)
            if key not in found:
                result = one(pairs, c)
                if result is None:
                    return None
                found[key] = result
            results.append(found[key])
        return results


def _linear(channels: _Channels) -> _Form | None:
    found = channels.search(lambda pairs, c: linear_factors(pairs, channels.a, channels.b))
    if found is None:
        return None
    m, n = np.array(found).T
    f, g = channels.a[:, None] * m, channels.b[:, None] * n
    sides = channels.function.a, channels.function.b
    return Add()(*map(_operand, sides, (f, g))), f, g


def _product(channels: _Channels) -> _Form | None:
    found = channels.search(lambda pairs, c: product_zeros(pairs, channels.a, channels.b))
    if found is None:
        return None
    za, zb, sign = np.array(found).T
    f, g = sign * (channels.a[:, None] - za), channels.b[:, None] - zb
    sides = channels.function.a, channels.function.b
    return Mul()(*map(_operand, sides, (f, g))), f, g


def _tables(channels: _Channels) -> _Form | None:
    if not channels.function.tables:
        return None

    def one(pairs: Pairs, c: int) -> tuple[np.ndarray, np.ndarray] | None:
        f, g = channels.tables(c)
        slope = _slope(f, channels.a) or _slope(g, channels.b)
        return narrow_tables(pairs, f, g, slope)

    found = channels.search(one)
    if found is None:
        return None
    f, g = (np.stack(t, axis=1) for t in zip(*found, strict=True))
    # Thresholds make up for a summand, so that a factor alone will do.
    f, g = _without_summand(f, channels.a), _without_summand(g, channels.b)
    sides = channels.function.a, channels.function.b
    return Add()(*map(_operand, sides, (f, g))), f, g


def _operand(x: Value, table: np.ndarray) -> Value:
    """``table`` of the operand's values, with one column where all channels have the same."""
    return tabulated(x, table[:, :1] if (table == table[:, :1]).all() else table)


def _slope(table: np.ndarray, x: np.ndarray) -> int:
    """The factor where ``table`` is a factor times x and a summand, else 0."""
    if len(x) < 2 or (table[1] - table[0]) % (x[1] - x[0]):
        return 0
    slope = int((table[1] - table[0]) // (x[1] - x[0]))
    return slope if (np.diff(table) == slope * np.diff(x)).all() else 0


def _without_summand(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    slopes = np.array([_slope(column, x) for column in table.T])
    return x[:, None] * slopes if slopes.all() else table
