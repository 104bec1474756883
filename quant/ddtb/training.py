"""Training of a quantized super-resolution network beside its float teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, fx, nn
from torch.nn import functional

from ...errors import InputError
from .. import training
from .bounds import DYNAMIC, FLOAT, STATIC, BoundsQuant
from .convert import STRUCTURE, marked, set_mode


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: Adam, bounds at ``rate`` and all else at a tenth, halved five times.

    Attributes:
        epochs: the first only collects ranges.
        batch: images a step.
        rate: of the bounds. The authors take 1e-2 (and 1e-4 for all else) for images up to 255; ours go
            up to 1.
        gate_from: the epoch from which gates move bounds; until then their logits are regressed to 0.
            None: a tenth of all, at least 3.
        dynamic: the share of quantizers that get a gate, those whose ranges vary most.
        structure: weight of the distance between the maps of student and teacher; the authors' 1000 for
            images up to 255.
        seed: of the gates' first weights and of the order of the images.

    Raises:
        InputError: numbers that make no sense.
    """

    epochs: int = 60
    batch: int = 16
    rate: float = 1e-3
    gate_from: int | None = None
    dynamic: float = 0.3
    structure: float = 1000 / 255
    seed: int = 1

    def __post_init__(self):
        if self.epochs < 2 or self.batch < 2 or not 0 <= self.dynamic <= 1:
            raise InputError(
                "ddtb: needs 2 epochs or more, batches of 2 images or more, and a share of dynamic "
                f"quantizers in [0, 1], not {self.epochs}, {self.batch} and {self.dynamic}."
            )

    def mode(self, epoch: int) -> str:
        """Of the quantizers in an epoch, counted from 1."""
        first = max(3, math.ceil(self.epochs / 10)) if self.gate_from is None else self.gate_from
        return DYNAMIC if epoch >= first else STATIC


def train(
    student: fx.GraphModule,
    teacher: fx.GraphModule,
    low: Tensor,
    high: Tensor,
    recipe: Recipe,
    checkpoint: Path | None = None,
    console: Console | None = None,
) -> list[float]:
    """Calibrate and train in place; where ``checkpoint`` exists, from the epoch that it was written after.

    Args:
        student: of ``trainable``.
        teacher: the float network.
        low: images (N, C, H, W), float in [0, 1].
        high: what they should become, (N, C, S * H, S * W).
        checkpoint: a file that is written after each epoch, without pickled objects.
        console: where progress is shown; None shows nothing.
    Returns:
        The mean loss of each epoch after the first.
    Raises:
        InputError: fewer images than a batch, or a checkpoint of another recipe or network.
    """
    torch.manual_seed(recipe.seed)
    calibrate(student, low, recipe)
    loss = _Loss(student, marked(teacher).eval(), recipe)
    shared = training.Recipe(
        recipe.epochs - 1, recipe.batch, recipe.rate, weight_decay=0.0, seed=recipe.seed,
        optimizer="adam", schedule="halving",
    )  # fmt: skip
    hooks = _hooks(student, loss, recipe)
    losses = training.train(student, low, high, shared, checkpoint, None, console, hooks)
    loss.detach()
    set_mode(student, recipe.mode(recipe.epochs))
    student.eval()
    return losses


def _hooks(student: fx.GraphModule, loss: _Loss, recipe: Recipe) -> training.Hooks:
    """All but the bounds learns slowly; the first epoch of training is the second of all."""
    bounds = {f"{n}.{own}" for n, _ in _quantizers(student) for own in ("lower", "upper")}
    return training.Hooks(
        loss=loss,
        slow=lambda name: name not in bounds,
        epoch=lambda net, epoch: set_mode(net, recipe.mode(epoch + 2)),
    )


@torch.no_grad()
def calibrate(student: fx.GraphModule, low: Tensor, recipe: Recipe) -> None:
    """The first epoch: ranges of all images, then gates where these vary most."""
    set_mode(student, FLOAT)
    student.train()
    for batch in low.split(recipe.batch):
        student(batch)
    quants = sorted(_quantizers(student), key=lambda pair: -pair[1].intensity())
    for _, quant in quants[: int(len(quants) * recipe.dynamic)]:
        quant.add_gate()
    set_mode(student, STATIC)


def structure_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared distance of two bodies' maps: mean squares over channels (N, C, H, W), each image's
    map of length 1."""
    maps = [functional.normalize(t.square().mean(1).flatten(1)) for t in (student, teacher)]
    return (maps[0] - maps[1]).square().mean()


def _quantizers(network: nn.Module) -> list[tuple[str, BoundsQuant]]:
    return [(n, m) for n, m in network.named_modules() if isinstance(m, BoundsQuant)]


class _Loss:
    """``L1 + structure * structure_loss``, and the gates' squared logits while these are not in use."""

    def __init__(self, student: fx.GraphModule, teacher: fx.GraphModule, recipe: Recipe):
        self.teacher, self.weight = teacher, recipe.structure
        self.gated = [q for _, q in _quantizers(student) if q.gate is not None]
        self.bodies: dict[str, Tensor] = {}
        self.hooks = [
            net.get_submodule(STRUCTURE).register_forward_hook(self._keeping(name))
            for name, net in (("student", student), ("teacher", teacher))
        ]

    def __call__(self, outputs: Tensor, low: Tensor, high: Tensor) -> Tensor:
        with torch.no_grad():
            self.teacher(low)
        loss = functional.l1_loss(outputs, high)
        loss = loss + self.weight * structure_loss(self.bodies["student"], self.bodies["teacher"])
        if self.gated and self.gated[0].mode == STATIC:
            loss = loss + torch.stack([q.logits.square().mean() for q in self.gated]).mean()
        return loss

    def detach(self) -> None:
        """Take the hooks off the networks, and what tensors with gradients they keep."""
        for hook in self.hooks:
            hook.remove()
        for quant in self.gated:
            quant.logits = None

    def _keeping(self, name: str):
        def keep(_module, _inputs, output: Tensor) -> None:
            self.bodies[name] = output

        return keep
