"""What a model costs on a board, worked out without synthesis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from ..boards import load as load_board
from ..boards.schema import Board
from ..compiler.frontends import load_model
from ..compiler.ir.evaluate import evaluate
from ..compiler.ir.graph import Graph
from ..compiler.passes.pipeline import run as run_passes
from ..hw.design import Design
from ..hw.estimates.accuracy import stated
from ..hw.estimates.fmax import fmax
from ..sim.cycle.simulate import Timing, simulate
from ..sim.energy.estimate import Energy
from ..sim.energy.estimate import estimate as estimate_energy
from . import describe, estimate_arm
from .compile import require_single, wanted_interval
from .data import Data, load_data, output_decoding, random_data
from .estimate_rows import fifos, resources
from .fitting import Fitting, fitting
from .hardware import made_clock
from .modelled import frames_of
from .options import ARM, Options
from .verify import accuracy

SCHEMA = "gatewright-estimate/1"
# Frames whose activity energy is estimated from.
_ACTIVE = 16


@dataclass(frozen=True)
class Estimated:
    """An estimate, and what it was made of, for pictures; ``fitting`` and ``timing`` of an FPGA alone."""

    content: dict
    graph: Graph
    board: Board
    options: Options
    data: Data
    fitting: Fitting | None = None
    timing: Timing | None = None
    energy: Energy | None = None


@dataclass(frozen=True)
class Model:
    """A model's integer graph, after all passes, and where it is from; made once for several boards."""

    file: Path
    sha256: str
    graph: Graph


def read_model(path: Path | str) -> Model:
    """The integer graph of a model file.

    Raises:
        GatewrightError: no model that can be used, or not of one input and one output.
    """
    path = Path(path)
    graph = run_passes(load_model(path))
    require_single(graph, "estimate")
    return Model(path, hashlib.sha256(path.read_bytes()).hexdigest(), graph)


def estimate_model(model: Path | str, board: Board | str, options: Options | None = None) -> dict:
    """What ``model`` costs on ``board``: a dict of the schema ``gatewright-estimate/1`` (docs/estimate.md).

    Args:
        options: as of a compile; ``data`` has frames whose activity energy is estimated from, and labels.
    Raises:
        GatewrightError: bad input, or a model that the board's target does not take. A board that is too
            small is no error.
    """
    return estimated(read_model(model), board, options).content


def estimated(
    model: Model,
    board: Board | str,
    options: Options | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Estimated:
    """As ``estimate_model``, with all that it was made of; ``say`` is called with a line a step."""
    board = board if isinstance(board, Board) else load_board(board)
    options = (options or Options()).completed(board, "estimate")
    graph = model.graph
    data, right = _given(model, options.data, options.frames)
    content = {
        "schema": SCHEMA,
        "model": {"file": model.file.name, "sha256": model.sha256, **describe.model(graph)},
        "board": describe.board(board),
        "target": options.target,
        "asked": {
            "fps": options.fps,
            "interval": options.interval,
            "clock_mhz": options.clock_mhz,
            "multipliers": options.multipliers,
            "threads": options.threads,
        },
        "clock_mhz": None,
        "frames_per_second": None,
        "latency_us": None,
        "energy": None,
        "accuracy": right,
        "fpga": None,
        "arm": None,
    }
    made = Estimated(content, graph, board, options, data)
    if options.target == ARM:
        content |= estimate_arm.parts(model.file, board, options, say)
        return made
    return _hardware(made, say)


@lru_cache(maxsize=1)
def _given(model: Model, path: Path | None, frames: int | None) -> tuple[Data, dict | None]:
    """Frames, and how the integer graph does on labelled ones: the same on all boards of a model."""
    graph = model.graph
    data = load_data(path, graph, frames) if path else random_data(graph, _ACTIVE)
    if data.labels is None:
        return data, None
    floats = output_decoding(graph).apply(evaluate(graph, data.frames)[0])
    right = {"share": accuracy(floats, data.labels), "frames": len(data.frames), "data": data.origin}
    return data, right


def _hardware(made: Estimated, say: Callable[[str], None]) -> Estimated:
    board, options, content = made.board, made.options, made.content
    clock_mhz = made_clock(board, options.clock_mhz or board.default_clock_mhz, "estimate")
    interval = wanted_interval(options, clock_mhz, "estimate")
    say(f"folding for {board.title}")
    found = fitting(made.graph, board, interval, options.multipliers)
    say("working out the clock of every beat")
    timing = simulate(found.design, frames_of(found.design))
    every = timing.interval or Fraction(found.design.interval)
    content["fpga"] = {
        "fits": found.fits,
        "over": list(found.over),
        "interval_clocks": _number(every),
        "latency_clocks": timing.latency,
        "steady": timing.interval is not None,
        "fmax": _fmax(found.design, board, clock_mhz),
        "resources": resources(found, board, every),
        "fifos": fifos(found.design, timing),
        "errors": stated(board.part.family),
    }
    content["clock_mhz"] = clock_mhz
    content["frames_per_second"] = float(clock_mhz * 1e6 / every)
    content["latency_us"] = timing.latency / clock_mhz
    say("counting transitions")
    energy = estimate_energy(found.design, made.graph, made.data.frames[:_ACTIVE], board, timing, clock_mhz)
    content["energy"] = _energy(energy)
    return replace(made, fitting=found, timing=timing, energy=energy)


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _fmax(design: Design, board: Board, clock_mhz: float) -> dict | None:
    """The clock that place and route should reach, and how the design's own compares."""
    found = fmax(design, board)
    if found is None:
        return None
    met = "likely" if clock_mhz <= found.low else "unlikely" if clock_mhz > found.high else "open"
    return {"mhz": found.mhz, "low": found.low, "high": found.high, "source": found.source, "met": met}


def _energy(found: Energy | None) -> dict | None:
    if found is None:
        return None
    told = ("mw", "uj", "dynamic_uj", "static_mw", "uncertainty", "source")
    return {name: getattr(found, name) for name in told} | {"units": [asdict(unit) for unit in found.units]}
