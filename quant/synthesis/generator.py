"""FDDA: a generator of images by class, drawn to and around what one real image per class looks like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InputError
from .losses import moments_loss
from .statistics import Moments, Observed

# Standard deviations of distorted centres' means and variances.
_MEAN_NOISE, _VARIANCE_NOISE = 0.5, 1.0
# Weights: of both cross-entropies, of statistics, of centralised and of distorted centres.
_CLASS, _GLOBAL, _CENTRALISED, _DISTORTED = 0.5, 0.2, 0.01, 0.9
_NOISE = 100
_SLOPE = 0.2
# As for images that are made directly: numbers within two standard deviations span the range.
_BOUND = 2.0


@dataclass(frozen=True)
class Recipe:
    """How the generator is trained and used.

    Attributes:
        warmup: steps before its images are kept; of the first tenth, classes whose centre the network does
            not recognize are not left out.
        kept: steps whose images are kept afterwards.
        batch: images a step.
        rate: of Adam with betas of 0.5 and 0.999.
        width: channels inside; the authors' has 128.
        seed: of all that is drawn.
    """

    warmup: int = 1000
    kept: int = 32
    batch: int = 16
    rate: float = 1e-3
    width: int = 64
    seed: int = 1

    def __post_init__(self):
        if self.warmup < 0 or self.kept < 1 or self.batch < 2:
            raise InputError(
                "synthesis: needs a warm-up of 0 steps or more, 1 kept step or more and batches of 2 images "
                f"or more, not {self.warmup}, {self.kept} and {self.batch}."
            )


class ConditionalNorm(nn.Module):
    """A batch norm whose factor and summand are the class's own."""

    def __init__(self, classes: int, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.factor, self.offset = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.ones_(self.factor.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """x (N, C, H, W), labels (N,) -> the same shape."""
        factor, offset = (e(labels)[:, :, None, None] for e in (self.factor, self.offset))
        return self.norm(x) * factor + offset


class Generator(nn.Module):
    """Noise (N, 100) and labels (N,) -> images (N, C, H, W) within ``span``.

    Args:
        classes: how many.
        shape: of an image, (C, H, W).
        span: the least and the greatest number of real images.
        width: channels inside.
    """

    def __init__(self, classes: int, shape: tuple[int, int, int], span: tuple[float, float], width: int):
        super().__init__()
        channels, height, width_ = shape
        self.sizes = [(-(-height // d), -(-width_ // d)) for d in (4, 2, 1)]
        self.width, self.middle, self.quarter = width, (span[0] + span[1]) / 2, (span[1] - span[0]) / 4
        self.start = nn.Linear(_NOISE, width * self.sizes[0][0] * self.sizes[0][1])
        self.norms = nn.ModuleList(ConditionalNorm(classes, c) for c in (width, width, width // 2))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width // 2, 3, padding=1)
        self.last = nn.Conv2d(width // 2, channels, 3, padding=1)
        self.final = nn.BatchNorm2d(channels, affine=False)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images of these classes."""
        x = self.start(noise).reshape(-1, self.width, *self.sizes[0])
        x = functional.interpolate(self.norms[0](x, labels), self.sizes[1])
        x = functional.leaky_relu(self.norms[1](self.first(x), labels), _SLOPE)
        x = functional.interpolate(x, self.sizes[2])
        x = functional.leaky_relu(self.norms[2](self.second(x), labels), _SLOPE)
        x = self.final(torch.tanh(self.last(x))).clamp(-_BOUND, _BOUND)
        return self.middle + self.quarter * x


@torch.no_grad()
def class_centres(observed: Observed, images: Tensor, labels: Tensor) -> tuple[dict[int, Moments], set[int]]:
    """The moments of one real image of each class, the first, and the classes that the network gets right."""
    centres: dict[int, Moments] = {}
    right: set[int] = set()
    for label in labels.unique().tolist():
        index = int((labels == label).nonzero()[0])
        logits = observed(images[index : index + 1])
        centres[label] = [(m.clone(), v.clone()) for m, v in observed.moments]
        if int(logits.argmax()) == label:
            right.add(label)
    return centres, right


def start_layer(norms: int) -> int:
    """The first of so many batch norms that centres are compared at."""
    return max((norms + 1) // 2 - 2, 0)


def distorted(centre: Moments, generator: torch.Generator) -> Moments:
    """A centre with noise: means of standard deviation 0.5, variances of 1."""
    return [
        (
            mean + _MEAN_NOISE * torch.randn(mean.shape, generator=generator).to(mean),
            var + _VARIANCE_NOISE * torch.randn(var.shape, generator=generator).to(var),
        )
        for mean, var in centre
    ]


def generate(
    observed: Observed, images: Tensor, labels: Tensor, span: tuple[float, float], recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """Images and labels of a generator trained on one real image per class.

    Args:
        images, labels: real ones, float32 (N, C, H, W) and int64 (N,); the first of each class is taken.
    Returns:
        Images float32 (kept * batch, C, H, W), labels int64.
    """
    torch.manual_seed(recipe.seed)
    parts = []
    with observed:
        training = _Training(observed, images, labels, span, recipe)
        for step in range(recipe.warmup + recipe.kept):
            made = training.step(step < recipe.warmup // 10)
            if step >= recipe.warmup:
                parts.append(made)
    made, classes = (torch.cat(column) for column in zip(*parts, strict=True))
    return made, classes


class _Training:
    """A generator under way."""

    def __init__(self, observed: Observed, images: Tensor, labels: Tensor, span, recipe: Recipe):
        self.observed, self.recipe = observed, recipe
        self.random = torch.Generator().manual_seed(recipe.seed)
        self.centres, self.right = class_centres(observed, images, labels)
        with torch.no_grad():
            classes = observed(images[:1]).shape[1]
        self.generator = Generator(classes, tuple(images.shape[1:]), span, recipe.width)
        self.first = start_layer(len(observed.remembered))
        self.optimizer = torch.optim.Adam(self.generator.parameters(), recipe.rate, (0.5, 0.999))

    def step(self, early: bool) -> tuple[Tensor, Tensor]:
        """One step; gives the batch of mixed classes."""
        known = sorted(self.centres)
        labels = torch.tensor(known)[torch.randint(len(known), (self.recipe.batch,), generator=self.random)]
        images = self._images(labels)
        logits = self.observed(images)
        loss = _CLASS * functional.cross_entropy(logits, labels)
        loss = loss + _GLOBAL * moments_loss(self.observed.moments, self.observed.remembered)
        loss = loss + self._one_class_loss(known if early or not self.right else sorted(self.right))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return images.detach(), labels

    def _images(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), _NOISE, generator=self.random)
        return self.generator(noise, labels)

    def _one_class_loss(self, classes: list[int]) -> Tensor:
        """A batch of one class, near its centre and near a distorted one."""
        label = classes[int(torch.randint(len(classes), (), generator=self.random))]
        labels = torch.full((self.recipe.batch,), label)
        logits = self.observed(self._images(labels))
        found, centre = self.observed.moments[self.first :], self.centres[label][self.first :]
        near = _CENTRALISED * moments_loss(found, centre)
        around = _DISTORTED * moments_loss(found, distorted(centre, self.random))
        return near + around + _CLASS * functional.cross_entropy(logits, labels)
