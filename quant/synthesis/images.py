"""Images made by gradient descent until batch norms take them for the training data: plain, and IntraQ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from .losses import crops, marginal_distance, moments_loss, soft_inception
from .statistics import Observed

# An image's numbers are a range's middle plus a quarter of its width times these, kept within twice it.
_BOUND = 2.0
_LEAST_RATE, _PATIENCE = 1e-4, 50


@dataclass(frozen=True)
class Recipe:
    """How images are made.

    Attributes:
        images: in all.
        batch: at a time; later batches keep their distance from what earlier ones have made of a class.
        iterations: steps of Adam for a batch.
        rate: its first learning rate, lowered to 1e-4 where the loss of whole images stays.
        least_area: of crops (IntraQ's eta).
        crop_chance: that a step works on crops.
        mirror: whether half of the crops are mirrored.
        seed: of all that is drawn.
    """

    images: int = 512
    batch: int = 128
    iterations: int = 300
    rate: float = 0.5
    least_area: float = 0.5
    crop_chance: float = 0.5
    mirror: bool = True
    seed: int = 1

    def __post_init__(self):
        if self.batch < 2 or self.images < self.batch or self.iterations < 1:
            raise InputError(
                "synthesis: needs batches of 2 images or more, at least one batch and one iteration, not "
                f"{self.batch}, {self.images} and {self.iterations}."
            )


@dataclass(frozen=True)
class Margins:
    """IntraQ's numbers for a data set.

    Attributes:
        least: probability that half of the images are to reach (epsilon).
        lower, upper: distances from a class's centre (lambda_l and lambda_u).
    """

    least: float
    lower: float
    upper: float


def margins(classes: int) -> Margins:
    """The published numbers of the data set with as many classes, or the next larger."""
    if classes <= 10:
        return Margins(0.95, 0.05, 0.8)
    return Margins(0.6, 0.02, 1.0) if classes <= 100 else Margins(0.9, 0.3, 0.8)


def synthesize(
    observed: Observed,
    shape: tuple[int, ...],
    span: tuple[float, float],
    recipe: Recipe,
    intra: Margins | None,
) -> tuple[Tensor, Tensor]:
    """Images and labels for a network.

    Args:
        shape: of one image, (C, H, W).
        span: the least and the greatest number of real images.
        intra: IntraQ's losses with these numbers; None for batch-norm statistics alone, where labels are
            what the network takes the images for.
    Returns:
        Images float32 (N, C, H, W) within the span, labels int64 (N,).
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    centres = Centres()
    parts = []
    with observed:
        while sum(len(p) for p, _ in parts) < recipe.images:
            batch = _Batch(observed, shape, span, recipe, intra, generator, centres)
            batch.optimize()
            images = batch.images()
            with torch.no_grad():
                logits = observed(images)
            labels = batch.labels if intra is not None else logits.argmax(1)
            centres.add(observed.features, labels)
            parts.append((images, labels))
    images, labels = (torch.cat(column)[: recipe.images] for column in zip(*parts, strict=True))
    return images, labels


class Centres:
    """The mean feature of each class over all images so far."""

    def __init__(self):
        self.sums: dict[int, Tensor] = {}
        self.counts: dict[int, int] = {}

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Features (N, F) of images of these classes (N,)."""
        for feature, label in zip(features.detach(), labels.tolist(), strict=True):
            self.sums[label] = self.sums.get(label, 0) + feature
            self.counts[label] = self.counts.get(label, 0) + 1

    def of(self, labels: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """The centre for each label, zeros (as ``like``, (N, F)) where there is none, and which there are."""
        result, known = torch.zeros_like(like), torch.zeros(len(labels), dtype=like.dtype)
        for i, label in enumerate(labels.tolist()):
            if label in self.sums:
                result[i], known[i] = self.sums[label] / self.counts[label], 1
        return result, known


class _Batch:
    """One batch in the making."""

    def __init__(self, observed, shape, span, recipe: Recipe, intra: Margins | None, generator, centres):
        self.observed, self.recipe, self.intra, self.generator = observed, recipe, intra, generator
        self.middle, self.quarter = (span[1] + span[0]) / 2, (span[1] - span[0]) / 4
        self.raw = torch.randn((recipe.batch, *shape), generator=generator).clamp(-_BOUND, _BOUND)
        self.raw.requires_grad_()
        with torch.no_grad():
            classes = observed(self.images()).shape[1]
        self.labels = torch.randint(classes, (recipe.batch,), generator=generator)
        soft = torch.rand(recipe.batch, generator=generator) < 0.5
        low = intra.least if intra is not None else 1.0
        drawn = low + (1 - low) * torch.rand(recipe.batch, generator=generator)
        self.targets = torch.where(soft, drawn, torch.ones(()))
        self.centres = centres.of(self.labels, observed.features)

    def images(self) -> Tensor:
        """What the network is given."""
        return self.middle + self.quarter * self.raw.detach()

    def optimize(self) -> None:
        """All steps."""
        optimizer = torch.optim.Adam([self.raw], self.recipe.rate)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, min_lr=_LEAST_RATE, patience=_PATIENCE
        )
        for _ in range(self.recipe.iterations):
            cropped = self._crops()
            loss = self._loss(cropped)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                self.raw.clamp_(-_BOUND, _BOUND)
            # A lucky crop's loss, on a scale of its own, would stay the best and end the descent early.
            if not cropped:
                schedule.step(loss.item())

    def _crops(self) -> bool:
        """Whether the next step works on crops."""
        if self.intra is None:
            return False
        return float(torch.rand((), generator=self.generator)) < self.recipe.crop_chance

    def _loss(self, cropped: bool) -> Tensor:
        images = self.middle + self.quarter * self.raw
        if cropped:
            images = crops(images, self.recipe.least_area, self.generator, self.recipe.mirror)
        logits = self.observed(images)
        loss = moments_loss(self.observed.moments, self.observed.remembered)
        if self.intra is None:
            return loss
        loss = loss + soft_inception(logits, self.labels, self.targets)
        lower, upper = self.intra.lower, self.intra.upper
        return loss + marginal_distance(self.observed.features, *self.centres, lower, upper)
