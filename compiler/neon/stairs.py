"""Thresholds and tables element by element, where no product stands for them."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from ..ir.graph import Node
from .builder import const, dtype_of, element_of, lanes_of
from .isa import cast, joined, part, reinterpret
from .writer import Writer

_ELEMENTS = ("int8", "int16", "int32", "int64")
# Bytes of a register, and how many registers an instruction looks up in.
_TABLE, _MOST_TABLES = 16, 4


def count_reached(w: Writer, x, t: np.ndarray, channel, lanes: int):
    """``#{i : x >= t[c, i]}`` by one comparison for each threshold; lanes as wide as those of ``x``."""
    element = element_of(x)
    kind = f"{element}x{lanes}"
    total = const(0, kind)
    for column in t.T:
        reached = x >= w.channels(column, element, channel, lanes)
        total = total + tirx.Select(reached, const(1, kind), const(0, kind))
    return w.let(total)


def count_by_search(w: Writer, x, t: np.ndarray, channel, lanes: int):
    """``#{i : x >= t[c, i]}`` by halving, lane after lane; int32 lanes."""
    reached_by = None
    if len(t) == 1 and 2 * len(distinct := np.unique(t)) < t.shape[1]:
        # Stairs with high steps: search among the steps, and look up how many thresholds they are.
        reached_by = np.concatenate([[0], np.searchsorted(t[0], distinct, side="right")])
        t = distinct[None]
    # All thresholds of a row that x reaches come first, so halves of a power of two find their number.
    count = t.shape[1]
    table = table_of(w, t)
    values, counts = w.array(element_of(x), lanes), w.array("int32", lanes)
    w.store(values, 0, x)
    found = w.array(w.index, 1)
    with w.loop(w.size(lanes)) as lane:
        base = const(0, w.index) if len(t) == 1 else w.channel_of(channel, lane, lanes) * count
        value = cast(w.load(values, lane), "int64")
        search(w, found, table, base, count, value)
        number = found.at(0)
        if reached_by is not None:
            number = table_of(w, reached_by).at(number)
        w.store(counts, lane, tirx.Cast("int32", number))
    return w.load(counts, 0, lanes)


def search(w: Writer, found, table, base, count: int, value) -> None:
    """Leave in ``found`` how many of the ``count`` ascending elements from ``base`` on ``value`` reaches.

    ``found`` is an array of one: TVM would put the values of names into one another, twice a step.
    """
    w.store(found, 0, const(0, w.index))
    step = 1 << (int(count).bit_length() - 1)
    while step:
        place = found.at(0) + (step - 1)
        threshold = table.at(base + tirx.min(place, const(count - 1, w.index)))
        reached = tirx.And(place < count, value >= cast(threshold, element_of(value)))
        w.store(found, 0, found.at(0) + tirx.Select(reached, const(step, w.index), const(0, w.index)))
        step //= 2


def table_of(w: Writer, values: np.ndarray):
    """A pointer to constants in the narrowest elements that hold them."""
    return w.table(values, next(e for e in _ELEMENTS if _holds(e, values)))


def looked_up(w: Writer, node: Node, x, channel, lanes: int):
    """``table[c, x - lo]`` lane after lane; lanes of the narrowest type that holds the entries."""
    table, lo = node.inputs[1].value, node.op.lo
    entries = table_of(w, table)
    element = entries.dtype
    places, results = w.array("int32", lanes), w.array(element, lanes)
    w.store(places, 0, x)
    with w.loop(w.size(lanes)) as lane:
        one_row = table.size == table.shape[-1]
        row = const(0, w.index) if one_row else w.channel_of(channel, lane, lanes) * table.shape[-1]
        place = tirx.Cast(w.index, w.load(places, lane)) - lo
        w.store(results, lane, entries.at(row + place))
    return w.load(results, 0, lanes)


def looked_up_in_registers(w: Writer, entries: np.ndarray, index, ahead: bool):
    """``entries[index]`` for up to 256 bytes and an index of bytes (uint8 lanes), as int8 lanes.

    Args:
        ahead: load the table once in front of all loops; it takes up to 16 registers.
    """
    lanes = lanes_of(index)
    count = -(-len(entries) // _TABLE)
    table = w.table(np.pad(entries, (0, count * _TABLE - len(entries))), "uint8")
    named = w.named if ahead else w.let
    registers = [named(table.at(_TABLE * i, _TABLE)) for i in range(count)]
    wide = index if lanes >= _TABLE // 2 else joined(*[index] * (_TABLE // 2 // lanes))
    found = None
    for first in range(0, count, _MOST_TABLES):
        place = wide if not first else wide - const(first * _TABLE, dtype_of(wide))
        found = w.let(w.isa.table(registers[first : first + _MOST_TABLES], place, found))
    return reinterpret(found if wide is index else part(found, 0, lanes), f"int8x{lanes}")


def _holds(element: str, values: np.ndarray) -> bool:
    info = np.iinfo(element)
    return bool(info.min <= values.min() and values.max() <= info.max)
