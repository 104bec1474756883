"""Sums in DSLX: products with constant matrices as shared adders, balanced trees, absolute differences."""

import heapq
from collections.abc import Sequence

import numpy as np

from ..adder_graph import Column, adder_graph
from ..ir.types import Int
from .text import Body, Wire, converted, literal, plain, type_of

# For how many bits of width a level later counts, as in the adder graph.
_LEVEL_BITS = 3


def argument_range(x: Int) -> Int:
    """What arguments of a product are converted to: one range for all."""
    return x if x.bipolar else plain(x)


def columns(body: Body, x: Sequence[Wire], w: np.ndarray, bias: np.ndarray | None, range_: Int) -> list[Wire]:
    """``x @ w + bias``: one wire a column of ``w`` (K, M), for wires that have all the type of ``range_``.

    The adders are those of ``adder_graph``; a factor of {-1, +1} is ``2*bit - 1``.
    """
    w = np.asarray(w, dtype=np.int64)
    offsets = np.zeros(w.shape[1], np.int64) if bias is None else np.asarray(bias, np.int64)
    if not len(w):
        return [literal(int(offset)) for offset in offsets]
    if range_.bipolar:
        w, offsets, range_ = 2 * w, offsets - w.sum(axis=0), Int(0, 1)
    graph = adder_graph(w, range_)
    values = list(x)
    for made in graph.sums:
        to = graph.ranges[len(values)]
        a, b = _shifted(values[made.a], to, made.a_shift), _shifted(values[made.b], to, made.b_shift)
        values.append(body.let(f"{a} {'+' if made.sign > 0 else '-'} {b}", to))
    return [
        _column(body, column, values, graph.ranges, int(offset))
        for column, offset in zip(graph.columns, offsets, strict=True)
    ]


def _column(body: Body, column: Column, values: list[Wire], ranges: Sequence[Int], offset: int) -> Wire:
    """``sign * (value << shift) + offset``."""
    if column.value is None:
        return literal(offset)
    own = ranges[column.value]
    ends = [offset + column.sign * (end << column.shift) for end in (own.lo, own.hi)]
    to = Int(min(ends), max(ends))
    text = _shifted(values[column.value], to, column.shift)
    if column.sign > 0 and not offset:
        return body.let(text, to) if column.shift else values[column.value]
    return body.let(f"{_wrapped(offset, to)} + {text}" if column.sign > 0 else _less(offset, text, to), to)


def _less(value: int, text: str, to: Int) -> str:
    """``value - text`` modulo a power of two.

    By the complement: XLS 0.1.9934 computes sums of two such differences wrongly once they are extended.
    """
    return f"!({text} + {_wrapped(-value - 1, to)})"


def _wrapped(value: int, to: Int) -> str:
    """A constant in a type that need not hold it: sums there are modulo a power of two."""
    code = value & ((1 << to.bits) - 1)
    if to.signed and code >> (to.bits - 1):
        code -= 1 << to.bits
    return f"{type_of(to)}:{code}"


def _shifted(wire: Wire, to: Int, places: int) -> str:
    """The low bits of ``wire << places`` in the type of ``to``, which need not hold it."""
    text = f"({wire.text} as {type_of(to)})" if type_of(wire.range) != type_of(to) else wire.text
    if wire.constant is not None:
        text = _wrapped(wire.constant, to)
    if places >= to.bits:
        return _wrapped(0, to)
    return f"({text} << u32:{places})" if places else text


def total(body: Body, wires: Sequence[Wire], start: int = 0) -> Wire:
    """The sum of wires and a constant: a tree, narrow and early ones first."""
    wires = [body.number(w) for w in wires]
    start += sum(w.constant for w in wires if w.constant is not None)
    heap = [(w.range.bits, n, 0, w) for n, w in enumerate(wires) if w.constant is None]
    if start or not heap:
        heap.append((Int(start, start).bits, len(wires), 0, literal(start)))
    heapq.heapify(heap)
    count = len(wires) + 1
    while len(heap) > 1:
        (*_, level, a), (*_, other, b) = heapq.heappop(heap), heapq.heappop(heap)
        to = Int(a.range.lo + b.range.lo, a.range.hi + b.range.hi)
        made = body.let(f"{converted_low(a, to)} + {converted_low(b, to)}", to)
        later = max(level, other) + 1
        heapq.heappush(heap, (to.bits + _LEVEL_BITS * later, count, later, made))
        count += 1
    return heap[0][3]


