"""A planned network with roundings and steps that learn, unit after unit, and what it ends as."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from .exact import short_scale
from .ptq.build import Weights, build, insert, plain_weights
from .ptq.observe import Steps
from .ptq.plan import Plan
from .unit_checkpoint import Checkpoint
from .unit_graph import Unit, joined, modules_in, passed, set_modes, unit_of
from .unit_rounding import LearnedStep, RoundedLayer
from .unit_training import Settings, Values, fit, float_values, importance_of

# Steps that are learned behind roundings take this share of their iterations (BRECQ: 5,000 and 20,000).
_STEP_SHARE = 0.25
_STEP_POWER = 2.4


def learnable(plan: Plan, steps: dict[str, Steps]) -> fx.GraphModule:
    """The plan's float network with its layers as ``RoundedLayer`` and a ``LearnedStep`` at each site.

    Scales of weights are those of least squared error, as ``ptq.mse`` takes them. Steps of one family share
    what is learned; the network's own input keeps its step, for its codes are the caller's, pixels mostly.
    """
    network = copy.deepcopy(plan.network).requires_grad_(False)
    weights = plain_weights(plan, "mse")
    ratios: dict[str, nn.Parameter] = {}
    for node in list(network.graph.nodes):
        if node.name in plan.layers:
            layer = network.get_submodule(node.target)
            scale = short_scale(weights[node.name].scale)
            network.set_submodule(node.target, RoundedLayer(layer, scale, plan.layers[node.name].bits))
        if node.name in plan.sites:
            site, step = plan.sites[node.name], steps[node.name]
            ratio = ratios.setdefault(site.family, nn.Parameter(torch.ones(())))
            if node.op == "placeholder":
                ratio.requires_grad_(False)
            low = -(2 ** (site.bits - 1)) if step.signed else 0
            insert(network, node, LearnedStep(step.scale, low, low + 2**site.bits - 1, ratio))
    network.recompile()
    # Exact sums are for inference, and slow; there is nothing else that training changes.
    return network.train()


def exported(network: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """The quantized network with what ``network`` (of ``learnable``) has learned."""
    steps, weights = {}, {}
    for node in network.graph.nodes:
        if node.op != "call_module":
            continue
        module = network.get_submodule(node.target)
        if isinstance(module, RoundedLayer):
            bias = module.layer.bias
            values = (module.codes() * module.scale).detach()
            weights[node.name] = Weights(values, module.scale, None if bias is None else bias.detach())
        elif isinstance(module, LearnedStep):
            (site,) = node.args
            steps[site.name] = Steps(short_scale(module.step).item(), module.low < 0)
    return build(plan, steps, weights)


class Learning:
    """Roundings and steps of a network, learned unit after unit.

    Args:
        network: of ``learnable``.
        images: float32 (N, ...).
        settings: of each unit.
        classes: whether the network tells classes, see ``importance_of``; None weighs all errors alike.
        seed: of what is drawn.
        tick: called when a unit is done.
        checkpoint: a file that is gone on from, and kept up to date; None: there is none.
        method: whose run it is.

    Raises:
        InputError: a checkpoint of another run, or a file that is none.
    """

    def __init__(
        self,
        network: fx.GraphModule,
        images: Tensor,
        settings: Settings,
        classes: bool | None,
        seed: int,
        tick: Callable[[], None] = lambda: None,
        checkpoint: Path | None = None,
        method: str = "",
    ):
        self.network, self.settings, self.classes, self.tick = network, settings, classes, tick
        self.generator = torch.Generator().manual_seed(seed)
        asked = {"method": method, "seed": seed, "classes": classes, **asdict(settings)}
        self.checkpoint = Checkpoint(checkpoint, network, images, self.generator, asked)
        (given,) = (n for n in network.graph.nodes if n.op == "placeholder")
        self.start: Values = {given: images}

    def roundings(self, units: list[Unit]) -> None:
        """Each unit's roundings with activations in float, as BRECQ does."""
        set_modes(self.network, "float", False)
        before, before_float = self.start, self.start
        for unit in units:
            after_float = float_values(self.network, unit, before_float)
            set_modes(self.network, "soft", False, unit)
            self._fit(unit, before, after_float, self.settings)
            set_modes(self.network, "hard", False, unit)
            before, before_float = passed(self.network, unit, before), after_float

    def steps(self, units: list[Unit]) -> None:
        """Each unit's steps, with roundings as they are."""
        share = max(round(self.settings.iterations * _STEP_SHARE), 1)
        settings = replace(self.settings, iterations=share, power=_STEP_POWER)
        set_modes(self.network, "hard", True)
        before, before_float = self.start, self.start
        for unit in units:
            after_float = float_values(self.network, unit, before_float)
            self._fit(unit, before, after_float, settings)
            self._fixed(unit)
            before, before_float = passed(self.network, unit, before), after_float

    def windows(self, layers: list[Unit], size: int) -> None:
        """Roundings and steps of each layer with its next, quantized activations between them."""
        # What lies behind a window stays in float, for its importance is the float network's.
        set_modes(self.network, "float", False)
        before, before_float = self.start, self.start
        for i, layer in enumerate(layers):
            unit = joined(layers[i : i + size])
            targets = float_values(self.network, unit, before_float)
            set_modes(self.network, "soft", True, unit)
            self._fit(unit, before, targets, self.settings)
            set_modes(self.network, "hard", True, layer)
            self._fixed(layer)
            before_float = float_values(self.network, layer, before_float)
            before = passed(self.network, layer, before)
            if i + size >= len(layers):
                # What is left was in this window with all that is behind it.
                set_modes(self.network, "hard", True, unit)
                return

    def _fit(self, unit: Unit, before: Values, after_float: Values, settings: Settings) -> None:
        if self.checkpoint.passes():
            # Its end is in what was read: behind a unit that is done, nothing changes it.
            self.tick()
            return
        targets = {n: after_float[n] for n in unit.outputs}
        importance: Values = {}
        if self.classes is not None:
            nodes = list(self.network.graph.nodes)
            rest = unit_of(n for n in nodes[nodes.index(unit.nodes[-1]) + 1 :] if n.op.startswith("call"))
            importance = importance_of(self.network, rest, after_float, self.classes, self.generator)
        fit(self.network, unit, before, targets, importance, settings, self.generator)
        self.checkpoint.keep()
        self.tick()

    def _fixed(self, unit: Unit) -> None:
        for step in modules_in(self.network, unit, LearnedStep):
            step.ratio.requires_grad_(False)
