"""The arrays that token times are worked out in: rows of named columns, which recurrences.c shares.

Where something begins in another array is noted as an offset into it.
"""

from typing import NamedTuple

import numpy as np


def _row(names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names.split()])


# A FIFO between two units. ``base`` and ``queue`` are where its times begin in ``pushed`` and ``popped``,
# and in ``fetched``; then counts of beats so far, and those that the other end has been woken for.
# A buffered input has tables ``free`` and ``need``;
# ``place`` and ``piece`` count what it has taken, pieces of ``writes`` beats, and it takes nothing before
# ``filled``. Of the beat in the register before it the channel has been given ``given`` parts, the next from
# ``offered`` on.
CHANNEL = _row(
    "depth base queue pushed_count popped_count fetched_count producer consumer pushed_told popped_told "
    "free need writes lag place piece filled given offered"
)

# A unit; ``first_port`` is where the channels that it reads begin in ``ports``; those that it writes follow;
# the last ``buffers`` of the former are buffered.
# Source, sink and registers do nothing before ``freed``. Of pipelines, ``what`` and ``apart`` are tables of a
# piece's steps; ``clock`` is the next step's enabled clock, ``off`` how much later real time is there, and
# ``out_off`` how much where the last result left. ``head``, ``done`` and ``tail`` number results in a ring of
# ``mask`` + 1 places: those that steps have passed, those that have left, and all.
UNIT = _row(
    "kind first_port inputs outputs buffers ratio holds freed limit "
    "steps what apart latency spacing events event_base event_count "
    "position piece clock off out_off ring mask head done tail"
)

SOURCE, SINK, REGISTER, PIPELINE = range(4)

# What a step does: the input that it takes from directly (0: none, else its number + 1), whether it frees
# what buffered inputs hold, and above these bits how many results follow.
TAKES, FREES, RESULTS = 15, 16, 5

NONE = -1  # no table, or a time that is not known
QUICK = 4  # gw_fifo: from this depth on a RAM and two registers


class Arrays(NamedTuple):
    """All that the recurrences read and write; ``gap`` and ``stall`` hold for each clock of a pattern how
    many pass until one in which the source, or the sink, does not rest."""

    units: np.ndarray
    channels: np.ndarray
    ports: np.ndarray
    table: np.ndarray
    pushed: np.ndarray
    popped: np.ndarray
    fetched: np.ndarray
    ring_clock: np.ndarray
    ring_off: np.ndarray
    events: np.ndarray
    gap: np.ndarray
    stall: np.ndarray


def header() -> str:
    """The same as a C header."""
    constants = {
        "SOURCE": SOURCE, "SINK": SINK, "REGISTER": REGISTER, "PIPELINE": PIPELINE,
        "TAKES": TAKES, "FREES": FREES, "RESULTS": RESULTS, "NONE": NONE, "QUICK": QUICK,
    }  # fmt: skip
    lines = [f"enum {{ {', '.join(f'{name} = {value}' for name, value in constants.items())} }};"]
    for name, row in (("channel", CHANNEL), ("unit", UNIT)):
        lines.append(f"struct {name} {{ int64_t {', '.join(row.names)}; }};")
    kinds = {"units": "struct unit", "channels": "struct channel", "table": "int32_t"}
    pointers = " ".join(f"{kinds.get(name, 'long long')} *{name};" for name in Arrays._fields)
    lines.append(f"struct arrays {{ {pointers} int64_t gap_clocks, stall_clocks, count; }};")
    return "".join(f"{line}\n" for line in lines)
