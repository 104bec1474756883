"""Power and energy of a design on a board, unit by unit, from real frames."""

from dataclasses import dataclass, replace

import numpy as np

from ...boards import Board, Power
from ...compiler.ir.graph import Graph
from ...errors import InputError
from ...hw.design import Design, Instance
from ..cycle.simulate import Timing
from .inside import Activity, activity
from .memories import block_accesses
from .restless import Restless
from .streams import Traffic

# Codes of a frame, over all of a design's streams, up to which several frames are gone through.
_MANY_CODES, _MOST_FRAMES = 2_000_000, 4
CLOCK = "clock"


@dataclass(frozen=True)
class UnitEnergy:
    """What one instance takes for a frame: ``dynamic_nj``, and ``transitions`` of its nets; ``layer`` is the
    graph node it came from."""

    name: str
    layer: str
    module: str
    dynamic_nj: float
    transitions: float


@dataclass(frozen=True)
class Energy:
    """A design's power and energy at a clock, frames back to back.

    Attributes:
        units: each instance, and last the clock's own network.
        dynamic_uj: of a frame.
        static_mw: of the part, whatever it does.
        mw: in all, at ``frames_per_second``.
        uj: of a frame, its share of the static power included.
        uncertainty: relative, of absolute values; between designs on one part much of it is the same.
        source: where the energies of a transition come from.
    """

    units: tuple[UnitEnergy, ...]
    dynamic_uj: float
    static_mw: float
    clock_mhz: float
    frames_per_second: float
    mw: float
    uj: float
    uncertainty: float
    source: str

    @property
    def layers(self) -> dict[str, float]:
        """Dynamic nJ of a frame by layer, in the design's order; what belongs to none is under ""."""
        found: dict[str, float] = {}
        for unit in self.units:
            found[unit.layer] = found.get(unit.layer, 0.0) + unit.dynamic_nj
        return found


def estimate(
    design: Design,
    graph: Graph,
    frames: np.ndarray,
    board: Board,
    timing: Timing,
    clock_mhz: float | None = None,
) -> Energy | None:
    """Power and energy of ``design``, which ``graph`` was made into, on ``board``.

    Args:
        frames: integers of the graph's input, shape (N, *input.type.shape), N > 0; the first few count.
        timing: of the design, for the clocks that a frame takes.
        clock_mhz: default the board's.

    Returns:
        None where the board's part has no energy data.

    Raises:
        InputError: frames of another shape or type than the graph's input.
        LoweringError: a unit or a lane that there is no model of.
    """
    power = board.part.power if board.part else None
    if power is None:
        return None
    given = _checked(graph, frames)[: frames_used(design)]
    clocks = clocks_of_frame(timing)
    restless, found = Restless(design), []
    for place, (instance, inputs, outputs) in enumerate(Traffic(design, given)):
        moved = activity(instance, inputs, board.part.family, restless.at(place))
        restless.note(place, moved.shown, outputs)
        found.append(_unit(instance, moved, len(given), clocks, board.part.family, power))
    tree = UnitEnergy(CLOCK, "", CLOCK, power.tree_pj * clocks / 1000, clocks)
    return _in_all((*found, tree), power, clocks, clock_mhz or board.default_clock_mhz)


def frames_used(design: Design) -> int:
    """How many frames an estimate goes through: fewer of large designs."""
    codes = sum(stream.beats * stream.lanes for i in design.instances for stream in i.outputs)
    return max(1, min(_MOST_FRAMES, _MANY_CODES // codes))


def clocks_of_frame(timing: Timing) -> float:
    """Clocks from one frame to the next, once times repeat, else of the last one there is."""
    if timing.interval is not None:
        return float(timing.interval)
    ends = timing.out_clocks[:, -1]
    return float(ends[-1] - ends[-2]) if len(ends) > 1 else float(timing.latency)


def _checked(graph: Graph, frames: np.ndarray) -> np.ndarray:
    wanted = graph.inputs[0].type
    frames = np.asarray(frames)
    if frames.shape[1:] != wanted.shape or not len(frames):
        raise InputError(
            f"energy: frames must have shape (N, {', '.join(map(str, wanted.shape))}), not {frames.shape}"
        )
    if frames.dtype.kind not in "iu" or not wanted.dtype.contains(frames):
        raise InputError(
            f"energy: frames must hold integers of {wanted.dtype}, not {frames.dtype}. "
            "Encode them as the graph's input."
        )
    return frames.astype(np.int64)


def _unit(
    instance: Instance, moved: Activity, frames: int, clocks: float, family: str, power: Power
) -> UnitEnergy:
    """One instance's energy for a frame."""
    used = instance.resources(family)
    pj = (moved.register + moved.logic) / frames * power.net_pj + moved.local / frames * power.local_pj
    pj += used.ff * clocks * power.register_pj
    pj += used.dsp * instance.interval * power.dsp_pj
    pj += block_accesses(instance, clocks, family) * power.bram_pj
    return UnitEnergy(
        instance.name, instance.layer, instance.unit.module, pj / 1000, moved.transitions / frames
    )


def _in_all(units: tuple[UnitEnergy, ...], power: Power, clocks: float, clock_mhz: float) -> Energy:
    rate = clock_mhz * 1e6 / clocks
    dynamic_uj = sum(unit.dynamic_nj for unit in units) / 1000
    return Energy(
        units=units, dynamic_uj=dynamic_uj, static_mw=power.static_mw, clock_mhz=clock_mhz,
        frames_per_second=rate, mw=power.static_mw + dynamic_uj * rate / 1000,
        uj=dynamic_uj + power.static_mw * 1000 / rate, uncertainty=power.uncertainty, source=power.source,
    )  # fmt: skip


def at_clock(energy: Energy, clock_mhz: float) -> Energy:
    """The same design at another clock."""
    rate = energy.frames_per_second * clock_mhz / energy.clock_mhz
    return replace(
        energy, clock_mhz=clock_mhz, frames_per_second=rate,
        mw=energy.static_mw + energy.dynamic_uj * rate / 1000,
        uj=energy.dynamic_uj + energy.static_mw * 1000 / rate,
    )  # fmt: skip
