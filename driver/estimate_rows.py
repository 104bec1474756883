"""The tables of an estimate: what each unit takes, and how full each FIFO gets."""

from __future__ import annotations

from fractions import Fraction

from ..boards.schema import Board
from ..hw.design import Design, Resources
from ..hw.folding import capacity
from ..hw.units.fifo import FIFO
from ..sim.cycle.simulate import Timing
from .describe import amounts, block_memory, rounded
from .fitting import KINDS, Fitting


def resources(found: Fitting, board: Board, interval: Fraction) -> dict:
    """What the design takes, unit by unit, of which the whole is the sum."""
    family, block_kbit = board.part.family, board.part.bram_kbit
    parts = [
        (part, rounded(part.resources(family))) for part in (*found.design.instances, *found.design.stores)
    ]
    total, room = sum((own for _, own in parts), found.link), capacity(board)
    rows = [
        {**_place(part, interval), **amounts(own), "block_memory": block_memory(own, block_kbit)}
        for part, own in parts
    ]
    if board.has_bitstream:
        place = {"name": "link", "module": "board_top", "layer": "", "interval_clocks": None, "busy": None}
        rows.append({**place, **amounts(found.link), "block_memory": None})
    return {
        "total": amounts(total),
        "share": {kind: _share(getattr(total, kind), getattr(room, kind)) for kind in KINDS},
        "block_memory": block_memory(sum((own for _, own in parts), Resources()), block_kbit),
        "units": rows,
    }


def _share(taken: float, there: float) -> float | None:
    return round(taken / there, 4) if there else None


def _place(part, interval: Fraction) -> dict:
    """What an instance or a memory outside of units is, and its clocks; a memory has none."""
    unit = getattr(part, "unit", None)
    clocks = part.interval if unit else None
    return {
        "name": part.name,
        "module": unit.module if unit else part.module,
        "layer": part.layer,
        "interval_clocks": clocks,
        "busy": round(float(clocks / interval), 4) if unit else None,
    }


def fifos(design: Design, timing: Timing) -> list[dict]:
    """Each FIFO and the most that it holds."""
    held = timing.occupancies
    return [
        {
            "name": i.name,
            "layer": i.layer,
            "depth": i.p.DEPTH,
            "held": held[i.name],
            "bits": i.p.BITS,
        }
        for i in design.instances
        if i.unit is FIFO
    ]
