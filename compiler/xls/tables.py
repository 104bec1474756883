"""Functions of one element in DSLX: thresholds and tables, as comparisons, lines or choices bit by bit."""

from collections.abc import Sequence

import numpy as np

from ..adder_graph import digits
from ..ir.requantize import Requantization, requantization
from ..ir.types import Int
from .sums import columns, converted_low, greater, total
from .text import Body, Wire, literal, type_of

# Up to so many thresholds each is compared with.
_FEW = 2


def chosen(body: Body, bits: Sequence[str], values: Sequence[int | None]) -> Wire:
    """Entry number ``bits`` (the highest first) of a table; None is any value.

    Every part of the table that differs is one choice: synthesis makes far fewer LUTs of these than of an
    array that is indexed.
    """
    known = [v for v in values if v is not None]
    to = Int(min(known), max(known))
    made: dict[tuple, Wire | None] = {}

    def part(depth: int, entries: tuple[int | None, ...]) -> Wire | None:
        if entries not in made:
            made[entries] = choice(depth, entries)
        return made[entries]

    def choice(depth: int, entries: tuple[int | None, ...]) -> Wire | None:
        distinct = {v for v in entries if v is not None}
        if len(distinct) < 2:
            return literal(distinct.pop()) if distinct else None
        half = len(entries) // 2
        low, high = part(depth + 1, entries[:half]), part(depth + 1, entries[half:])
        if low is None or high is None or low == high:
            return high if low is None else low
        texts = converted_low(high, to), converted_low(low, to)
        return body.let(f"if {bits[depth]} {{ {texts[0]} }} else {{ {texts[1]} }}", to)

    return part(0, tuple(values))


def lookup(body: Body, x: Wire, row: np.ndarray, lo: int) -> Wire:
    """``row[x - lo]``."""
    d = x.range
    codes = {int(c): int(row[v - lo]) for v in range(d.lo, d.hi + 1, d.step) for c in [_code(v, d)]}
    values = [codes.get(c) for c in range(1 << d.bits)]
    return chosen(body, code_bits(body, x), values)


def _code(value: int, d: Int) -> int:
    return int(value > 0) if d.bipolar else value & ((1 << d.bits) - 1)


def code_bits(body: Body, x: Wire) -> list[str]:
    """The bits of a wire's code, the highest first."""
    count = x.range.bits
    if count == 1 and not x.range.signed:
        return [x.text]
    whole = body.bits(f"{x.text} as uN[{count}]", count)
    return [body.bits(f"{whole}[{n}:{n + 1}]", 1) for n in reversed(range(count))]


def threshold(body: Body, x: Wire, row: np.ndarray, bias: int, step: int) -> Wire:
    """``bias + step * #{i : x >= row[i]}``."""
    x = body.number(x)
    always = int((row <= x.range.lo).sum())
    sometimes = row[(row > x.range.lo) & (row <= x.range.hi)]
    start = bias + always if step == 1 else 0
    count = reached(body, x, sometimes, start)
    if step == 2 and (bias + 2 * always, len(sometimes)) == (-1, 1):
        return Wire(count.text, Int(-1, 1, 2))
    if step == 1:
        return count
    return columns(body, [count], np.array([[step]]), np.array([bias + step * always]), count.range)[0]


def reached(body: Body, x: Wire, row: np.ndarray, start: int) -> Wire:
    """``start + #{i : x >= row[i]}``, for ascending values that x can be on both sides of."""
    if not len(row):
        return literal(start)
    if len(row) > _FEW:
        found = requantization(row[None], x.range)
        if found is not None and found.knee is None and _adders(found, x) < _comparisons(row, x):
            return _on_line(body, x, found, start)
        return total(body, [_searched(body, x, [int(t) for t in row])], start)
    return total(body, [_at_least(body, x, literal(int(t))) for t in row], start)


def _adders(found: Requantization, x: Wire) -> int:
    """About the LUTs of a line."""
    sums = len(digits(int(found.factor[0]))) - 1 + bool(found.offset[0])
    return (sums + 1) * found.acc_bits(x.range)


def _comparisons(row: np.ndarray, x: Wire) -> int:
    """About the LUTs of a search: comparisons, and tables of what is compared with."""
    rounds = len(row).bit_length()
    return x.range.bits * (rounds + sum(1 << max(n - 4, 0) for n in range(1, rounds)))


def _at_least(body: Body, x: Wire, t: Wire) -> Wire:
    return body.let(f"!({greater(t, x)})", Int(0, 1))


def _on_line(body: Body, x: Wire, found: Requantization, start: int) -> Wire:
    """``start + min(max((factor*x + offset) >> shift, 0), count)``; the start joins the offset."""
    p = columns(body, [x], found.factor[None], found.offset + (start << found.shift), x.range)[0]
    d, least, most = Int(p.range.lo >> found.shift, p.range.hi >> found.shift), start, start + found.count
    q = body.let(f"({p.text} >> u32:{found.shift}) as {type_of(d)}", d) if found.shift else p
    to = Int(min(max(d.lo, least), most), min(max(d.hi, least), most))
    text = converted_low(q, to)
    if d.hi > most:
        text = f"if {greater(q, literal(most))} {{ {type_of(to)}:{most} }} else {{ {text} }}"
    if d.lo < least:
        text = f"if {greater(literal(least), q)} {{ {type_of(to)}:{least} }} else {{ {text} }}"
    return q if d == to else body.let(text, to)


def _searched(body: Body, x: Wire, row: list[int]) -> Wire:
    """By halving: each bit of the count, the highest first, says what is compared with for the next."""
    rounds = len(row).bit_length()
    never = x.range.hi + 1
    steps = row + [never] * ((1 << rounds) - 1 - len(row))
    bits: list[str] = []
    for n in range(rounds):
        stride = 1 << (rounds - n)
        t = chosen(body, bits, steps[stride // 2 - 1 :: stride])
        bits.append(_at_least(body, x, t).text)
    to = Int(0, len(row))
    return body.let(" ++ ".join(bits), to)
