"""Mixed precision: bits for each layer by its sensitivity, within a budget of the hardware's resources.

Sensitivity is measured, one layer at a time: the squared error of the network's outputs, relative to their
power, when this layer's weights (or its input) alone have few bits and all else has 8. Errors of layers are
taken to add up, and so are those of weights and input (as HAWQ-V2, arXiv 1911.03852, takes the traces of
its second-order expansion; here the errors themselves are measured). What a layer costs is read off designs
of the whole network in which all layers have one pair of widths. Choosing a pair for each layer is then an
integer program. Its answer is priced as a design of its own, and the budget of the program moved until the
design keeps the real one; of all that keep it, uniform ones among them, the least error wins, measured on the
network as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import fx, nn

from ..errors import FitError, InputError
from .ptq.plan import plan
from .ptq.prepare import prepare
from .request import Request

WIDTHS = (2, 3, 4, 5, 6, 8)
_FULL = 8
_ROUNDS = 6

Quantize = Callable[[fx.GraphModule, Request], nn.Module]
# Of a quantized network: what each layer costs, in order, by kind of resource; last, what is none's.
Price = Callable[[nn.Module], list[Mapping[str, float]]]


@dataclass(frozen=True)
class Trial:
    """One way to give bits that was tried as a whole.

    Attributes:
        layer_bits: (weights, input) of each inner layer.
        cost: of the whole network's design, by kind of resource.
        error: of the outputs, squared, relative to their power.
    """

    layer_bits: dict[str, tuple[int, int]]
    cost: dict[str, float]
    error: float

    def keeps(self, budget: Mapping[str, float]) -> bool:
        """Whether no resource is over the budget."""
        return all(self.cost.get(kind, 0) <= limit for kind, limit in budget.items())

    @property
    def uniform(self) -> bool:
        """Whether all inner layers have the same bits."""
        return len(set(self.layer_bits.values())) == 1


@dataclass(frozen=True)
class Allocation:
    """What was chosen.

    Attributes:
        best: of the trials that keep the budget, that of the least error.
        uniform: the best of those with the same bits in all layers; None where none keeps the budget.
        trials: all, in the order tried.
        sensitivity: (error by weights' bits, error by input's bits) of each inner layer.
    """

    best: Trial
    uniform: Trial | None
    trials: tuple[Trial, ...]
    sensitivity: dict[str, tuple[dict[int, float], dict[int, float]]]


def allocate(
    network: fx.GraphModule,
    request: Request,
    quantize: Quantize,
    price: Price,
    budget: Mapping[str, float],
    widths: tuple[int, ...] = WIDTHS,
    say: Callable[[str], None] = lambda text: None,
) -> Allocation:
    """Bits for the inner layers; the first and the last keep ``request.first_last_bits``.

    Args:
        quantize: a method that calibrates and takes ``layer_bits``, such as ``ptq.mse``.
        price: what a quantized network costs; called once for each trial.
        budget: the most of each kind of resource.
        widths: of weights and inputs to choose from.
    Raises:
        InputError: a network without inner layers, or one whose layers ``price`` counts otherwise.
        FitError: not even the fewest bits keep the budget.
    """
    search = _Search(network, request, quantize, price, say)
    search.price_uniform(widths)
    search.measure(widths)
    goal, seen = dict(budget), set()
    for _ in range(_ROUNDS):
        chosen = search.solve(goal, widths)
        if chosen is None or tuple(chosen.items()) in seen:
            break
        seen.add(tuple(chosen.items()))
        trial = search.trial(chosen)
        # Where the design takes more than the program thought, the program gets less, and the other way.
        goal = {k: goal[k] * min(limit / max(trial.cost[k], 1e-9), 2.0) for k, limit in budget.items()}
    fitting = [t for t in search.trials if t.keeps(budget)]
    if not fitting:
        raise _too_small(search.trials, budget)
    uniform = min((t for t in fitting if t.uniform), key=lambda t: t.error, default=None)
    best = min(fitting, key=lambda t: t.error)
    return Allocation(best, uniform, tuple(search.trials), search.sensitivity)


def _too_small(trials: list[Trial], budget: Mapping[str, float]) -> FitError:
    least = min(trials, key=lambda t: max(t.cost[k] / max(v, 1e-9) for k, v in budget.items()))
    found = ", ".join(f"{least.cost[k]:.0f} {k.upper()}" for k in budget)
    wanted = ", ".join(f"{v:.0f} {k.upper()}" for k, v in budget.items())
    return FitError(
        f"quantize: the budget must have room for the fewest bits, {found}, but is {wanted}. Raise it, or "
        "ask for fewer frames a second."
    )


class _Search:
    """What is known so far: costs of layers, their sensitivity, and trials of whole networks."""

    def __init__(self, network: fx.GraphModule, request: Request, quantize: Quantize, price: Price, say):
        self.network, self.request, self.quantize, self.price, self.say = (
            network, request, quantize, price, say,
        )  # fmt: skip
        with torch.no_grad():
            self.wanted = network(request.images).double()
        ready = prepare(network, request.images)
        planned = plan(ready, 2, 2, request.first_last_bits)
        entry = next(n.name for n in ready.graph.nodes if n.op == "placeholder")
        self.all = list(planned.layers)
        ends = {n for n, p in planned.layers.items() if p.site == entry or p.bits != 2}
        # With 2 bits at the ends they look like inner layers; then only the last and the first are ends.
        ends |= {self.all[0], self.all[-1]} if request.first_last_bits == 2 else set()
        self.inner = [n for n in self.all if n not in ends]
        if not self.inner:
            raise InputError(
                "quantize: mixed precision needs a layer between the first and the last, not "
                f"{len(self.all)} layer(s)."
            )
        self.trials: list[Trial] = []
        self.costs: dict[tuple[int, int], list[Mapping[str, float]]] = {}
        self.sensitivity: dict[str, tuple[dict[int, float], dict[int, float]]] = {}

    def _error(self, module: nn.Module) -> float:
        with torch.no_grad():
            found = module(self.request.images)
        found = getattr(found, "value", found).double()
        return float(((found - self.wanted) ** 2).sum() / (self.wanted**2).sum())

    def _quantized(self, layer_bits: Mapping[str, tuple[int, int]]) -> nn.Module:
        return self.quantize(self.network, replace(self.request, layer_bits=dict(layer_bits)))

    def trial(self, layer_bits: dict[str, tuple[int, int]]) -> Trial:
        """A whole network with these bits: its design's cost and its error."""
        module = self._quantized(layer_bits)
        parts = self.price(module)
        if len(parts) != len(self.all) + 1:
            raise InputError(
                f"quantize: the design must have the network's {len(self.all)} layers, not {len(parts) - 1}."
            )
        cost: dict[str, float] = {}
        for part in parts:
            for kind, amount in part.items():
                cost[kind] = cost.get(kind, 0.0) + amount
        trial = Trial(layer_bits, cost, self._error(module))
        self.trials.append(trial)
        if trial.uniform:
            self.costs[next(iter(layer_bits.values()))] = parts
        self.say(f"tried {_shown(layer_bits)}: {cost.get('lut', 0):.0f} LUT, error {trial.error:.4f}")
        return trial

    def price_uniform(self, widths: tuple[int, ...]) -> None:
        """All pairs of widths, each in all inner layers."""
        for w in widths:
            for a in widths:
                self.trial(dict.fromkeys(self.inner, (w, a)))

    def measure(self, widths: tuple[int, ...]) -> None:
        """The sensitivity of each inner layer."""
        full = dict.fromkeys(self.inner, (_FULL, _FULL))
        base = self._error(self._quantized(full))
        for name in self.inner:
            self.say(f"sensitivity of {name}")
            by_weight = {w: self._error(self._quantized(full | {name: (w, _FULL)})) - base for w in widths}
            by_input = {a: self._error(self._quantized(full | {name: (_FULL, a)})) - base for a in widths}
            self.sensitivity[name] = (by_weight, by_input)

    def solve(self, budget: Mapping[str, float], widths: tuple[int, ...]) -> dict | None:
        """The pair for each layer of the least summed error within the budget; None where there is none."""
        pairs = [(w, a) for w in widths for a in widths]
        count, index = len(pairs), [self.all.index(n) for n in self.inner]
        errors = np.array([self.sensitivity[n][0][w] + self.sensitivity[n][1][a] for n in self.inner
                           for w, a in pairs])  # fmt: skip
        choose = np.kron(np.eye(len(self.inner)), np.ones(count))
        rules = [LinearConstraint(choose, 1, 1)]
        for kind, limit in budget.items():
            costs = [self.costs[p][i].get(kind, 0.0) for i in index for p in pairs]
            # What is no inner layer's hardly depends on the bits: the mean of the uniform designs'.
            others = [sum(c.get(kind, 0.0) for i, c in enumerate(parts) if i not in index)
                      for parts in self.costs.values()]  # fmt: skip
            rules.append(LinearConstraint(np.array(costs)[None], ub=limit - float(np.mean(others))))
        found = milp(errors, constraints=rules, integrality=np.ones(len(errors)), bounds=Bounds(0, 1))
        if found.x is None:
            return None
        picks = found.x.reshape(len(self.inner), count).argmax(1)
        return {name: pairs[pick] for name, pick in zip(self.inner, picks, strict=True)}


def _shown(layer_bits: Mapping[str, tuple[int, int]]) -> str:
    pairs = list(layer_bits.values())
    return " ".join(f"W{w}A{a}" for w, a in (pairs[:1] if len(set(pairs)) == 1 else pairs))
