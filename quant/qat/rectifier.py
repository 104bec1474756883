"""A PReLU between two biases per channel, as N2UQ and ReActNet have it (RPReLU)."""

from __future__ import annotations

import torch
from brevitas.function.ops_ste import scalar_clamp_min_ste
from torch import Tensor, nn
from torch.nn import functional as F

from .codes import along_channels

# Of torch's PReLU, and of the methods' released code.
_SLOPE = 0.25


class ShiftedPReLU(nn.Module):
    """``prelu(x + before) + after``, per channel.

    Slopes stay at 0 or above, for then values between two quantizers rise with the sum, and thresholds on
    the sum stand for all of it; gradients pass this limit.

    Args:
        channels: axis 1 of the input, or 1 for all.
        shifted: whether there are biases, which begin at 0.
        slope: to begin with, (channels,).
    """

    def __init__(self, channels: int, shifted: bool = True, slope: Tensor | None = None):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), _SLOPE) if slope is None else slope.clone())
        self.before = nn.Parameter(torch.zeros(channels)) if shifted else None
        self.after = nn.Parameter(torch.zeros(channels)) if shifted else None

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> the same shape."""
        if self.before is not None:
            x = x + along_channels(self.before, x)
        x = F.prelu(x, scalar_clamp_min_ste(self.slope, 0.0))
        return x if self.after is None else x + along_channels(self.after, x)

    def frozen(self) -> FrozenPReLU:
        """The function of inference."""
        return FrozenPReLU(self)


class FrozenPReLU(nn.Module):
    """A trained ``ShiftedPReLU``."""

    def __init__(self, trained: ShiftedPReLU):
        super().__init__()
        self.register_buffer("slope", trained.slope.detach().clamp(min=0))
        for name in ("before", "after"):
            value = getattr(trained, name)
            self.register_buffer(name, None if value is None else value.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) -> the same shape."""
        if self.before is not None:
            x = x + along_channels(self.before, x)
        x = F.prelu(x, self.slope)
        return x if self.after is None else x + along_channels(self.after, x)
