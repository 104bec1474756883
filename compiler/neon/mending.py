"""Results of the few channels that no scaling fits: searched for, behind a test that most vectors fail."""

from __future__ import annotations

import numpy as np
from tvm import tirx

from .builder import const
from .isa import cast
from .stairs import search
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
    counts = w.table(np.searchsorted(rows, places + width) - first, "int16")
    firsts, count = w.table(first, "int16"), steps.shape[1]
    numbers, table = w.table(rows, "int32"), w.table(steps, "int32")
    each = w.table(np.arange(lanes), "int32")
    whole = w.array("int32", lanes)
    w.store(whole, 0, results)
    known = w.let(tirx.min(channel, const(len(places) - 1, w.index)))
    here = w.let(cast(counts.at(known), w.index))
    with w.when(here > 0):
        operands, found = w.array("int32", lanes), w.array(w.index, 1)
        w.store(operands, 0, value)
        begin = w.let(cast(firsts.at(known), w.index))
        with w.loop(here) as n:
            row = w.let(begin + n)
            inside = w.let(cast(numbers.at(row), w.index) - channel)
            for pixel in range(w.pixels):
                lane = w.let(inside + pixel * width)
                search(w, found, table, row * count, count, w.load(operands, lane))
                result = w.let(cast(found.at(0), "int32") + bias)
                same = each.at(0, lanes) == tirx.Broadcast(cast(lane, "int32"), lanes)
                w.store(whole, 0, tirx.Select(same, tirx.Broadcast(result, lanes), whole.at(0, lanes)))
    return w.let(whole.at(0, lanes))