def converted_low(wire: Wire, to: Int) -> str:
    """The wire's low bits in the type of ``to``, for sums and products modulo a power of two."""
    return _shifted(wire, to, 0)


def difference(body: Body, a: Wire, b: Wire) -> Wire:
    """``a - b``."""
    if b.constant == 0:
        return a
    to = Int(a.range.lo - b.range.hi, a.range.hi - b.range.lo)
    if a.constant is not None:
        return body.let(_less(a.constant, converted_low(b, to), to), to)
    return body.let(f"{converted_low(a, to)} - {converted_low(b, to)}", to)


def distance(body: Body, x: Wire, w: int) -> Wire:
    """``|x - w|`` of a number that is on both sides of ``w``."""
    over = Int(x.range.lo - w, x.range.hi - w)
    to = Int(0, over.magnitude)
    far = body.let(f"{converted_low(x, over)} - {_wrapped(w, over)}", over)
    low = converted_low(far, to)
    return body.let(f"if {far.text} < {type_of(over)}:0 {{ {_wrapped(0, to)} - {low} }} else {{ {low} }}", to)


def product(body: Body, a: Wire, b: Wire) -> Wire:
    """``a * b``; bits of {-1, +1} are compared or choose a sign, constants become adders."""
    for factor, x in ((a, b), (b, a)):
        if factor.constant is not None:
            if x.constant is not None:
                return literal(factor.constant * x.constant)
            return columns(body, [x], np.array([[factor.constant]]), None, argument_range(x.range))[0]
    if a.range.bipolar and b.range.bipolar:
        return body.let(f"!({a.text} ^ {b.text})", Int(-1, 1, 2))
    for bit, x in ((a, b), (b, a)):
        if bit.range.bipolar:
            return _signed(body, bit, x)
    ends = [p * q for p in (a.range.lo, a.range.hi) for q in (b.range.lo, b.range.hi)]
    to = Int(min(ends), max(ends))
    return body.let(f"{converted_low(a, to)} * {converted_low(b, to)}", to)


def _signed(body: Body, bit: Wire, x: Wire) -> Wire:
    """``x`` or ``-x``."""
    to = Int(min(x.range.lo, -x.range.hi), max(x.range.hi, -x.range.lo))
    low = converted_low(x, to)
    return body.let(f"if {bit.text} {{ {low} }} else {{ {_wrapped(0, to)} - {low} }}", to)


def largest(body: Body, wires: Sequence[Wire]) -> Wire:
    """The largest of wires, in a balanced tree."""
    row = list(wires)
    while len(row) > 1:
        pairs = [row[n : n + 2] for n in range(0, len(row), 2)]
        row = [_larger(body, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return row[0]


def _larger(body: Body, a: Wire, b: Wire) -> Wire:
    if a.range.bipolar and b.range.bipolar:
        return body.let(f"{a.text} | {b.text}", a.range)
    a, b = body.number(a), body.number(b)
    to = Int(max(a.range.lo, b.range.lo), max(a.range.hi, b.range.hi))
    if a.range.lo >= b.range.hi or b.range.lo >= a.range.hi:
        return a if a.range.lo >= b.range.hi else b
    return body.let(f"if {greater(b, a)} {{ {converted_low(b, to)} }} else {{ {converted_low(a, to)} }}", to)


def greater(a: Wire, b: Wire) -> str:
    """``a > b`` of numbers."""
    both = Int(min(a.range.lo, b.range.lo), max(a.range.hi, b.range.hi))
    return f"{converted(a, both)} > {converted(b, both)}"
