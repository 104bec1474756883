"""Sums and products with constant arrays, as a layer."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Constant(nn.Module):
    """A sum, difference or product with a constant array.

    Args:
        function: of two operands.
        value: broadcasts against a batch of frames.
        behind: whether the constant is the second operand.
    """

    def __init__(self, function: Callable, value: Tensor, behind: bool):
        super().__init__()
        self.function, self.behind = function, behind
        self.register_buffer("value", value)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...) -> the same shape."""
        return self.function(x, self.value) if self.behind else self.function(self.value, x)
