"""Results of the few channels that no scaling fits: searched for, behind a test that most vectors fail."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from .builder import const
from .isa import cast
from .writer import Writer


def mended(w: Writer, rows: np.ndarray, steps: np.ndarray, bias: int, value, results, channel, lanes: int):
    """``results`` with those of channels ``rows`` replaced by ``bias + #{i : value >= steps[row, i]}``.

    Args:
        rows: ascending channel numbers, (n,); steps: their thresholds, (n, N).
        value, results: int32 vectors of ``lanes`` lanes; channels from ``channel`` on, for each of
            ``w.pixels`` pixels.
    """
    width = lanes // w.pixels
    places = np.arange(int(rows[-1]) + 2 * width)
    first = np.searchsorted(rows, places)
    count = np.searchsorted(rows, places + width) - first
    counts, firsts = w.table(count, "int16"), w.table(first, "int16")
    numbers, table = w.table(rows, "int32"), w.table(steps, "int32")
    each = w.table(np.arange(lanes), "int32")
    whole = w.array("int32", lanes)
    w.store(whole, 0, results)
    known = w.let(tirx.min(channel, const(len(places) - 1, w.index)))
    here = w.let(cast(counts.at(known), w.index))
    with w.when(here > 0):
        operands = w.array("int32", lanes)
        w.store(operands, 0, value)
        begin = w.let(cast(firsts.at(known), w.index))
        with w.loop(here) as n:
            row = w.let(begin + n)
            inside = w.let(cast(numbers.at(row), w.index) - channel)
            for pixel in range(w.pixels):
                lane = w.let(inside + pixel * width)
                found = _search(w, w.load(operands, lane), table, row, steps.shape[1])
                same = each.at(0, lanes) == tirx.Broadcast(cast(lane, "int32"), lanes)
                w.store(whole, 0, tirx.Select(same, tirx.Broadcast(found + bias, lanes), whole.at(0, lanes)))
    return w.let(whole.at(0, lanes))


def _search(w: Writer, value, table, row, count: int):
    """How many of a row's ``count`` thresholds ``value`` reaches; int32."""
    found = w.array(w.index, 1)
    w.store(found, 0, const(0, w.index))
    step = 1 << (int(count).bit_length() - 1)
    while step:
        place = found.at(0) + (step - 1)
        threshold = table.at(row * count + tirx.min(place, const(count - 1, w.index)))
        reached = tirx.And(place < count, value >= threshold)
        w.store(found, 0, found.at(0) + tirx.Select(reached, const(step, w.index), const(0, w.index)))
        step //= 2
    return w.let(cast(found.at(0), "int32"))
