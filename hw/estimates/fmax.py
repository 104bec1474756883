"""The clock rate that place-and-route will reach, guessed from the design."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log2

from ...boards.schema import Board
from ..design import Design
from .fit import fit


@dataclass(frozen=True)
class Fmax:
    """A guess of a clock's rate: the median, the band that holds 80 % of designs, and which fit it is of."""

    mhz: float
    low: float
    high: float
    source: str


def fmax(design: Design, board: Board) -> Fmax | None:
    """The rate that a design will likely reach on a board; None for families without place-and-route here."""
    found = fit(board.part.family).get("fmax")
    if not found:
        return None
    ns = _period(features(design, board), found["ns"])
    low, high = (1000 / (ns * exp(found["band"][k])) for k in ("slow", "fast"))
    return Fmax(1000 / ns, low, high, found["source"])


def features(design: Design, board: Board) -> dict[str, float]:
    """What the period of a design depends on."""
    lut = design.resources(board.part.family).lut
    return {"one": 1.0, "log2_lut": log2(max(lut, 1)), "use": lut / board.part.lut}


def _period(features: Mapping[str, float], ns: Mapping[str, float]) -> float:
    """Nanoseconds."""
    return max(sum(ns[name] * value for name, value in features.items() if name in ns), 1.0)
