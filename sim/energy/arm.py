"""Energy of an inference on a board's processor, from the published power of a core."""

from dataclasses import dataclass

from ...boards import Board


@dataclass(frozen=True)
class ArmEnergy:
    """What one core takes while it works: ``mw``, and ``uj`` an inference; ``uncertainty`` is relative.

    Memory, other cores and what the chip takes when idle are not in it.
    """

    mw: float
    uj: float
    uncertainty: float
    source: str


def arm_energy(board: Board, milliseconds: float) -> ArmEnergy | None:
    """Energy of an inference that keeps one core busy for ``milliseconds``; None where no power
    of the board's core is published."""
    core = board.processor.power if board.processor else None
    if core is None:
        return None
    return ArmEnergy(core.mw_per_core, core.mw_per_core * milliseconds, core.uncertainty, core.source)
