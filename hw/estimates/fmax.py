"""The clock rate that place-and-route will reach, guessed from the design.

The slowest path is of one of a few kinds: from a block RAM to a register, through a multiplier, or through
logic with the longest carry chain of all units. Each has a delay of its own, to which routing adds as much
for each doubling of the design.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, log2
from types import MappingProxyType, SimpleNamespace

from ...boards.schema import Board
from ..design import Design, Instance
from ..units.lanes import LANE_PAIR
from .fit import fit

# Bits of the longest carry chain, by module; of others their widest stream's element.
_CARRY: Mapping[str, Callable[[SimpleNamespace], int]] = MappingProxyType(
    {
        "gw_matrix_vector": lambda p: p.ACC_BITS,
        "gw_matrix_product": lambda p: p.ACC_BITS,
        "gw_depthwise": lambda p: p.ACC_BITS,
        "gw_sum_pool": lambda p: p.ACC_BITS,
        "gw_requantize": lambda p: p.ACC_BITS,
        "gw_constant_matrix": lambda p: p.SUM_BITS,
        "gw_threshold": lambda p: p.X_BITS + 1,
        "gw_binary": lambda p: p.OUT_BITS,
        "gw_arg_max": lambda p: p.BITS,
    }
)
# Routing is of one length up to so many LUTs.
_SMALL = 256


@dataclass(frozen=True)
class Fmax:
    """A guess of a clock's rate: the median, the band that holds 80 % of designs, and which fit it is of."""

    mhz: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Slow:
    """What slows a design down: the carry bits of each kind of path that it has, and how often it doubled."""

    carries: Mapping[str, int]
    doublings: float


def fmax(design: Design, board: Board) -> Fmax | None:
    """The rate that a design will likely reach on a board; None for families without place-and-route here."""
    found = fit(board.part.family).get("fmax")
    if not found:
        return None
    ns = period(slow(design, board.part.family), found["ns"])
    low, high = (1000 / (ns * exp(found["band"][side])) for side in ("slow", "fast"))
    return Fmax(1000 / ns, low, high, found["source"])


def slow(design: Design, family: str) -> Slow:
    """What the period of a design depends on."""
    carries = {"logic": 0}
    total = 0.0
    for instance in design.instances:
        used = instance.resources(family)
        total += used.lut
        carries["logic"] = max(carries["logic"], _carry(instance))
        if used.bram:
            compared = instance.unit.module == "gw_threshold" and instance.p.ROM_STYLE == 0
            kind, bits = ("compared_block", _carry(instance)) if compared else ("block", 0)
            carries[kind] = max(carries.get(kind, 0), bits)
        if used.dsp:
            paired = getattr(instance.p, "LANE", None) == LANE_PAIR
            carries["paired_multiplier" if paired else "multiplier"] = 0
    if design.stores:
        carries.setdefault("block", 0)
    return Slow(carries, max(log2(max(total, 1) / _SMALL), 0.0))


def period(slowed: Slow, ns: Mapping[str, float]) -> float:
    """Nanoseconds, by a fit's delays: of each kind of path, of a carry bit, and of a doubling."""
    slowest = max(ns[kind] + ns["carry"] * bits for kind, bits in slowed.carries.items())
    return slowest + ns["doubling"] * slowed.doublings


def _carry(instance: Instance) -> int:
    found = _CARRY.get(instance.unit.module.removesuffix("_fed"))
    return found(instance.p) if found else 0
