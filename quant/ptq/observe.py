"""What calibration data shows at each site, and the scales that follow from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from ...errors import InputError
from ..exact import short_scale
from .plan import Plan, Site
from .ranges import BINS, RANGES, Observed, levels

CHUNK = 64
# A scale is rounded up to the next power-of-two multiple when it is this much of the way there, in octaves.
_UP = 0.25


@dataclass(frozen=True)
class Steps:
    """A site's quantizer: its scale, a float32 of 12 bits, and whether it has a sign."""

    scale: float
    signed: bool


class Tapped(fx.Interpreter):
    """Runs a network and hands named results to a function, which may replace them."""

    def __init__(self, network: fx.GraphModule, tap: Callable[[str, Tensor], Tensor | None]):
        super().__init__(network)
        self.tap = tap

    def run_node(self, node: fx.Node):
        result = super().run_node(node)
        other = self.tap(node.name, result) if isinstance(result, Tensor) else None
        return result if other is None else other


def run_tapped(network: fx.GraphModule, images: Tensor, tap: Callable[[str, Tensor], Tensor | None]) -> None:
    """The network on all images, some at a time, with every result given to ``tap``."""
    interpreter = Tapped(network, tap)
    with torch.no_grad():
        for chunk in images.split(CHUNK):
            interpreter.run(chunk)


def observe(network: fx.GraphModule, names: Iterable[str], images: Tensor) -> dict[str, Observed]:
    """Extremes and histograms of the results of these nodes.

    Raises:
        InputError: a result that is not finite.
    """
    names, lows, highs = set(names), {}, {}

    def extremes(name: str, x: Tensor) -> None:
        if name in names:
            lows[name] = min(lows.get(name, math.inf), x.min().item())
            highs[name] = max(highs.get(name, -math.inf), x.max().item())

    run_tapped(network, images, extremes)
    for name in names:
        if not (math.isfinite(lows[name]) and math.isfinite(highs[name])):
            raise InputError(f"quantize: node {name!r} must give finite values, but gave {highs[name]}.")
    seen = {name: Observed(lows[name], highs[name], np.zeros(BINS)) for name in names}

    def count(name: str, x: Tensor) -> None:
        if name in names:
            sizes = x.detach().abs().float().cpu()
            # Not histc's own range: it would drop what float rounding puts beyond it.
            index = (sizes * (BINS / seen[name].largest)).long().clamp_(max=BINS - 1)
            seen[name].histogram += torch.bincount(index.flatten(), minlength=BINS).numpy()

    run_tapped(network, images, count)
    return seen


def calibrated(plan: Plan, images: Tensor, rule: str) -> dict[str, Steps]:
    """Each site's scale by one of RANGES, those of a family as power-of-two multiples of one."""
    seen = observe(plan.network, plan.sites, images)
    return steps_of(plan, seen, rule)


def steps_of(plan: Plan, seen: Mapping[str, Observed], rule: str) -> dict[str, Steps]:
    """As ``calibrated``, from what was observed before."""
    found = {}
    for name, site in plan.sites.items():
        reach = RANGES[rule](seen[name], site.bits)
        scale = reach / levels(site.bits, seen[name].signed)
        found[name] = Steps(short_scale(torch.tensor(scale)).item(), seen[name].signed)
    return related(plan.sites, found)


def related(sites: Mapping[str, Site], steps: Mapping[str, Steps]) -> dict[str, Steps]:
    """Scales within a family as power-of-two multiples of that of its member with the fewest bits."""
    result = dict(steps)
    families: dict[str, list[Site]] = {}
    for site in sites.values():
        families.setdefault(site.family, []).append(site)
    for members in families.values():
        anchor = min(members, key=lambda s: (s.bits, -steps[s.node].scale))
        base = steps[anchor.node].scale
        for site in members:
            octaves = math.ceil(math.log2(steps[site.node].scale / base) - _UP)
            # 12 bits and a code of 8 leave room for sums far below 2**51.
            octaves = min(max(octaves, -16), 16)
            result[site.node] = Steps(base * 2.0**octaves, steps[site.node].signed)
    return result
