"""N2UQ: thresholds that learn, uniform outputs (Liu et al., CVPR 2022, arXiv 2111.14826).

Activations of b bits have ``n = 2^b - 1`` thresholds per tensor, ``T_i = t0 + sum_{j<i} a_j + a_i / 2``, and
``y = s2 * I * #{i : s1 * x > T_i}`` with ``I = 2 / n``. Weights are odd whole numbers times a scale per
output: without a zero, so that their codes carry as much information as their bits allow.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from brevitas.function.ops_ste import scalar_clamp_min_ste
from torch import Tensor, fx, nn

from .methods import METHODS
from .qat.codes import Counted
from .qat.conversion import Style, convert
from .qat.fit import adam_recipe, finished, fit
from .qat.rectifier import ShiftedPReLU
from .qat.uniform import QuantLayer, first_step
from .request import Request
from .training import Hooks

# Steps from which thresholds and their scales learn at a tenth of the rate, as in the paper: Adam moves a
# number by about the rate a step, so that in fewer steps they would stay where they begin.
LONG = 10_000
# Up to as many limits, comparing with each in turn is several times faster than a search.
_COMPARED = 16
_LEAST_WIDTH = 1e-3
_LEAST_SCALE = 1e-8


class GeneralizedSte(torch.autograd.Function):
    """``I * #{i : u > T_i}``, with the gradient of the ramp of slope ``I / a_i`` on the i-th segment.

    The ramp is 0 below ``t0`` and 2 above the last segment (G-STE).
    """

    @staticmethod
    def forward(ctx, u: Tensor, start: Tensor, widths: Tensor) -> Tensor:
        """u of any shape, start of one element, widths (n,)."""
        ctx.save_for_backward(u, start, widths)
        # The thresholds below each element, so that one at a threshold has not passed it.
        return counted(u, thresholds(start, widths), torch.gt).to(u.dtype) * (2 / len(widths))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of u, start and widths."""
        u, start, widths = ctx.saved_tensors
        count = len(widths)
        slopes = (2 / count) / widths
        ends = torch.cat([start.reshape(1), start + torch.cumsum(widths, 0)])
        # 0 is below the ramp, count + 1 above it.
        segment = counted(u, ends, torch.ge).flatten().int()
        none = torch.zeros_like(slopes[:1])

        def each(values: Tensor) -> Tensor:
            """The number of each element's segment."""
            return torch.index_select(values, 0, segment).reshape(u.shape)

        grad_u = grad * each(torch.cat([none, slopes, none]))
        way = (u - each(torch.cat([ends[:1], ends]))) * grad_u

        def sums(values: Tensor) -> Tensor:
            """Over each segment."""
            total = torch.bincount(segment, values.flatten(), count + 2)
            return total[1:-1].to(widths.dtype)

        shifts = -sums(grad_u)
        # A segment is shifted by the start, and by the widths of all segments before it.
        later = torch.flip(torch.cumsum(torch.flip(shifts, (0,)), 0), (0,)) - shifts
        return grad_u, shifts.sum().reshape(start.shape), later - sums(way) / widths


