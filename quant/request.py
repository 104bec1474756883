"""What every quantization method is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Request:
    """Bits, data and what else a method needs.

    Attributes:
        bits_w: of the weights.
        bits_a: of the activations that weights meet.
        images: float32 (N, ...), as the network takes them; for calibration, or for training.
        labels: int64 class numbers (N,), where there are any.
        teacher: a float network that training methods learn from; None: the given network itself.
        seed: of all that is drawn.
        epochs: of training methods; None: the method's default.
        first_last_bits: of weights and inputs of the first and the last layer.
        checkpoint: a file that methods which train or learn go on from where it exists, and keep up to date.
        console: where progress is shown, if anywhere.
        options: what a method offers besides, by name (``Method.options``).
        layer_bits: (weights, input) of single layers by name instead of ``bits_w`` and ``bits_a``, where the
            method takes them; names are those of ``quant.ptq.plan``.

    Raises:
        InputError: bits, images, labels, seeds or epochs that cannot be used.
    """

    bits_w: int
    bits_a: int
    images: Tensor
    labels: Tensor | None = None
    teacher: nn.Module | None = None
    seed: int = 1
    epochs: int | None = None
    first_last_bits: int = 8
    checkpoint: Path | None = None
    console: Console | None = None
    options: tuple[str, ...] = ()
    layer_bits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self):
        for what in ("bits_w", "bits_a", "first_last_bits"):
            bits = getattr(self, what)
            if not isinstance(bits, int) or not 1 <= bits <= 8:
                raise InputError(f"quantize: {what} must be 1 to 8 bits, not {bits}.")
        for name, pair in self.layer_bits.items():
            if not all(2 <= bits <= 8 for bits in pair):
                raise InputError(
                    f"quantize: layer {name!r} must have 2 to 8 bits, not {pair[0]} and {pair[1]}."
                )
        if not 0 <= self.seed < 2**63:
            raise InputError(f"quantize: the seed must be 0 to 2**63 - 1, not {self.seed}.")
        if self.images.dim() < 2 or not len(self.images):
            raise InputError(
                f"quantize: images must be at least one frame (N, ...), not shape {tuple(self.images.shape)}."
            )
        if self.labels is not None and tuple(self.labels.shape) != (len(self.images),):
            raise InputError(
                f"quantize: labels must be one for each of {len(self.images)} images, not shape "
                f"{tuple(self.labels.shape)}."
            )
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"quantize: there must be at least 1 epoch, not {self.epochs}.")
