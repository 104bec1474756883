"""Fits a factor to each structural part of each unit, and tells how far estimates are off."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import numpy as np

from gatewright.hw.design import Memory, Resources
from gatewright.hw.units import UNITS

_UNITS = {unit.module: unit for unit in UNITS}
# Errors count relative to what was found and so many LUTs or registers more.
_SMALL = 12.0
# How many units a factor's pull counts as; parts that fewer than so many units have are not fitted.
_PRIOR, _LEAST = 0.3, 6
# How much stronger the pull is where it is towards a family much alike.
_ALIKE = 2.0
# A factor as near to 1 is 1: most registers are told exactly, and neighbours' pruned bits are no reason.
_EXACT = 0.06
# Units whose LUTs or registers formulas tell exactly, by their tests; measured cells may be a neighbour's.
_EXACT_LUTS = ("gw_fifo", "gw_width_converter", "gw_arg_max", "gw_max_pool")
_EXACT_REGISTERS = (
    "gw_sliding_window", "gw_fork", "gw_max_pool", "gw_sum_pool", "gw_concat", "gw_binary", "gw_whole_window",
    "gw_fifo", "gw_width_converter",
)  # fmt: skip
_ROMS = ("weights", "biases", "factors", "offsets", "drops")
# How much a whole design, and a unit by itself, counts beside a unit whose cells a netlist's names tell.
_WHOLE, _ALONE = 2.0, 3.0
# Beyond this relative error a unit counts less: a flattened netlist does not always tell whose a cell is.
_SPREAD, _ROUNDS = 0.02, 25


@dataclass(frozen=True)
class Row:
    """A unit in a measured design: its parts before calibration, and what the tools took: in the design where
    cells may be given to a neighbour, and of the unit by itself, where that was measured."""

    design: str
    held: bool
    module: str
    parts: Mapping[str, Resources]
    found: Resources
    alone: Resources | None = None


def rows(
    designs: Mapping, results: Mapping, family: str, alone: Mapping = MappingProxyType({})
) -> Iterator[Row]:
    """The units of all designs that a family's results hold."""
    for name, found in sorted(results.items()):
        entry = designs[name]
        units = entry["units"]
        by_itself = alone.get(name) or [None] * len(units)
        for (module, values, memories), took, own in zip(units, found, by_itself, strict=False):
            unit = _UNITS[module]
            names = [n for n in unit.params if n not in unit.memories]
            p = SimpleNamespace(**dict(zip(names, map(_number, values), strict=True)))
            known = {n: _memory(m) for n, m in memories.items() if n in unit.looks(p)}
            parts, single = unit.parts(p, family, known), own and Resources(*own)
            yield Row(name, entry["held"], module, parts, Resources(*took), single)


def _number(value: int | str) -> int:
    return int(value, 16) if isinstance(value, str) else value


def _memory(entry: Sequence) -> Memory:
    bits, per_lane, lanes = entry
    words = tuple(tuple(int(w, 16) for w in lane.split()) for lane in lanes)
    return Memory(words if per_lane else words[0], bits, bool(per_lane))


def factors(
    measured: Sequence[Row], towards: Mapping | None = None, exact: Sequence[str] = ()
) -> dict[str, dict[str, list[float]]]:
    """For each module and part the factors of LUTs and of registers.

    Units and whole designs are told at once: where cells were given to a neighbour, the sum is still right.

    Args:
        towards: the factors of a family that is much alike; without, all are drawn to one for the family.
        exact: modules whose LUTs, but those of memory, formulas tell on this family, by units measured alone.
    """
    names = sorted({(row.module, name) for row in measured for name in row.parts})
    common = (_common(measured, "lut"), 1.0)
    before = [(towards or {}).get(module, {}).get(name, common) for module, name in names]
    pull = _ALIKE if towards else 1.0
    both = [
        _solve(measured, names, k, np.array(before)[:, n], pull, exact) for n, k in enumerate(("lut", "ff"))
    ]
    found: dict[str, dict[str, list[float]]] = defaultdict(
        dict, {m: dict(f) for m, f in (towards or {}).items()}
    )
    for (module, part), *pair in zip(names, *both, strict=True):
        found[module][part] = [1.0 if abs(v - 1) < _EXACT else round(float(v), 4) for v in pair]
    return dict(found)


def _sure(module: str, part: str, kind: str) -> bool:
    """Whether a part's formula is exact."""
    return module in _EXACT_LUTS or (kind == "ff" and (module in _EXACT_REGISTERS or part in _ROMS))


def _common(measured: Sequence[Row], kind: str) -> float:
    """What all parts of a design must be multiplied by, of designs in the middle."""
    said, took = defaultdict(float), defaultdict(float)
    for row in measured:
        said[row.design] += sum(getattr(part, kind) for part in row.parts.values())
        took[row.design] += getattr(row.found, kind)
    return float(np.median([took[name] / said[name] for name in said]))


def _solve(
    measured: Sequence[Row],
    names: Sequence[tuple[str, str]],
    kind: str,
    before: np.ndarray,
    pull: float,
    exact: Sequence[str],
) -> np.ndarray:
    """The factors that are not negative and least off, each drawn a little to where it was before."""
    place = {name: k for k, name in enumerate(names)}
    a = np.zeros((len(measured), len(names)))
    for n, row in enumerate(measured):
        for part, used in row.parts.items():
            a[n, place[row.module, part]] = getattr(used, kind)
    b = np.array([getattr(row.found, kind) for row in measured], dtype=float)
    single = np.array([getattr(row.alone or row.found, kind) for row in measured], dtype=float)
    counts = np.array([_ALONE if row.alone else 1.0 for row in measured])
    designs = sorted({row.design for row in measured})
    member = np.array([[row.design == d for row in measured] for d in designs], dtype=float)
    weight = np.concatenate([counts / (single + _SMALL), _WHOLE / (member @ b + _SMALL)])[:, None]
    a, b = np.vstack([a, member @ a]) * weight, np.concatenate([single, member @ b]) * weight[:, 0]
    present = a != 0
    units = np.maximum(present.sum(axis=0), 1)
    each = np.sqrt((a**2).sum(axis=0) / units)
    sure = np.array(
        [
            _sure(module, part, kind) or (kind == "lut" and module in exact and part != "ram")
            for module, part in names
        ]
    )
    fixed, before = (units < _LEAST) | sure, np.where(sure, 1.0, before)
    prior = np.where(fixed, 1e3, np.sqrt(_PRIOR) * pull) * each + 1e-6
    used, x = np.ones(len(b)), np.ones(len(names))
    for _ in range(_ROUNDS):
        root = np.sqrt(used)
        rows = np.vstack([a * root[:, None], np.diag(prior)])
        x = _not_negative(rows, np.concatenate([b * root, prior * before]))
        used = _SPREAD / np.maximum(np.abs(a @ x - b), _SPREAD)
    return x


def _not_negative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least squares solution, less those columns that would be negative."""
    kept = np.ones(a.shape[1], dtype=bool)
    while True:
        x = np.zeros(a.shape[1])
        x[kept] = np.linalg.lstsq(a[:, kept], b, rcond=None)[0]
        if not (x < 0).any():
            return x
        kept &= x >= 0
