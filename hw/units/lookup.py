"""gw_lookup: cycles, resources and memories."""

from types import SimpleNamespace

import numpy as np

from ...compiler.ir.types import Int
from ...errors import LoweringError
from ..design import Contents, Memory, Parts, Resources, Unit
from .fabric import rom
from .lut_rom import MOST_BITS
from .ram import clog2

MOST_LANES = 1000  # a file name has three digits


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _latency(p: SimpleNamespace) -> int:
    return 2


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    folds = p.C // p.PE
    table = contents.get("TABLE")
    one = rom(folds << p.X_BITS, p.OUT_BITS, p.ROM_STYLE, True, family, table.words[0] if table else None)
    if table and len(table.words) == p.PE and one.bram == 0:
        tables = [rom(len(w), p.OUT_BITS, p.ROM_STYLE, True, family, w) for w in table.words]
        tables = sum(tables, Resources())
    else:
        tables = one.times(p.PE)
    return {
        "tables": tables,
        "folds": Resources(lut=2 * clog2(folds), ff=clog2(folds)),
        "control": Resources(lut=2, ff=2),
    }


def _looks(p: SimpleNamespace) -> tuple[str, ...]:
    small = (p.PE if p.SHARED else p.C) * p.OUT_BITS << p.X_BITS <= MOST_BITS
    return ("TABLE",) if small else ()


def lookup_memory(table: np.ndarray, lo: int, x: Int, y: Int, pe: int) -> Memory:
    """TABLE of ``y[c] = table[c, x[c] - lo]``, one ROM a lane, or one for all.

    Args:
        table: integers, shape (C, L), or (1, L) shared by all channels.
        lo: the x of entry 0.
        x, y: carriers of the streams in and out; codes of x that are no value of it give 0.
        pe: lanes; divides C.

    Raises:
        LoweringError: more lanes than files have numbers for, or lanes that do not divide the channels.
    """
    table = np.asarray(table, dtype=np.int64)
    if pe > MOST_LANES or (len(table) > 1 and len(table) % pe):
        raise LoweringError(
            f"lookup: lanes must divide the {len(table)} tables and be at most {MOST_LANES}, not {pe}. "
            "Choose a divisor."
        )
    values = x.decode(np.arange(1 << x.bits))
    entries = values - lo
    known = (values >= x.lo) & (values <= x.hi) & (entries >= 0) & (entries < table.shape[1])
    rows = np.where(known, y.encode(table[:, np.where(known, entries, 0)]).astype(np.int64), 0)
    lanes = 1 if len(rows) == 1 else pe
    folded = rows.reshape(-1, lanes, rows.shape[1]).transpose(1, 0, 2).reshape(lanes, -1)
    return Memory(tuple(tuple(int(w) for w in rom_words) for rom_words in folded), y.bits, per_lane=True)


LOOKUP = Unit(
    module="gw_lookup",
    params=("C", "PE", "SHARED", "X_BITS", "OUT_BITS", "ROM_STYLE", "TABLE"),
    files=("gw_lookup.v", "gw_counter.v", "gw_rom.v", "gw_vector_pipe.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    memories=("TABLE",),
    looks=_looks,
)
