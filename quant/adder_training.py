"""Training of classifiers with adder layers, float or quantized: seeded, resumable, with progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .adder import ETA, scale_adder_gradients

# Images that are classified at a time.
_EVALUATED = 500


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with momentum, one cosine from ``learning_rate`` to 0.

    Attributes:
        epochs, batch: passes over the images, images a step (the rest of a pass is left out).
        learning_rate, momentum, weight_decay: of SGD; only tensors of 2 or more axes decay.
        eta: of ``scale_adder_gradients``.
        seed: of the order of the images and of ``augment``; the caller seeds the initial weights.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    eta: float = ETA
    seed: int = 1

    def __post_init__(self):
        if self.epochs < 1 or self.batch < 2:
            raise InputError(
                "training: needs 1 epoch or more and batches of 2 images or more, not "
                f"{self.epochs} and {self.batch}."
            )


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    checkpoint: Path | None = None,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    console: Console | None = None,
) -> list[float]:
    """Train in place; where ``checkpoint`` exists, from the epoch that it was written after.

    The same seed and start give the same weights on one machine, stopped and resumed or not.

    Args:
        model: a classifier of images (N, C, H, W) that gives logits; it may be on any device.
        images: uint8 in [0, 255], given to the network as floats in [0, 1], or floats given as they are.
        labels: int64 (N,).
        checkpoint: a file that is written after each epoch, without pickled objects.
        augment: changes a batch of float images, drawing from the generator.
        console: where progress is shown; None shows nothing.
    Returns:
        The mean loss of each epoch.
    Raises:
        InputError: fewer images than a batch, or a checkpoint of another recipe or network.
    """
    run = _Run(model, recipe, len(images))
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint)
    with _progress(console) as progress:
        task = progress.add_task("training", total=recipe.epochs, completed=len(run.losses), note="")
        while len(run.losses) < recipe.epochs:
            run.epoch(images, labels, augment)
            if checkpoint is not None:
                run.save(checkpoint)
            progress.update(task, advance=1, note=f"loss {run.losses[-1]:.4f}")
    return run.losses


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose label has the greatest logit; puts the model in evaluation mode."""
    return float((predictions(model, images) == labels).double().mean())


def predictions(model: nn.Module, images: Tensor) -> Tensor:
    """The label of each image, int64 (N,); images as in ``train``."""
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        parts = [model(as_floats(part.to(device))).argmax(1).cpu() for part in images.split(_EVALUATED)]
    return torch.cat(parts)


def as_floats(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1], floats as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


class _Run:
    """A training under way: what a checkpoint holds, and one epoch of it."""

    def __init__(self, model: nn.Module, recipe: Recipe, images: int):
        self.model, self.recipe, self.steps = model, recipe, images // recipe.batch
        if not self.steps:
            raise InputError(
                f"training: needs at least {recipe.batch} images, not {images}. Use a smaller batch."
            )
        self.device = next(model.parameters()).device
        self.losses: list[float] = []
        self.generator = torch.Generator().manual_seed(recipe.seed)
        decay = [p for p in model.parameters() if p.dim() > 1]
        rest = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": rest}]
        self.optimizer = torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, recipe.epochs * self.steps)

    def epoch(self, images: Tensor, labels: Tensor, augment) -> None:
        """One pass over all images in a new order."""
        self.model.train()
        order = torch.randperm(len(images), generator=self.generator)
        total = 0.0
        for index in order[: self.steps * self.recipe.batch].split(self.recipe.batch):
            batch = as_floats(images[index])
            if augment is not None:
                batch = augment(batch, self.generator)
            total += self._step(batch.to(self.device), labels[index].to(self.device))
        self.losses.append(total / self.steps)

    def _step(self, batch: Tensor, labels: Tensor) -> float:
        loss = functional.cross_entropy(self.model(batch), labels)
        self.optimizer.zero_grad()
        loss.backward()
        scale_adder_gradients(self.model, self.recipe.eta)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all."""
        partial = path.with_name(path.name + ".part")
        state = {
            "recipe": asdict(self.recipe),
            "losses": self.losses,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = read_checkpoint(path)
        if state["recipe"] != asdict(self.recipe):
            raise InputError(
                f"training: checkpoint {path.name} must be of this recipe, {asdict(self.recipe)}, not "
                f"{state['recipe']}. Delete it to start anew."
            )
        load_weights(self.model, path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self.losses = list(state["losses"])


def read_checkpoint(path: Path) -> dict:
    """What ``train`` wrote, read without unpickling objects; raises InputError for anything else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if {"recipe", "losses", "model", "optimizer", "schedule", "generator"} <= state.keys():
            return state
        reason = "parts are missing"
    except Exception as error:  # a damaged file fails anywhere within torch
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise InputError(f"training: {path.name} must be a checkpoint that train wrote, but {reason}. Delete it.")


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """The model with a checkpoint's weights; raises InputError where these are another network's."""
    try:
        model.load_state_dict(read_checkpoint(path)["model"])
    except RuntimeError as error:
        raise InputError(
            f"training: checkpoint {path.name} must be of this network, but "
            f"{str(error).splitlines()[-1].strip()} Delete it to start anew."
        ) from error
    return model


def _progress(console: Console | None) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console or Console(quiet=True), disable=console is None)
