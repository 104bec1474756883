"""What a fit says of measured designs, and how far it is off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gatewright.hw.resources import Resources, scaled

from .fit import Row


@dataclass(frozen=True)
class ToldUnit:
    """A unit's estimate, and what the tools took."""

    module: str
    estimate: Resources
    found: Resources


@dataclass(frozen=True)
class Told:
    """A design's estimate, what the tools took, and its units."""

    name: str
    held: bool
    estimate: Resources
    found: Resources
    units: tuple[ToldUnit, ...]

    def exact(self, kind: str) -> bool:
        """Whether the estimate of a kind of resource is right."""
        return getattr(self.estimate, kind) == getattr(self.found, kind)

    def error(self, kind: str) -> float:
        """|estimate - found| / found."""
        found = getattr(self.found, kind)
        return abs(getattr(self.estimate, kind) - found) / found


def told(rows: Sequence[Row], factors: Mapping) -> list[Told]:
    """The designs of ``rows``, by the factors of a fit."""
    result = []
    for name, own in groupby(rows, key=lambda row: row.design):
        members = list(own)
        units = tuple(
            ToldUnit(r.module, scaled(r.parts, factors.get(r.module, {})), r.found) for r in members
        )
        estimate, found = (
            sum((getattr(u, side) for u in units), Resources()) for side in ("estimate", "found")
        )
        result.append(Told(name, members[0].held, estimate, found, units))
    return result


def errors(designs: Sequence[Told]) -> dict[str, dict[str, float]]:
    """Median and worst relative error of the designs held back; the share of exact BRAM and DSP counts."""
    held = [t for t in designs if t.held]
    found: dict[str, dict[str, float]] = {}
    for kind in ("lut", "ff"):
        off = [t.error(kind) for t in held]
        found[kind] = {"median": round(float(np.median(off)), 4), "worst": round(max(off), 4)}
    for kind in ("bram", "dsp"):
        found[kind] = {"exact": round(sum(t.exact(kind) for t in held) / len(held), 4)}
    return found