def counted(u: Tensor, limits: Tensor, reaches: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """How many of the ascending limits each element reaches, whole numbers as u.

    Args:
        reaches: ``torch.gt``, or ``torch.ge`` where equal is enough.
    """
    if len(limits) > _COMPARED:
        return torch.bucketize(u, limits, right=reaches is torch.ge)
    count = torch.zeros(u.shape, dtype=torch.uint8, device=u.device)
    for limit in limits:
        count += reaches(u, limit)
    return count


def thresholds(start: Tensor, widths: Tensor) -> Tensor:
    """``T_i = t0 + sum_{j<i} a_j + a_i / 2``, (n,)."""
    return start + torch.cumsum(widths, 0) - widths / 2


class LearnedThresholds(nn.Module):
    """N2UQ's quantizer of activations; the first tensor that comes sets both scales.

    Args:
        bits: 1 to 8.
    """

    def __init__(self, bits: int):
        super().__init__()
        count = 2**bits - 1
        self.start_at = nn.Parameter(torch.zeros(()))
        self.widths = nn.Parameter(torch.full((count,), 2 / count))
        self.scale_in = nn.Parameter(torch.ones(()))
        self.scale_out = nn.Parameter(torch.ones(()))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Scales of the least error for equal steps: the ramp's [0, 2] spans the codes and half a step."""
        count = len(self.widths)
        step = first_step(x.reshape(1, -1), 0, count)[0]
        self.scale_out.copy_(step * count / 2)
        self.scale_in.copy_(1 / self.scale_out)
        self.started.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """The values that codes stand for."""
        if not self.started:
            self.start(x)
        ramp = GeneralizedSte.apply(x * self._positive(), self.start_at, self._widths())
        return ramp * self.scale_out

    def frozen(self) -> Counted:
        """The quantizer of inference."""
        with torch.no_grad():
            widths = self._widths()
            step = self.scale_out * (2 / len(widths))
            return Counted(self._positive(), thresholds(self.start_at, widths), step)

    def _widths(self) -> Tensor:
        return scalar_clamp_min_ste(self.widths, _LEAST_WIDTH)

    def _positive(self) -> Tensor:
        return scalar_clamp_min_ste(self.scale_in, _LEAST_SCALE)


class EntropyWeight(nn.Module):
    """Weights as odd whole numbers ``2k - n`` times ``s_o / n``, ``s_o = n / 2^(b-1) * mean |W_o|``.

    The scale is a constant to gradients, which pass where ``|W| <= s_o``. (The released code passes them
    everywhere, divided by s_o.)

    Args:
        bits: 1 to 8.
    """

    def __init__(self, bits: int):
        super().__init__()
        self.bits, self.count = bits, 2**bits - 1

    def scale(self, weight: Tensor) -> Tensor:
        """s_o, (M,)."""
        mean = weight.detach().flatten(1).abs().mean(1).clamp(min=_LEAST_SCALE)
        return mean * (self.count / 2 ** (self.bits - 1))

    def forward(self, weight: Tensor) -> Tensor:
        """The nearest values that codes stand for."""
        codes, unit = self.codes(weight)
        limit = self.scale(weight).reshape(-1, *(1,) * (weight.dim() - 1))
        passed = torch.maximum(torch.minimum(weight, limit), -limit)
        return (codes * unit.reshape(limit.shape) - passed).detach() + passed

    def codes(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Odd whole floats, and the value of 1, (M,)."""
        scale = self.scale(weight)
        relative = (weight.detach() / scale.reshape(-1, *(1,) * (weight.dim() - 1))).clamp(-1, 1)
        place = torch.round((relative + 1) * (self.count / 2))
        return 2 * place - self.count, scale / self.count


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """The network with N2UQ's layers, trained. A ReLU becomes a PReLU between biases.

    Inner layers take inputs of 0 and above: what is negative counts as 0, as in the paper, whose every
    layer follows a PReLU.

    Raises:
        InputError: other bits, layers without a quantized form, or fewer images than a batch.
    """
    METHODS["n2uq"].check(request.bits_w, request.bits_a)

    def layer(given: nn.Module) -> QuantLayer:
        return QuantLayer(given, LearnedThresholds(request.bits_a), EntropyWeight(request.bits_w))

    model = convert(network, request, Style(layer, ShiftedPReLU))
    recipe = adam_recipe(request)
    long = recipe.epochs * (len(request.images) // recipe.batch) >= LONG
    fit(model, network, request, recipe, Hooks(slow=is_slow if long else None))
    return finished(model)


def is_slow(name: str) -> bool:
    """Whether a parameter, by its name, is a threshold's or a scale's, which learn at a tenth of the rate."""
    return name.rpartition(".")[2] in ("start_at", "widths", "scale_in", "scale_out")
