"""What all training methods do with a request: data, loss, recipe, and the integer form at the end."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..request import Request
from ..training import Hooks, Recipe, device_of, train
from .integer_layer import freeze

# Passes where the request names none; the papers' 128 to 400 are for millions of images.
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 1.25e-3


def adam_recipe(request: Request, epochs: int = EPOCHS, weight_decay: float = 0.0) -> Recipe:
    """N2UQ's and ReActNet's: Adam, 1.25e-3 falling linearly to 0; small batches for few images."""
    return Recipe(
        request.epochs or epochs,
        batch=min(BATCH, max(len(request.images), 2)),
        learning_rate=LEARNING_RATE,
        weight_decay=weight_decay,
        seed=request.seed,
        optimizer="adam",
        schedule="linear",
    )


def loss_for(network: nn.Module, request: Request, smoothing: float = 0.0) -> Callable:
    """The loss of outputs, images and labels of a batch.

    With a teacher, the cross-entropy of its softened classes alone; else that of the labels; and with
    neither, the float network itself is the teacher.
    """
    if request.teacher is None and request.labels is not None:
        # Classes may stand along an image of one pixel.
        return lambda outputs, images, labels: F.cross_entropy(
            outputs.flatten(1), labels, label_smoothing=smoothing
        )
    teacher = copy.deepcopy(network if request.teacher is None else request.teacher).eval()
    teacher = teacher.to(device_of(network))

    def loss(outputs: Tensor, images: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            wanted = teacher(images)
        return soft_cross_entropy(outputs, wanted)

    return loss


def soft_cross_entropy(outputs: Tensor, wanted: Tensor) -> Tensor:
    """``-sum softmax(wanted) * log_softmax(outputs)``, logits (N, C) both, the mean of a batch."""
    return -(wanted.softmax(1) * outputs.log_softmax(1)).sum(1).mean()


def fit(model: nn.Module, network: nn.Module, request: Request, recipe: Recipe, hooks: Hooks, **more) -> None:
    """Train the converted model in place, by the request.

    Args:
        network: the float network that it came from.
        hooks: the method's own; its loss is replaced.
        more: ``smoothing`` of labels; ``stage``, the name of one of several runs, each with its checkpoint.
    """
    hooks = replace(hooks, loss=loss_for(network, request, more.get("smoothing", 0.0)))
    checkpoint = request.checkpoint
    if checkpoint is not None and "stage" in more:
        checkpoint = checkpoint.with_name(f"{checkpoint.name}.{more['stage']}")
    train(model, request.images, request.labels, recipe, checkpoint, console=request.console, hooks=hooks)


def finished(model: nn.Module) -> nn.Module:
    """The trained model as integers, on the CPU."""
    return freeze(model.cpu())
