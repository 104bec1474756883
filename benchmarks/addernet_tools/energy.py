"""Energy of what arrays' netlists do, by the part's energies of a transition, a register and a multiplier."""

from collections.abc import Mapping

from gatewright.boards import load as load_board
from gatewright.boards.schema import Power

from .cases import Case
from .flow import BOARD
from .netlist import CARRY, LOCAL, LOGIC, REGISTER


def of_board() -> Power | None:
    """The energies of BOARD's ECP5."""
    return load_board(BOARD).part.power


def per_tap_pj(case: Case, record: Mapping, data: str, power: Power) -> float | None:
    """Dynamic pJ of a tap of a counted array, glitches included where it was routed; None if not counted,
    or by earlier sources, which did not tell nets inside cells.

    Operands' own nets are not in it, nor is the clock's network before registers.
    """
    counted = record.get("toggles", {}).get(data)
    if counted is None:
        return None
    moves = counted["all_nets"] or counted["nets"]
    if LOCAL not in moves:
        return None
    pj = (moves[REGISTER] + moves[LOGIC]) * power.net_pj + (moves[LOCAL] + moves[CARRY]) * power.local_pj
    pj += counted["clock_pins"] * power.register_pj + record["mapped"]["dsp"] * power.dsp_pj
    return pj / (case.array.pe * case.array.simd)
