"""One unit's roundings and steps fitted to what the float network computes there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from .unit_graph import Unit, modules_in, passed, run, set_modes
from .unit_rounding import LearnedStep, RoundedLayer, exponent_at

Values = dict[fx.Node, Tensor]

# How far roundings can get in all; the rectified sigmoid ends at +-2.4.
_ROUNDING_WAY = 10.0
_ROUNDING_RATES = (1e-3, 0.1)
# Frames whose gradients are taken at once.
_BATCH = 64


@dataclass(frozen=True)
class Settings:
    """How a unit is fitted.

    Attributes:
        iterations: of Adam, each on ``batch`` frames drawn from all.
        power: of the error, ``|found - target| ** power``.
        decision: weight of the regulariser that makes roundings decide (the paper's lambda).
        step_rate: Adam's for steps, which learn in shares of where they began, along a cosine.
    """

    iterations: int
    batch: int = 32
    power: float = 2.0
    decision: float = 0.01
    step_rate: float = 2e-3

    @property
    def rounding_rate(self) -> float:
        """Adam's for roundings: fewer iterations take larger steps, so that roundings get as far.

        With 10,000 iterations and more it is BRECQ's.
        """
        return min(max(_ROUNDING_WAY / self.iterations, _ROUNDING_RATES[0]), _ROUNDING_RATES[1])


def unit_error(found: Values, targets: Values, importance: Values, power: float = 2.0) -> Tensor:
    """The unit's output error, relative to its targets, summed over outputs and channels.

    ``sum_o C_o * mean(importance * |found - target| ** power) / mean(target ** 2) ** (power / 2)``.
    BRECQ sums over channels too; the division is ours, so that the regulariser weighs the same whatever the
    scale of values.
    """
    total = torch.zeros(())
    for node, target in targets.items():
        # Outputs that are all zero have no size that an error could be relative to.
        size = (target.square().mean() or torch.ones(())) ** (power / 2)
        error = (found[node] - target).abs() ** power
        if node in importance:
            error = error * importance[node]
        total = total + error.mean() * target.shape[1] / size
    return total


@torch.enable_grad()
def importance_of(
    network: fx.GraphModule,
    rest: Unit,
    values: Values,
    classes: bool,
    generator: torch.Generator,
    draws: int = 4,
) -> Values:
    """How much the float network's result depends on each channel of a unit's outputs: Fisher's diagonal.

    The mean of ``(dL/dz) ** 2`` over frames, places and ``draws``, divided by its mean over all channels.
    With ``classes`` L is the cross entropy against a class drawn from the network's own softmax, whose
    Fisher matrix is its Gauss-Newton matrix. Without, L is the output's product with a normal vector, which
    gives the Gauss-Newton matrix of half the squared output error.

    BRECQ weighs each element of each frame by its own square. With as few frames as calibration has, of most
    of which a network is sure, a few then decide; results were worse than without weights.

    Args:
        rest: the nodes behind the unit, in float.
        values: of the float network at the unit's end, all frames (N, C, ...).
    Returns:
        float32 (1, C, 1, ...), by value.
    """
    squares = {n: torch.zeros_like(v[:1]) for n, v in values.items()}
    for i in range(0, len(next(iter(values.values()))), _BATCH):
        part = {n: v[i : i + _BATCH].detach().requires_grad_() for n, v in values.items()}
        (result,) = run(network, rest, part).values() if rest.nodes else part.values()
        for _ in range(draws):
            loss = _drawn_loss(result, classes, generator)
            slopes = torch.autograd.grad(loss, list(part.values()), retain_graph=True, allow_unused=True)
            for node, slope in zip(part, slopes, strict=True):
                if slope is not None:
                    squares[node] += slope.square().sum(0, keepdim=True)
    return {n: _by_channel(s) for n, s in squares.items()}


def _by_channel(squares: Tensor) -> Tensor:
    means = squares.mean([d for d in range(squares.dim()) if d != 1], keepdim=True)
    return means / means.mean().clamp(min=torch.finfo(means.dtype).tiny)


def _drawn_loss(result: Tensor, classes: bool, generator: torch.Generator) -> Tensor:
    if not classes:
        return (result * torch.randn(result.shape, generator=generator)).sum()
    # Classes may stand along an image of one pixel.
    result = result.flatten(1)
    drawn = torch.multinomial(result.detach().softmax(1), 1, generator=generator)
    return -result.log_softmax(1).gather(1, drawn).sum()


@torch.enable_grad()
def fit(
    network: fx.GraphModule,
    unit: Unit,
    inputs: Values,
    targets: Values,
    importance: Values,
    settings: Settings,
    generator: torch.Generator,
) -> None:
    """Learn the roundings of the unit's soft layers, and the steps of it that still learn.

    Args:
        inputs: what the quantized nodes before the unit give, all frames.
        targets: the float network's values at the unit's outputs.
        importance: of their channels; of outputs that are missing, 1.
    """
    soft = [m for m in modules_in(network, unit, RoundedLayer) if m.mode == "soft"]
    steps = modules_in(network, unit, LearnedStep)
    ratios = list(dict.fromkeys(m.ratio for m in steps if m.enabled and m.ratio.requires_grad))
    groups = [{"params": [m.v for m in soft], "lr": settings.rounding_rate}] if soft else []
    groups += [{"params": ratios, "lr": settings.step_rate}] if ratios else []
    if not groups:
        return
    optimizer = torch.optim.Adam(groups)
    frames = len(next(iter(inputs.values())))
    for iteration in range(settings.iterations):
        drawn = torch.randint(frames, (min(settings.batch, frames),), generator=generator)
        found = run(network, unit, {n: inputs[n][drawn] for n in unit.inputs})
        wanted = {n: t[drawn] for n, t in targets.items()}
        loss = unit_error(found, wanted, importance, settings.power)
        exponent = exponent_at(iteration, settings.iterations)
        if soft and exponent is not None:
            loss = loss + settings.decision * sum(m.undecided(exponent) for m in soft)
        if ratios:
            share = (1 + math.cos(math.pi * iteration / settings.iterations)) / 2
            optimizer.param_groups[-1]["lr"] = settings.step_rate * share
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def float_values(network: fx.GraphModule, unit: Unit, values: Values) -> Values:
    """All values behind the unit in the float network, whose values before it are given; modes stay."""
    layers = [(m, m.mode) for m in modules_in(network, unit, RoundedLayer)]
    steps = [(m, m.enabled) for m in modules_in(network, unit, LearnedStep)]
    set_modes(network, "float", False, unit)
    result = passed(network, unit, values)
    for layer, mode in layers:
        layer.mode = mode
    for step, enabled in steps:
        step.enabled = enabled
    return result
