"""Training of classifiers with adder layers, float or quantized: seeded, resumable, with progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from torch import Tensor, nn

from . import training
from .adder import ETA, scale_adder_gradients
from .training import Augment, Hooks, accuracy, as_floats, load_weights, predictions, read_checkpoint

__all__ = [
    "Recipe", "accuracy", "as_floats", "load_weights", "predictions", "read_checkpoint", "train",
]  # fmt: skip


@dataclass(frozen=True)
class Recipe(training.Recipe):
    """How an adder network is trained: by default SGD with momentum, one cosine to 0.

    Attributes:
        eta: of ``scale_adder_gradients``.
    """

    eta: float = ETA


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    checkpoint: Path | None = None,
    augment: Augment | None = None,
    console: Console | None = None,
) -> list[float]:
    """``training.train`` with the adder layers' gradients scaled before each step."""
    hooks = Hooks(gradients=lambda network: scale_adder_gradients(network, recipe.eta))
    return training.train(model, images, labels, recipe, checkpoint, augment, console, hooks)
