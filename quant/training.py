"""Training of classifiers: seeded, resumable to the bit, with progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from .checkpoint import check_folder, read, write

# Images that are classified at a time.
_EVALUATED = 500
# Where messages say that something is wrong.
_WHERE = "training"
_PARTS = {"recipe", "losses", "model", "optimizer", "schedule", "generator"}
_OPTIMIZERS = ("sgd", "adam")
_SCHEDULES = ("cosine", "linear", "halving")

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with momentum or Adam, a learning rate that falls to 0 once.

    Attributes:
        epochs, batch: passes over the images, images a step (the rest of a pass is left out).
        learning_rate, momentum, weight_decay: of the optimizer; only tensors of 2 or more axes decay.
            Adam has no momentum, but betas of 0.9 and 0.999.
        seed: of the order of the images and of ``augment``; the caller seeds the initial weights.
        optimizer: "sgd" or "adam".
        schedule: "cosine" or "linear", from ``learning_rate`` to 0 over all steps; "halving" every sixth
            of them.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 1
    optimizer: str = "sgd"
    schedule: str = "cosine"

    def __post_init__(self):
        if self.epochs < 1 or self.batch < 2:
            raise InputError(
                "training: needs 1 epoch or more and batches of 2 images or more, not "
                f"{self.epochs} and {self.batch}."
            )
        for what, known in (("optimizer", _OPTIMIZERS), ("schedule", _SCHEDULES)):
            if getattr(self, what) not in known:
                raise InputError(
                    f"training: the {what} must be one of {', '.join(known)}, not {getattr(self, what)!r}."
                )


def cross_entropy(outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Of logits (N, C) and class numbers (N,)."""
    return functional.cross_entropy(outputs, labels)


@dataclass(frozen=True)
class Hooks:
    """What a method adds to training.

    Attributes:
        loss: of outputs, images and labels of a batch (labels None where there are none).
        slow: which parameters, by name, learn at a tenth of the rate and do not decay.
        gradients: called with the network between backward pass and step.
        epoch: called with the network and the number of the epoch, from 0, before each.
    """

    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor] = cross_entropy
    slow: Callable[[str], bool] | None = None
    gradients: Callable[[nn.Module], None] | None = None
    epoch: Callable[[nn.Module, int], None] | None = None


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor | None,
    recipe: Recipe,
    checkpoint: Path | None = None,
    augment: Augment | None = None,
    console: Console | None = None,
    hooks: Hooks | None = None,
) -> list[float]:
    """Train in place; where ``checkpoint`` exists, from the epoch that it was written after.

    The same seed and start give the same weights on one machine, stopped and resumed or not.

    Args:
        model: a classifier of images (N, C, H, W) that gives logits; it may be on any device.
        images: uint8 in [0, 255], given to the network as floats in [0, 1], or floats given as they are.
        labels: int64 (N,), or None where the loss needs none.
        checkpoint: a file that is written after each epoch, without pickled objects.
        augment: changes a batch of float images, drawing from the generator.
        console: where progress is shown; None shows nothing.
        hooks: what a method adds.
    Returns:
        The mean loss of each epoch.
    Raises:
        InputError: fewer images than a batch, a checkpoint of another recipe or network, or no folder for it.
    """
    run = _Run(model, recipe, len(images), hooks or Hooks())
    if checkpoint is not None:
        check_folder(checkpoint, _WHERE)
        if checkpoint.exists():
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
    device = device_of(model)
    with torch.no_grad():
        parts = [model(as_floats(part.to(device))).argmax(1).cpu() for part in images.split(_EVALUATED)]
    return torch.cat(parts)


def as_floats(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1], floats as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def device_of(model: nn.Module) -> torch.device:
    """Where the model's tensors are; the CPU for one that has none."""
    return next((t.device for t in (*model.parameters(), *model.buffers())), torch.device("cpu"))


class _Run:
    """A training under way: what a checkpoint holds, and one epoch of it."""

    def __init__(self, model: nn.Module, recipe: Recipe, images: int, hooks: Hooks):
        self.model, self.recipe, self.hooks, self.steps = model, recipe, hooks, images // recipe.batch
        if not self.steps:
            raise InputError(
                f"training: needs at least {recipe.batch} images, not {images}. Use a smaller batch."
            )
        self.device = device_of(model)
        self.losses: list[float] = []
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.optimizer = _optimizer(model, recipe, hooks)
        total = recipe.epochs * self.steps
        if recipe.schedule == "halving":
            self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, -(-total // 6), 0.5)
        elif recipe.schedule == "cosine":
            self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, total)
        else:
            self.schedule = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1.0, 0.0, total)

    def epoch(self, images: Tensor, labels: Tensor | None, augment: Augment | None) -> None:
        """One pass over all images in a new order."""
        self.model.train()
        if self.hooks.epoch is not None:
            self.hooks.epoch(self.model, len(self.losses))
        order = torch.randperm(len(images), generator=self.generator)
        total = 0.0
        for index in order[: self.steps * self.recipe.batch].split(self.recipe.batch):
            batch = as_floats(images[index])
            if augment is not None:
                batch = augment(batch, self.generator)
            wanted = None if labels is None else labels[index].to(self.device)
            total += self._step(batch.to(self.device), wanted)
        self.losses.append(total / self.steps)

    def _step(self, batch: Tensor, labels: Tensor | None) -> float:
        loss = self.hooks.loss(self.model(batch), batch, labels)
        self.optimizer.zero_grad()
        loss.backward()
        if self.hooks.gradients is not None:
            self.hooks.gradients(self.model)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "recipe": asdict(self.recipe),
            "losses": self.losses,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }
        write(path, state)

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


def _optimizer(model: nn.Module, recipe: Recipe, hooks: Hooks) -> torch.optim.Optimizer:
    """Weights that decay, all others, and those that learn slowly."""
    slow = hooks.slow or (lambda name: False)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for n, p in named if p.dim() > 1 and not slow(n)],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [p for n, p in named if p.dim() <= 1 and not slow(n)]},
    ]
    if any(slow(n) for n, _ in named):
        groups.append({"params": [p for n, p in named if slow(n)], "lr": recipe.learning_rate / 10})
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.learning_rate)
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum)


def read_checkpoint(path: Path) -> dict:
    """What ``train`` wrote, read without unpickling objects; raises InputError for anything else."""
    return read(path, _PARTS, _WHERE, "that train wrote")


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
