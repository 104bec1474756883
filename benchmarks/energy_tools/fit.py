"""Coefficients of sim/energy from what was measured, and how well they tell it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from gatewright.boards import load
from gatewright.errors import InputError
from gatewright.sim.energy.inside import CLASSES, Activity, kind_of, structure

from .cases import cases

# Its energies weigh the classes of transitions, of all families alike.
BOARD = "radiona_ulx3s_85f"
# How strongly a factor is held at 1, and transitions a step at 0, against a relative error of 1 in a case.
_HOLD_FACTOR, _HOLD_STEPS = 1e-3, 1e-6
# Energies this close have no order that a model could miss.
NOISE = 0.15


@dataclass(frozen=True)
class Row:
    """A measured unit.

    Attributes:
        kind: whose coefficients it has.
        held: no part of the fit.
        measured: transitions by class, from its first beat to its last, in ``clocks`` clocks.
        said: what its structure says, by class, and its steps.
    """

    name: str
    kind: str
    held: bool
    measured: Mapping[str, float]
    said: Mapping[str, float]
    clocks: int
    lut: float
    ff: float


def rows(folder: Path) -> list[Row]:
    """All cases that are measured.

    Raises:
        InputError: none are.
    """
    found = []
    for case in cases():
        record = folder / f"{case.name}.json"
        if not record.exists():
            continue
        kept = json.loads(record.read_text())
        tally = structure(case.instance, case.inputs, case.family)
        said = {name: float(getattr(tally, name)) for name in (*CLASSES, "steps")}
        measured = {name: kept["transitions"].get(name, 0) for name in CLASSES}
        found.append(
            Row(case.name, kind_of(case.instance, case.family), case.held, measured, said, kept["clocks"],
                kept["lut"], kept["ff"])
        )  # fmt: skip
    if not found:
        raise InputError(f"energy: {folder} must hold measurements, not none. Run with --measure.")
    return found


def fitted(found: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """For each kind and class the factor of what the structure says, and transitions a step."""
    made = {}
    for kind in sorted({row.kind for row in found}):
        own = [row for row in found if row.kind == kind and not row.held]
        if own:
            made[kind] = {name: _line(own, name) for name in CLASSES}
    middle = {
        name: [round(float(np.median([each[name][k] for each in made.values()])), 4) for k in (0, 1)]
        for name in CLASSES
    }
    return {**made, "any": middle}


def _line(own: Sequence[Row], name: str) -> list[float]:
    """Least relative squares of ``factor * said + each * steps``, neither negative."""
    whole = np.array([energy(row.measured) for row in own])
    weight = energy({name: 1.0}) / whole
    table = np.array([[row.said[name], row.said["steps"]] for row in own]) * weight[:, None]
    wanted = np.array([row.measured[name] for row in own]) * weight
    hold = np.diag(
        [_HOLD_FACTOR if table[:, 0].any() else 1.0, _HOLD_STEPS * max(table[:, 1].max(), 1e-9) ** 2]
    )
    normal, right = table.T @ table + hold, table.T @ wanted + hold @ [1.0, 0.0]
    factor, each = np.linalg.solve(normal, right)
    if each < 0:
        factor, each = right[0] / normal[0, 0], 0.0
    if factor < 0:
        factor, each = 0.0, right[1] / normal[1, 1]
    return [round(float(factor), 4), round(float(each), 4)]


def predicted(row: Row, made: Mapping[str, Mapping[str, Sequence[float]]]) -> Activity:
    """A row's transitions by coefficients; those of any unit where its kind has none."""
    own = made.get(row.kind, made["any"])
    return Activity(**{n: own[n][0] * row.said[n] + own[n][1] * row.said["steps"] for n in CLASSES})


def energy(transitions: Mapping[str, float]) -> float:
    """pJ of transitions on BOARD."""
    power = load(BOARD).part.power
    price = {"register": power.net_pj, "logic": power.net_pj, "local": power.local_pj}
    return sum(price[name] * transitions.get(name, 0) for name in price)


def error(row: Row, made: Mapping) -> float:
    """Relative error of a row's energy."""
    return energy(vars(predicted(row, made))) / energy(row.measured) - 1


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation; values are all different."""
    first, second = (np.argsort(np.argsort(values)).astype(float) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def inversions(found: Sequence[Row], made: Mapping) -> list[tuple[str, str]]:
    """Pairs whose energies a clock are further apart than NOISE, and come in the other order."""
    marks = [(row.name, energy(row.measured) / row.clocks, energy(vars(predicted(row, made))) / row.clocks)
             for row in found]  # fmt: skip
    wrong = []
    for (a, real_a, said_a), (b, real_b, said_b) in combinations(marks, 2):
        apart = abs(real_a - real_b) > NOISE * max(real_a, real_b)
        if apart and (real_a - real_b) * (said_a - said_b) < 0:
            wrong.append((a, b))
    return wrong
