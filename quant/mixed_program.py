"""Integer programs: an option of each of several things, of the least summed error within limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


@dataclass(frozen=True)
class Slot:
    """One thing to choose.

    Attributes:
        errors: of its options; errors of slots add up.
        costs: of its options, by kind of resource; costs add up too.
        labels: an option's label must be that of every other slot of the same ``group``, where they have one.
        group: whose slots choose alike.
    """

    errors: Sequence[float]
    costs: Mapping[str, Sequence[float]]
    labels: Sequence[int] = ()
    group: str = ""


def choose(slots: Sequence[Slot], limits: Mapping[str, float]) -> list[int] | None:
    """An option of each slot, of the least summed error with no kind's summed cost over its limit.

    Returns:
        Indices of options in the order of the slots; None where no choice keeps the limits.
    """
    sizes = [len(slot.errors) for slot in slots]
    starts = np.cumsum([0, *sizes])
    one = np.zeros((len(slots), starts[-1]))
    for i, start in enumerate(starts[:-1]):
        one[i, start : starts[i + 1]] = 1
    rules = [LinearConstraint(one, 1, 1), *_alike(slots, starts)]
    for kind, limit in limits.items():
        costs = np.concatenate([slot.costs[kind] for slot in slots])
        rules.append(LinearConstraint(costs[None], ub=limit))
    errors = np.concatenate([slot.errors for slot in slots])
    found = milp(errors, constraints=rules, integrality=np.ones(len(errors)), bounds=Bounds(0, 1))
    if found.x is None:
        return None
    return [int(found.x[starts[i] : starts[i + 1]].argmax()) for i in range(len(slots))]


def _alike(slots: Sequence[Slot], starts: np.ndarray) -> list[LinearConstraint]:
    """Slots of a group choose options of one label: what each chooses of a label, its next one does."""
    rules, last = [], {}
    for i, slot in enumerate(slots):
        if slot.group and slot.group in last:
            before = last[slot.group]
            for label in sorted({*slot.labels, *slots[before].labels}):
                row = np.zeros(starts[-1])
                row[starts[i] : starts[i + 1]] = np.equal(slot.labels, label)
                row[starts[before] : starts[before + 1]] -= np.equal(slots[before].labels, label)
                rules.append(LinearConstraint(row[None], 0, 0))
        if slot.group:
            last[slot.group] = i
    return rules
