"""Roundings and steps that are learned: AdaRound's rectified sigmoid and LSQ's straight-through step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .exact import weight_limits

# The sigmoid is stretched to this range and clipped to [0, 1], so that roundings get there in finite time.
STRETCH = (-0.1, 1.1)
# The exponent that makes roundings decide: held off for the warm-up's share, then linear to the last.
WARM_UP = 0.2
EXPONENTS = (20.0, 2.0)
# No step shrinks below this share of where it began.
_LEAST_RATIO = 0.05


def rectified_sigmoid(v: Tensor) -> Tensor:
    """``h(v) = clamp(1.2 / (1 + exp(-v)) - 0.1, 0, 1)``, in the shape of v."""
    low, high = STRETCH
    return (torch.sigmoid(v) * (high - low) + low).clamp(0, 1)


def rounding_start(fraction: Tensor) -> Tensor:
    """The v whose ``rectified_sigmoid`` is the fraction, which lies in [0, 1)."""
    low, high = STRETCH
    return -torch.log((high - low) / (fraction - low) - 1)


def undecided(h: Tensor, exponent: float) -> Tensor:
    """``sum(1 - |2 h - 1| ** exponent)``: 0 where every rounding is down (0) or up (1), else more."""
    return (1 - (2 * h - 1).abs() ** exponent).sum()


def exponent_at(iteration: int, iterations: int) -> float | None:
    """The regulariser's exponent at an iteration of [0, iterations); None while it is held off."""
    start = WARM_UP * iterations
    if iteration < start:
        return None
    first, last = EXPONENTS
    return first + (last - first) * (iteration - start) / (iterations - start)


class RoundedLayer(nn.Module):
    """A layer whose weights are ``scale * clamp(floor(w / scale) + h(v), low, high)``.

    Args:
        layer: one of ``exact.LAYERS`` with float weights; its bias stays.
        scale: one, or along the axis of outputs as it broadcasts against the weights.
        bits: of the codes.

    Attributes:
        mode: "float" takes the float weights, "soft" h as it is, "hard" h as 0 or 1.
    """

    def __init__(self, layer: nn.Module, scale: Tensor, bits: int):
        super().__init__()
        self.layer, self.bits, self.mode = layer.requires_grad_(False), bits, "float"
        self.register_buffer("scale", scale)
        ratio = layer.weight.detach() / scale
        self.register_buffer("floor", torch.floor(ratio))
        # Where weights are clipped whatever their rounding is, it starts and stays where it was.
        self.v = nn.Parameter(rounding_start(ratio - self.floor))

    def codes(self) -> Tensor:
        """The integers of the weights; floats while ``mode`` is "soft"."""
        h = rectified_sigmoid(self.v)
        if self.mode != "soft":
            h = (h >= 0.5).to(h.dtype)
        return (self.floor + h).clamp(*weight_limits(self.bits))

    def undecided(self, exponent: float) -> Tensor:
        """The regulariser of this layer's roundings."""
        return undecided(rectified_sigmoid(self.v), exponent)

    def forward(self, x: Tensor) -> Tensor:
        """x as the layer takes it."""
        if self.mode == "float":
            return self.layer(x)
        return functional_call(self.layer, {"weight": self.codes() * self.scale}, (x,))


class LearnedStep(nn.Module):
    """``s * clamp(round(x / s), low, high)`` with ``s = start * ratio``, whose ratio is learned.

    Rounding passes gradients straight through, so that ``dy/ds = round(x / s) - x / s`` within the range and
    the limit's code outside it (LSQ, Esser et al., ICLR 2020).

    Args:
        start: the step where it begins, above 0.
        low, high: the codes' limits.
        ratio: shared by steps that stay power-of-two multiples of each other; None: one of its own, 1.

    Attributes:
        enabled: without it, x passes as it is.
    """

    def __init__(self, start: float, low: int, high: int, ratio: nn.Parameter | None = None):
        super().__init__()
        self.start, self.low, self.high, self.enabled = start, low, high, True
        self.ratio = nn.Parameter(torch.ones(())) if ratio is None else ratio

    @property
    def step(self) -> Tensor:
        """The step as it is now."""
        return self.start * self.ratio.clamp(min=_LEAST_RATIO)

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        if not self.enabled:
            return x
        step = self.step
        ratio = (x / step).clamp(self.low, self.high)
        return (ratio + (torch.round(ratio) - ratio).detach()) * step
