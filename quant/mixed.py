"""Mixed precision: bits for each layer by its sensitivity, within a budget of the hardware's resources.

Sensitivity is measured, one layer at a time: the squared error of the network's outputs, relative to their
power, when this layer's weights (or its input) alone have few bits and all else has 8. Errors of layers are
taken to add up, and so are those of weights and input (as HAWQ-V2, arXiv 1911.03852, takes the traces of
its second-order expansion; here the errors themselves are measured). What a layer costs is read off designs
of the whole network in which all layers have one pair of widths. Choosing a pair for each layer is then an
integer program. Its answer is priced as a design of its own, and the budget of the program moved until the
design keeps the real one.

At few bits errors do not add up. So the best that was found is the start of a search by whole networks: each
width is moved to the next one up and down, alone, and what that does to the network's own error and to its
design's cost is measured. The same program, of these differences, gives the next network to try. Of all that
keep the budget, uniform ones among them, the least error wins, measured on the network as a whole. Where the
network tells classes, those nearly as good are compared once more: by how often they tell another class than
the float network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, fx

from ..errors import FitError
from .mixed_program import Slot, choose
from .mixed_search import Known, LayerBits, Once, Price, Quantize, Trial
from .request import Request

WIDTHS = (2, 3, 4, 5, 6, 8)
# Programs of one kind in a row.
_ROUNDS = 6
# Whose classes are compared: so many trials and a uniform one, of at most so much more error than the least.
_FINAL = 6
_NEARLY = 1.5


@dataclass(frozen=True)
class Allocation:
    """What was chosen.

    Attributes:
        best: of the trials that keep the budget, that of the least error; with ``decided``, of those nearly
            as good the one that most often tells the float network's class.
        uniform: the best of those with the same bits in all layers; None where none keeps the budget.
        trials: all, in the order tried.
        sensitivity: (error by weights' bits, error by input's bits) of each inner layer; that of an input
            which several read stands with the first of them, the others have 0.
    """

    best: Trial
    uniform: Trial | None
    trials: tuple[Trial, ...]
    sensitivity: dict[str, tuple[dict[int, float], dict[int, float]]]


class Search:
    """Allocations of one network for any number of budgets, which share what was measured.

    The first and the last layer keep ``request.first_last_bits``.

    Args:
        quantize: a method that calibrates and takes ``layer_bits``, such as ``ptq.mse``.
        price: what a quantized network costs; called once for each trial.
        widths: of weights and inputs to choose from.
        decided: images whose classes the last choice goes by; None: the network tells none.
        once: gives what was measured under a name, or measures it; what it keeps outlives a search that was
            stopped. All values are numbers, in lists and dicts.
    Raises:
        InputError: a network without inner layers, or one whose layers ``price`` counts otherwise.
    """

    def __init__(
        self,
        network: fx.GraphModule,
        request: Request,
        quantize: Quantize,
        price: Price,
        widths: tuple[int, ...] = WIDTHS,
        say: Callable[[str], None] = lambda text: None,
        decided: Tensor | None = None,
        once: Once = lambda name, measure: measure(),
    ):
        self.widths = tuple(sorted(widths))
        self.decided = decided
        self.known = Known(network, request, quantize, price, say, once)
        self.known.try_uniform(self.widths)
        self.known.measure(self.widths)

    def within(self, budget: Mapping[str, float]) -> Allocation:
        """The least error within a budget; raises FitError where no choice keeps it."""
        self._settled(budget, self.program)
        if self._best(budget) is None:
            raise _too_small(self.known.trials, budget)
        around = self._around(self._best(budget))
        self._settled(budget, lambda goal: self._moved(goal, *around))
        best = self._decided(budget)
        uniform = self._best(budget, lambda trial: trial.uniform)
        return Allocation(best, uniform, tuple(self.known.trials), self.known.sensitivity)

    def program(self, budget: Mapping[str, float]) -> LayerBits | None:
        """The pair for each layer of the least summed error within the budget; None where there is none."""
        known, pairs = self.known, [(w, a) for w in self.widths for a in self.widths]
        index = {name: known.all.index(name) for name in known.inner}
        site = {name: site for site, names in known.readers.items() for name in names}
        # What is no inner layer's hardly depends on the bits: the mean of the uniform designs'.
        rest = {
            kind: float(np.mean([sum(part.get(kind, 0.0) for i, part in enumerate(known.costs[pair])
                                     if i not in index.values()) for pair in pairs]))
            for kind in budget
        }  # fmt: skip
        slots = [
            Slot(
                [known.sensitivity[name][0][w] + known.sensitivity[name][1][a] for w, a in pairs],
                {kind: [known.costs[pair][index[name]].get(kind, 0.0) for pair in pairs] for kind in budget},
                [a for _, a in pairs],
                site[name],
            )
            for name in known.inner
        ]
        picks = choose(slots, {kind: limit - rest[kind] for kind, limit in budget.items()})
        return None if picks is None else dict(zip(known.inner, (pairs[p] for p in picks), strict=True))

    def _settled(self, budget: Mapping[str, float], program) -> None:
        """Tries what a program chooses, its budget moved until its design just keeps the real one."""
        goal, seen = dict(budget), []
        for _ in range(_ROUNDS):
            chosen = program(goal)
            if chosen is None or chosen in seen:
                return
            seen.append(chosen)
            cost = self.known.trial(chosen).cost
            # Where the design takes more than the program thought, the program gets less, and the other way.
            goal = {k: goal[k] * min(limit / max(cost[k], 1e-9), 2.0) for k, limit in budget.items()}

    def _around(self, start: Trial) -> tuple[Trial, list[list[tuple[LayerBits, Trial]]]]:
        """For each width that can move, what it changes and the trial of that change alone; staying first."""
        bits, ways = start.layer_bits, []
        for name in self.known.inner:
            weights, site = bits[name]
            ways.append([{name: (w, site)} for w in self._next_to(weights)])
        for names in self.known.readers.values():
            inputs = max(bits[n][1] for n in names)
            ways.append([{n: (bits[n][0], a) for n in names} for a in self._next_to(inputs)])
        return start, [
            [({}, start), *((change, self.known.trial(bits | change)) for change in changes)]
            for changes in ways
        ]

    def _next_to(self, width: int) -> list[int]:
        at = self.widths.index(width)
        return [*self.widths[max(at - 1, 0) : at], *self.widths[at + 1 : at + 2]]

    def _moved(self, budget: Mapping[str, float], start: Trial, ways) -> LayerBits | None:
        """The start with each width where it is or one further, by the differences measured one at a time."""
        slots = [
            Slot(
                [trial.error - start.error for _, trial in way],
                {kind: [trial.cost[kind] - start.cost[kind] for _, trial in way] for kind in budget},
            )
            for way in ways
        ]
        picks = choose(slots, {kind: limit - start.cost[kind] for kind, limit in budget.items()})
        if picks is None:
            return None
        found = {name: list(pair) for name, pair in start.layer_bits.items()}
        for way, pick in zip(ways, picks, strict=True):
            for name, pair in way[pick][0].items():
                for place in (0, 1):
                    if pair[place] != start.layer_bits[name][place]:
                        found[name][place] = pair[place]
        return {name: tuple(pair) for name, pair in found.items()}

    def _decided(self, budget: Mapping[str, float]) -> Trial:
        """The best trial; of those nearly as good the one with the float network's classes."""
        fitting = sorted((t for t in self.known.trials if t.keeps(budget)), key=lambda t: t.error)
        if self.decided is None:
            return fitting[0]
        uniform = [t for t in fitting[_FINAL:] if t.uniform]
        final = [*fitting[:_FINAL], *uniform[:1]]
        near = [t for t in final if t.error <= _NEARLY * fitting[0].error]
        return min(near, key=lambda t: (self.known.differs(t.layer_bits, self.decided), t.error))

    def _best(self, budget: Mapping[str, float], among=lambda trial: True) -> Trial | None:
        fitting = [t for t in self.known.trials if t.keeps(budget) and among(t)]
        return min(fitting, key=lambda t: t.error, default=None)


def _too_small(trials: list[Trial], budget: Mapping[str, float]) -> FitError:
    least = min(trials, key=lambda t: max(t.cost[k] / max(v, 1e-9) for k, v in budget.items()))
    found = ", ".join(f"{least.cost[k]:.0f} {k.upper()}" for k in budget)
    wanted = ", ".join(f"{v:.0f} {k.upper()}" for k, v in budget.items())
    return FitError(
        f"quantize: the budget must have room for the fewest bits, {found}, but is {wanted}. Raise it, or "
        "ask for fewer frames a second."
    )
