"""DDTB's quantizers in training: asymmetric bounds, a gate that moves them, weights by percentiles."""

from __future__ import annotations

import torch
from brevitas.function.ops_ste import round_ste
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InputError
from ..frozen_norm import FrozenNorm
from .integers import (
    GATE_CODES,
    LOGIT_BITS,
    LOGIT_STEP,
    CodeQuant,
    DynamicQuant,
    IntegerConv,
    IntegerGate,
    StaticQuant,
    as_multiplier,
)

FLOAT, STATIC, DYNAMIC = "float", "static", "dynamic"
# Bounds closer than this would make scales that no float32 carries well.
_NEAREST = 1e-4
_PERCENT = 0.01
# torch.quantile takes no more numbers.
_MOST_SORTED = 2**24
_GATE_BITS, _GATE_WIDTH = 2, 32
_MOMENTUM = 0.1
# Whole numbers in a dynamic quantizer's tables, and of what it rounds its input to first.
_TABLE_BITS, _CARRIER_BITS = 10, 12
# Room above the largest number that training has seen.
_HEADROOM = 1.25


def bounded(x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
    """``(round(f * clip(x, lower, upper) - z) + z) / f`` with ``f = (2**bits - 1) / (upper - lower)`` and
    ``z = round(f * lower)``; gradients pass each rounding as if it were not there."""
    factor = (2**bits - 1) / torch.clamp(upper - lower, min=_NEAREST)
    zero = round_ste(factor * lower)
    codes = round_ste(factor * torch.minimum(torch.maximum(x, lower), upper) - zero)
    return (codes + zero) / factor


def percentiles(values: Tensor) -> tuple[Tensor, Tensor]:
    """The 1st and the 99th percentile of all numbers."""
    flat = values.detach().flatten()
    flat = flat[:: -(-len(flat) // _MOST_SORTED)]
    low, high = torch.quantile(flat.float(), torch.tensor([_PERCENT, 1 - _PERCENT], device=flat.device))
    return low.to(values.dtype), high.to(values.dtype)


def percentile_weights(weight: Tensor, bits: int) -> Tensor:
    """Weights clipped to their 1st and 99th percentile, on an asymmetric grid between them."""
    return bounded(weight, *percentiles(weight), bits)


def grid(lower: Tensor, upper: Tensor, bits: int) -> tuple[Tensor, int]:
    """The deployed step, an 8-bit multiplier with a shift, and the least code between two bounds."""
    step = as_multiplier(torch.clamp(upper - lower, min=_NEAREST) / (2**bits - 1))
    return step, round(float(lower.detach() / step))


def integer_conv(source: nn.Conv2d, bits: int) -> IntegerConv:
    """The deployed form of a convolution with ``percentile_weights``: its codes, their step at 8 bits."""
    weight = source.weight.detach()
    lower, upper = percentiles(weight)
    step = torch.clamp(upper - lower, min=_NEAREST) / (2**bits - 1)
    codes = torch.round(bounded(weight, lower, upper, bits) / step)
    return IntegerConv(codes, as_multiplier(step), source)


class Gate(nn.Module):
    """Two logits per image from its channels' means: for the upper and for the lower bound.

    Quantized to 2 bits, 1x1 convolution of 2-bit weights to 32 channels, batch norm, ReLU, and the same to
    2 logits, which are rounded to quarters from -2 to 1.75: bounds move by ``2 * sigmoid(logit)``.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, _GATE_WIDTH, 1, bias=False)
        self.norm = nn.BatchNorm2d(_GATE_WIDTH)
        self.second = nn.Conv2d(_GATE_WIDTH, 2, 1, bias=False)
        # Of what enters the two convolutions: least and greatest number, averaged over batches.
        self.register_buffer("ranges", torch.zeros(2, 2))
        self.register_buffer("seen", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> logits (N, 2, 1, 1); no gradient reaches x."""
        y = self._ranged(x.detach().mean((2, 3), keepdim=True), 0)
        y = functional.conv2d(y, _ternary(self.first.weight))
        y = self._ranged(torch.relu(self.norm(y)), 1)
        if self.training:
            self.seen.fill_(True)
        half = 1 << (LOGIT_BITS - 1)
        y = functional.conv2d(y, _ternary(self.second.weight)) / LOGIT_STEP
        return round_ste(torch.clamp(y, -half, half - 1)) * LOGIT_STEP

    def deployed(self) -> IntegerGate:
        """The gate in integers."""
        frozen = FrozenNorm(self.norm)
        parts = []
        for layer, (lower, upper) in zip((self.first, self.second), self.ranges, strict=True):
            step, low = grid(lower, upper, _GATE_BITS)
            peak = layer.weight.detach().abs().max()
            codes = torch.round(layer.weight.detach() / peak)
            parts += [CodeQuant(step, low, _GATE_BITS), IntegerConv(codes, as_multiplier(peak), layer)]
        return IntegerGate(parts[0], parts[1], frozen.factor, frozen.offset, parts[2], parts[3])

    def _ranged(self, x: Tensor, place: int) -> Tensor:
        if self.training:
            now = torch.stack([x.detach().min(), x.detach().max()])
            self.ranges[place] = torch.lerp(self.ranges[place], now, _MOMENTUM) if self.seen else now
        lower, upper = self.ranges[place]
        return bounded(x, lower, upper, _GATE_BITS)


def _ternary(weight: Tensor) -> Tensor:
    """2-bit weights: -1, 0 or 1 times the greatest."""
    peak = weight.detach().abs().max()
    return round_ste(weight / peak) * peak


class BoundsQuant(nn.Module):
    """Activations between trained bounds, which a gate may move per image.

    ``mode`` is FLOAT while ranges are collected (the first batch's percentiles start the bounds), then
    STATIC, or DYNAMIC where a gate's factors multiply the bounds; a gate that is there but not in use is
    still evaluated, so that its ``logits`` can be regressed to 0.

    Args:
        bits: of the codes.
        channels: of the images.
    """

    def __init__(self, bits: int, channels: int):
        super().__init__()
        self.bits, self.channels, self.mode = bits, channels, FLOAT
        self.lower, self.upper = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.gate: Gate | None = None
        self.logits: Tensor | None = None
        self.extremes: list[tuple[float, float]] = []
        self.register_buffer("peak", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> the same shape."""
        if self.mode == FLOAT:
            self.collect(x)
            return x
        if self.gate is None:
            return bounded(x, self.lower, self.upper, self.bits)
        if self.training:
            self.peak.copy_(torch.maximum(self.peak, x.detach().abs().max()))
        logits = self.gate(x)
        if self.training:
            self.logits = logits
        if self.mode == STATIC:
            return bounded(x, self.lower, self.upper, self.bits)
        factors = 2 * torch.sigmoid(logits)
        return bounded(x, factors[:, 1:] * self.lower, factors[:, :1] * self.upper, self.bits)

    @torch.no_grad()
    def collect(self, x: Tensor) -> None:
        """One batch of the calibration."""
        if not self.extremes:
            low, high = percentiles(x)
            self.lower.copy_(low)
            self.upper.copy_(torch.maximum(high, low + _NEAREST))
        self.extremes.append((float(x.min()), float(x.max())))
        self.peak.copy_(torch.maximum(self.peak, x.abs().max()))

    def intensity(self) -> float:
        """The variance of the batches' maxima plus that of their minima."""
        least, greatest = torch.tensor(self.extremes, dtype=torch.float64).unbind(1)
        return float(greatest.var(correction=0) + least.var(correction=0))

    def add_gate(self) -> None:
        """Give the quantizer a gate."""
        self.gate = Gate(self.channels).to(self.lower)

    def deployed(self, positive: bool = False) -> StaticQuant | DynamicQuant:
        """The quantizer in integers.

        Args:
            positive: nothing negative comes, so that the carrier needs no negative half: the same numbers.
        Raises:
            InputError: it was never calibrated.
        """
        if self.mode == FLOAT:
            raise InputError("ddtb: a network must be trained before it is deployed, but has no bounds yet.")
        if self.mode == STATIC or self.gate is None:
            step, low = grid(self.lower, self.upper, self.bits)
            return StaticQuant(CodeQuant(step, low, self.bits))
        multipliers, zeros, steps = tables(self.lower.detach(), self.upper.detach(), self.bits)
        half = 1 << (_CARRIER_BITS - 1)
        scale = torch.exp2(torch.ceil(torch.log2(self.peak * _HEADROOM / (half - 1))))
        low, bits = (0, _CARRIER_BITS - 1) if positive else (-half, _CARRIER_BITS)
        carrier = CodeQuant(scale, low, bits)
        return DynamicQuant(carrier, self.gate.deployed(), multipliers, zeros, steps, self.bits)


def tables(lower: Tensor, upper: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """Multiplier, zero point and step for each of 256 gate codes, ``16 * upper code + lower code``.

    Multipliers and steps are whole numbers of at most 10 bits, each with one shift for the whole table.
    """
    half = 1 << (LOGIT_BITS - 1)
    factors = 2 * torch.sigmoid((torch.arange(2 * half, dtype=torch.float64) - half) * LOGIT_STEP)
    code = torch.arange(GATE_CODES)
    high = factors[code >> LOGIT_BITS] * upper.double()
    low = factors[code & (2 * half - 1)] * lower.double()
    steps = _whole(torch.clamp(high - low, min=_NEAREST) / (2**bits - 1))
    return _whole(1 / steps).float(), torch.round(low / steps).float(), steps.float()


def _whole(values: Tensor) -> Tensor:
    """Positive numbers as whole multiples of the power of two that gives the largest 10 bits, at least 1."""
    _, exponent = torch.frexp(values.max())
    unit = torch.ldexp(torch.ones((), dtype=torch.float64), exponent - _TABLE_BITS)
    return torch.clamp(torch.round(values / unit), 1, 2**_TABLE_BITS - 1) * unit
