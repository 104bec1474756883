"""The part of an estimate on a processor: the library is compiled, and its instructions are counted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..boards.schema import Board
from ..sim.energy.arm import arm_energy
from .compile import compile_model
from .options import Options


def parts(model: Path, board: Board, options: Options, say: Callable[[str], None]) -> dict:
    """The keys of an estimate that a processor fills: rate, time, energy, and what the library is.

    Raises:
        GatewrightError: the ARM target does not take the model, or a tool is missing.
    """
    once = replace(options, until=None, frames=1)
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        found = compile_model(model, board, Path(scratch) / "library", once, say)["arm"]
    cycles = found["cycles"]
    ms = cycles["milliseconds"] if cycles else None
    return {
        "clock_mhz": board.processor.clock_mhz,
        "frames_per_second": 1e3 / ms if ms else None,
        "latency_us": ms * 1e3 if ms else None,
        "energy": None if ms is None else _energy(board, ms, options.threads),
        "arm": {
            "library": found["library"],
            "core": found["core"],
            "threads": found["threads"],
            "instructions": found["instructions"],
            "cycles": cycles["estimate"] if cycles else None,
            "model": cycles["model"] if cycles else None,
            "code_bytes": found["code_bytes"],
            "constant_bytes": found["constant_bytes"],
            "arena_bytes": found["arena_bytes"],
        },
    }


def _energy(board: Board, ms: float, threads: int) -> dict | None:
    """Power and energy of the cores that work, all of them for the whole time."""
    found = arm_energy(board, ms)
    if found is None:
        return None
    return {
        "mw": found.mw * threads,
        "uj": found.uj * threads,
        "dynamic_uj": None,
        "static_mw": None,
        "uncertainty": found.uncertainty,
        "source": found.source,
        "units": [],
    }
