"""Unified Normalization: a norm of transformers that is one factor and one summand per channel at inference.

Yang et al., "Unified Normalization for Accelerating and Stabilizing Transformers" (ACM MM 2022), and their
code. Means are not subtracted: ``y = gamma * x / sqrt(v + eps) + beta``. In training ``v`` is the geometric
mean of the mean squares of the last batches, and the gradient's own statistic is averaged likewise; at
inference ``v`` is a constant, so that ``fold_unified`` puts the norm into the layers behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import InputError

# Gradients are scaled by the ratio of the deviations used and expected, within these bounds.
_LEAST_RATIO, _MOST_RATIO = 1 / 5, 5.0
# The ratio is 1 for at least so many steps, as the running variance has to settle first.
_SETTLED = 1000


class UnifiedNorm(nn.Module):
    """``y = gamma * x / sqrt(v + eps) + beta`` per channel, over all other axes.

    Args:
        channels: C.
        axis: of the channels: -1 for tokens (..., C), 1 for images (N, C, ...).
        window: batches in the geometric mean of mean squares, and in the mean of gradient statistics.
        warmup: steps of training with a batch's own statistics.
        filtration: where the mean squares of the window are far apart in a channel, take the batch's own
            statistics and keep it out of the window. The authors use it for images, not for text.
        momentum: of the running variance and the running gradient statistic.
        eps: added to variances.
        settled: steps before gradients are scaled by the ratio of deviations; None: 1000 or ``warmup``,
            whichever is more.
    Attributes:
        weight, bias: gamma and beta, (C,).
        running_var: v of inference, (C,).
        skipped: batches that filtration kept out.
    Raises:
        InputError: a size, window or momentum that makes no sense.
    """

    def __init__(
        self,
        channels: int,
        axis: int = -1,
        window: int = 4,
        warmup: int = 4000,
        filtration: bool = True,
        momentum: float = 0.9,
        eps: float = 1e-5,
        settled: int | None = None,
    ):
        super().__init__()
        if channels < 1 or window < 1 or warmup < 0 or not 0 <= momentum < 1 or axis not in (-1, 1):
            raise InputError(
                "unified norm: needs channels and window of 1 or more, warmup of 0 or more, momentum in "
                f"[0, 1) and axis -1 or 1, not {channels}, {window}, {warmup}, {momentum} and {axis}."
            )
        self.channels, self.axis, self.window, self.warmup = channels, axis, window, warmup
        self.filtration, self.momentum, self.eps = filtration, momentum, eps
        self.settled = max(_SETTLED, warmup) if settled is None else settled
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("running_psi", torch.zeros(channels))
        self.register_buffer("squares", torch.zeros(window, channels))
        self.register_buffer("psis", torch.zeros(window, channels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """x with C elements along the axis -> the same shape.

        Raises:
            InputError: another number of channels.
        """
        if x.shape[self.axis] != self.channels:
            raise InputError(
                f"unified norm: x must have {self.channels} channels along axis {self.axis}, not shape "
                f"{tuple(x.shape)}."
            )
        rows = x if self.axis == -1 else x.movedim(1, -1)
        if self.training:
            rows = _Normalize.apply(rows, self.weight, self.bias, self)
        else:
            factor, offset = self.affine()
            rows = rows * factor.to(x.dtype) + offset.to(x.dtype)
        return rows if self.axis == -1 else rows.movedim(-1, 1)

    def affine(self) -> tuple[Tensor, Tensor]:
        """What inference computes, ``x * factor + offset``: two float64 tensors (C,)."""
        deviation = torch.sqrt(self.running_var.double() + self.eps)
        return self.weight.detach().double() / deviation, self.bias.detach().double()

    def extra_repr(self) -> str:
        """The arguments, for print."""
        return f"{self.channels}, axis={self.axis}, window={self.window}, warmup={self.warmup}"

    @torch.no_grad()
    def _statistics(self, rows: Tensor) -> tuple[Tensor, Tensor, bool]:
        """One step: the variance to divide by, the ratio for gradients, whether the batch is left out."""
        self.steps += 1
        step, slot = int(self.steps), int(self.steps) % self.window
        square = (rows * rows).reshape(-1, self.channels).mean(0)
        # Of all channels' deviations together, as the window was before this batch.
        spread = torch.sqrt(self.squares).var()
        self.squares[slot] = square
        geometric = torch.exp(torch.log(self.squares).mean(0))
        left_out = self.window == 1
        if self.filtration and step >= self.warmup:
            far = self.squares.mean(0) - geometric > self.window * spread
            if far.any():
                self.squares[slot] = self.running_var
                self.skipped += 1
                left_out = True
        own = step <= self.window or step < self.warmup or left_out
        variance = square if own else geometric
        ratio = torch.sqrt((variance + self.eps) / (self.running_var + self.eps))
        still = step <= self.settled or left_out
        ratio = torch.ones_like(ratio) if still else ratio.clamp(_LEAST_RATIO, _MOST_RATIO)
        self.running_var.lerp_(variance, 1 - self.momentum)
        return variance, ratio, left_out

    @torch.no_grad()
    def _gradient_statistic(self, psi: Tensor, step: int, left_out: bool) -> Tensor:
        """The statistic (C,) to subtract with, from that of this batch's gradients."""
        self.psis[step % self.window] = self.running_psi if left_out else psi
        own = step <= self.window or step < self.warmup or left_out
        smooth = psi if own else self.psis.mean(0)
        self.running_psi.lerp_(smooth, 1 - self.momentum)
        return smooth if left_out else self.running_psi.clone()


class _Normalize(torch.autograd.Function):
    """Training's forward and backward on rows (..., C).

    Backward: ``z = x / sqrt(v + eps)``, ``g = r * gamma * dy``, ``psi`` the mean of ``g * z``, smoothed;
    ``dx = (g - psi * z) / sqrt(v + eps)``, ``dgamma = sum dy * r * z``, ``dbeta = sum dy``.
    """

    @staticmethod
    def forward(ctx, rows: Tensor, weight: Tensor, bias: Tensor, norm: UnifiedNorm) -> Tensor:
        variance, ratio, ctx.left_out = norm._statistics(rows.detach())
        deviation = torch.sqrt(variance + norm.eps)
        z = rows / deviation
        ctx.save_for_backward(z, weight, deviation, ratio)
        ctx.norm, ctx.step = norm, int(norm.steps)
        return z * weight + bias

    @staticmethod
    def backward(ctx, grad: Tensor):
        z, weight, deviation, ratio = ctx.saved_tensors
        channels = z.shape[-1]
        g = ratio * weight * grad
        psi = (g * z).reshape(-1, channels).mean(0)
        smooth = ctx.norm._gradient_statistic(psi, ctx.step, ctx.left_out)
        dweight = (grad * ratio * z).reshape(-1, channels).sum(0)
        return (g - smooth * z) / deviation, dweight, grad.reshape(-1, channels).sum(0), None
