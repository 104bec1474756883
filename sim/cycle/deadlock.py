"""Who waits for whom in a design that has stopped."""

from collections.abc import Iterator

import numpy as np

from ...errors import DeadlockError
from ...hw.design import Design
from . import columns as col
from .layout import Layout


def deadlock(design: Design, layout: Layout, arrays: col.Arrays, wanted: int) -> DeadlockError:
    """The error that tells which units and FIFOs wait for each other, where none got further.

    Args:
        wanted: beats that should have left the design.
    """
    # Each unit that has work left waits for a neighbour that has, so the way ends in a ring.
    path, unit = [], layout.sink
    while unit not in [u for u, _, _ in path]:
        channel, full = next(_waits(layout, arrays, unit))
        path.append((unit, channel, full))
        row = arrays.channels[channel]
        unit = int(row["consumer"] if full else row["producer"])
    ring = path[[u for u, _, _ in path].index(unit) :]
    names = [design.instances[layout.channels[n].place].name for _, n, _ in ring]
    waits = [
        f"{layout.names[u]} waits for {'room in' if full else 'beats from'} {name}"
        f"{f' ({layout.channels[n].depth} entries)' if full else ''}"
        for (u, n, full), name in zip(ring, names, strict=True)
    ]
    deeper = " or ".join(name for (_, _, full), name in zip(ring, names, strict=True) if full)
    left = int(arrays.channels["popped_count"][layout.last])
    return DeadlockError(
        f"cycle model of {design.name!r}: units must not wait for each other, but after {left} of {wanted} "
        f"beats out {'; '.join(waits)}. Make {deeper} deeper."
    )


def _waits(layout: Layout, arrays: col.Arrays, unit: int) -> Iterator[tuple[int, bool]]:
    """The channels that a unit with work left waits for, and whether for room in them or for beats."""
    row = arrays.units[unit]
    ports = arrays.ports[row["first_port"] :]
    read, written = np.split(ports[: row["inputs"] + row["outputs"]], [row["inputs"]])
    if row["kind"] == col.REGISTER and row["holds"]:
        yield from ((c, True) for c in written if arrays.channels[c]["given"] < row["ratio"])
    elif row["kind"] == col.SOURCE or row["done"] < row["tail"]:
        yield written[0], True
    elif row["kind"] == col.PIPELINE:
        yield from ((c, False) for c in _lacking(arrays, row, read))
    else:
        yield read[0], False


def _lacking(arrays: col.Arrays, row: np.ndarray, read: np.ndarray) -> Iterator[int]:
    """The channels without which a pipeline's next step cannot be."""
    takes = arrays.table[row["what"] + row["position"]] & col.TAKES
    for k, c in enumerate(read):
        channel = arrays.channels[c]
        if channel["free"] != col.NONE:
            needed = arrays.table[channel["need"] + row["position"]]
            if needed >= 0 and needed + row["piece"] * channel["writes"] >= channel["popped_count"]:
                yield c
        elif takes == k + 1 and channel["pushed_count"] == channel["popped_count"]:
            yield c
