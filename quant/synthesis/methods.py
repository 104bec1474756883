"""Plain batch-norm statistics, IntraQ and FDDA as methods of ``gatewright quantize``."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from ...errors import InputError
from .. import training
from ..methods import METHODS
from ..qat.conversion import Style, convert
from ..qat.fit import finished
from ..qat.uniform import QuantLayer, UniformQuant, UniformWeight
from ..request import Request
from . import generator, images
from .losses import crops, distillation
from .statistics import Observed

_EPOCHS, _BATCH, _RATE = 20, 32, 2e-4
# The least share of an image that a crop of it shows.
_LEAST_AREA = 0.5
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def bns(network: fx.GraphModule, request: Request) -> nn.Module:
    """Fine-tuned on images that only match batch norms' statistics (ZeroQ, Cai et al., CVPR 2020).

    Of the request's images only shape and range are used.

    Raises:
        InputError: a network without batch norms, or inputs that are no images.
    """
    return fine_tuned(network, request, "bns", lambda o, r: synthesized(o, r, None), cropped)


def intraq(network: fx.GraphModule, request: Request) -> nn.Module:
    """Fine-tuned on IntraQ's images (Zhong et al., CVPR 2022): crops that hold, classes that spread.

    Of the request's images only shape and range are used.

    Raises:
        InputError: a network without batch norms, or inputs that are no images.
    """

    def made(observed: Observed, request: Request) -> tuple[Tensor, Tensor]:
        classes = _classes(observed, request)
        return synthesized(observed, request, images.margins(classes))

    return fine_tuned(network, request, "intraq", made, cropped)


def fdda(network: fx.GraphModule, request: Request) -> nn.Module:
    """Fine-tuned on one real image per class and on FDDA's generator's (Zhong et al., ECCV 2022).

    The first image of each class is used, and as many generated ones as there are crops of real ones.

    Raises:
        InputError: a network without batch norms, inputs that are no images, or no labels.
    """

    def made(observed: Observed, request: Request) -> tuple[Tensor, Tensor]:
        if request.labels is None:
            raise InputError("fdda: needs labels, of one image per class at least. Give --data with labels.")
        recipe = generator.Recipe(seed=request.seed)
        found, labels = generator.generate(observed, request.images, request.labels, _span(request), recipe)
        real, own = one_each(request, len(found))
        return torch.cat([real, found]), torch.cat([own, labels])

    return fine_tuned(network, request, "fdda", made)


def synthesized(observed: Observed, request: Request, intra: images.Margins | None) -> tuple[Tensor, Tensor]:
    """Images and labels of the default recipe for a request, plain or with IntraQ's losses."""
    recipe = images.Recipe(seed=request.seed)
    return images.synthesize(observed, tuple(request.images.shape[1:]), _span(request), recipe, intra)


def fine_tuned(
    network: fx.GraphModule,
    request: Request,
    name: str,
    made: Callable[[Observed, Request], tuple[Tensor, Tensor]],
    augment: training.Augment | None = None,
) -> nn.Module:
    """The network, calibrated and trained on images that ``made`` gives; batch norms stay as they are.

    Args:
        augment: changes each batch of them anew.
    Raises:
        InputError: other bits than the method ``name`` takes, inputs that are no images, or layers without
            a quantized form.
    """
    METHODS[name].check(request.bits_w, request.bits_a)
    if request.images.dim() != 4:
        raise InputError(
            f"{name}: the network must take images (N, C, H, W), not shape {tuple(request.images.shape)}."
        )
    torch.manual_seed(request.seed)
    # Made on the CPU, where all numbers that are drawn are; the training is wherever the network is.
    data, labels = made(Observed(copy.deepcopy(network).cpu()), request)

    def layer(given: nn.Module) -> QuantLayer:
        weights = UniformWeight(given.weight.detach(), request.bits_w)
        return QuantLayer(given, UniformQuant(request.bits_a), weights)

    model = convert(network, replace(request, images=data, labels=labels), Style(layer))
    recipe = training.Recipe(
        request.epochs or _EPOCHS, min(_BATCH, len(data)), _RATE, weight_decay=0.0, seed=request.seed,
        optimizer="adam", schedule="cosine",
    )  # fmt: skip
    hooks = training.Hooks(loss=_taught(network), epoch=lambda net, _: _freeze_norms(net))
    training.train(model, data, labels, recipe, request.checkpoint, augment, request.console, hooks)
    return finished(model.eval())


def _taught(network: fx.GraphModule) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Distillation from a frozen copy of the network, of outputs, images and labels."""
    teacher = Observed(network).network

    def loss(outputs: Tensor, batch: Tensor, wanted: Tensor) -> Tensor:
        with torch.no_grad():
            soft = teacher(batch)
        return distillation(outputs, soft, wanted)

    return loss


def cropped(batch: Tensor, random: torch.Generator) -> Tensor:
    """Other parts of the images at each step, as IntraQ's authors train (their main_direct.py)."""
    return crops(batch, _LEAST_AREA, random)


def _freeze_norms(network: nn.Module) -> None:
    """Batch norms as at inference: synthetic images must not move their statistics."""
    for layer in network.modules():
        if isinstance(layer, _NORMS):
            layer.eval()


def _classes(observed: Observed, request: Request) -> int:
    with torch.no_grad():
        return observed.network(request.images[:1]).shape[1]


def _span(request: Request) -> tuple[float, float]:
    low, high = float(request.images.min()), float(request.images.max())
    if low == high:
        raise InputError(f"synthesis: images must span a range, but all their numbers are {low}.")
    return low, high


def one_each(request: Request, count: int) -> tuple[Tensor, Tensor]:
    """``count`` crops of one real image per class, and their labels."""
    classes = request.labels.unique()
    first = torch.stack([(request.labels == c).nonzero()[0, 0] for c in classes])
    index = first.repeat(-(-count // len(first)))[:count]
    random = torch.Generator().manual_seed(request.seed)
    return crops(request.images[index], _LEAST_AREA, random), request.labels[index]
