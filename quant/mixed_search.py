"""What mixed precision knows of a network: costs and errors of trials, and how sensitive layers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn

from ..errors import InputError
from .exact import ordinary_sums
from .ptq.plan import plan
from .ptq.prepare import prepare
from .request import Request

# What all other layers have while one is measured.
_FULL = 8
# Frames that pass a network at once.
_CHUNK = 256

LayerBits = dict[str, tuple[int, int]]
Quantize = Callable[[fx.GraphModule, Request], nn.Module]
# Of a quantized network: what each layer costs, in order, by kind of resource; last, what is none's.
Price = Callable[[nn.Module], list[Mapping[str, float]]]
# Gives what was measured under a name, or measures it: a search that was stopped goes on from there.
Once = Callable[[str, Callable[[], object]], object]


@dataclass(frozen=True)
class Trial:
    """One way to give bits that was tried as a whole.

    Attributes:
        layer_bits: (weights, input) of each inner layer.
        cost: of the whole network's design, by kind of resource.
        error: of the outputs, squared, relative to their power.
    """

    layer_bits: LayerBits
    cost: dict[str, float]
    error: float

    def keeps(self, budget: Mapping[str, float]) -> bool:
        """Whether no resource is over the budget."""
        return all(self.cost.get(kind, 0) <= limit for kind, limit in budget.items())

    @property
    def uniform(self) -> bool:
        """Whether all inner layers have the same bits."""
        return len(set(self.layer_bits.values())) == 1


class Known:
    """Costs of layers, their sensitivity, and trials of whole networks; nothing is measured twice.

    Attributes:
        all: layers with weights, in order.
        inner: those whose bits are to be chosen.
        readers: of each value that is quantized for inner layers, by its node's name, the inner layers that
            read it: its codes are the same for all of them.
        trials: in the order tried.
        costs: of each layer and, last, of what is none's, when all inner layers have these bits.
        sensitivity: (error by weights' bits, error by input's bits) of each inner layer; that of an input
            which several read stands with the first of them, the others have 0.
    """

    def __init__(
        self,
        network: fx.GraphModule,
        request: Request,
        quantize: Quantize,
        price: Price,
        say: Callable[[str], None] = lambda text: None,
        once: Once = lambda name, measure: measure(),
    ):
        self.network, self.request, self.quantize, self.price = network, request, quantize, price
        self.say, self.once = say, once
        self.wanted = _outputs(network, request.images)
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
        self.readers: dict[str, list[str]] = {}
        for name in self.inner:
            self.readers.setdefault(planned.layers[name].site, []).append(name)
        self.trials: list[Trial] = []
        self.costs: dict[tuple[int, int], list[Mapping[str, float]]] = {}
        self.sensitivity: dict[str, tuple[dict[int, float], dict[int, float]]] = {}
        self._tried: dict[tuple, Trial] = {}

    def trial(self, layer_bits: LayerBits) -> Trial:
        """A whole network with these bits: its design's cost and its error."""
        key = tuple(layer_bits[n] for n in self.inner)
        if key in self._tried:
            return self._tried[key]
        parts, error = self.once(f"trial {_shown(key)}", lambda: self._measured(layer_bits))
        cost: dict[str, float] = {}
        for part in parts:
            for kind, amount in part.items():
                cost[kind] = cost.get(kind, 0.0) + amount
        trial = self._tried[key] = Trial(dict(layer_bits), cost, error)
        self.trials.append(trial)
        if trial.uniform:
            self.costs[next(iter(layer_bits.values()))] = parts
        self.say(f"tried {_shown(key)}: {cost.get('lut', 0):.0f} LUT, error {trial.error:.4f}")
        return trial

    def try_uniform(self, widths: tuple[int, ...]) -> None:
        """All pairs of widths, each in all inner layers."""
        for w in widths:
            for a in widths:
                self.trial(dict.fromkeys(self.inner, (w, a)))

    def measure(self, widths: tuple[int, ...]) -> None:
        """The sensitivity of each inner layer: the error that its few bits alone add, all else having 8."""
        full = dict.fromkeys(self.inner, (_FULL, _FULL))
        base = self._error_of(full)

        def added(change: LayerBits) -> float:
            """To the error of full widths."""
            return self._error_of(full | change) - base if full != full | change else 0.0

        for name in self.inner:
            self.say(f"sensitivity of {name}")
            by_weight = {w: added({name: (w, _FULL)}) for w in widths}
            together = next(group for group in self.readers.values() if name in group)
            first = name == together[0]
            by_input = {a: added(dict.fromkeys(together, (_FULL, a))) if first else 0.0 for a in widths}
            self.sensitivity[name] = (by_weight, by_input)

    def _measured(self, layer_bits: LayerBits) -> tuple[list[Mapping[str, float]], float]:
        """What each part of the design costs, and the network's error."""
        module = self._quantized(layer_bits)
        parts = self.price(module)
        if len(parts) != len(self.all) + 1:
            raise InputError(
                f"quantize: the design must have the network's {len(self.all)} layers, not {len(parts) - 1}."
            )
        return parts, self._error(module)

    def _error_of(self, layer_bits: LayerBits) -> float:
        name = f"error {_shown(tuple(layer_bits[n] for n in self.inner))}"
        return self.once(name, lambda: self._error(self._quantized(layer_bits)))

    def differs(self, layer_bits: LayerBits, images: Tensor) -> float:
        """The share of images (N, ...) that get another class than the float network gives."""

        def measure() -> float:
            classes = [_outputs(n, images).argmax(1) for n in (self.network, self._quantized(layer_bits))]
            return float((classes[0] != classes[1]).double().mean())

        return self.once(f"differs {_shown(tuple(layer_bits[n] for n in self.inner))}", measure)

    def _error(self, module: nn.Module) -> float:
        found = _outputs(module, self.request.images)
        return float(((found - self.wanted) ** 2).sum() / (self.wanted**2).sum())

    def _quantized(self, layer_bits: LayerBits) -> nn.Module:
        return self.quantize(self.network, replace(self.request, layer_bits=dict(layer_bits)))


def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad(), ordinary_sums(network):
        found = [network(part) for part in images.split(_CHUNK)]
    return torch.cat([getattr(part, "value", part) for part in found]).double()


def _shown(pairs: tuple[tuple[int, int], ...]) -> str:
    return " ".join(f"W{w}A{a}" for w, a in (pairs[:1] if len(set(pairs)) == 1 else pairs))
