"""FDA-BNN: signs whose gradient is that of a truncated Fourier series (Xu et al., NeurIPS 2021, 2103.00841).

A square wave is ``4/pi sum sin((2i+1) w x) / (2i+1)``; the sign's derivative becomes that of the first n + 1
terms. While training, a small network adds noise to the signs, which fades out and is gone at inference.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, fx, nn

from .methods import METHODS
from .qat.binary import BinaryInput, BinaryWeight, binary_layer, fourier, input_channels
from .qat.conversion import Style, convert
from .qat.fit import EPOCHS, adam_recipe, finished, fit
from .qat.rectifier import ShiftedPReLU
from .request import Request
from .training import Hooks

FREQUENCY = 0.1
TERMS = (9, 18)
_NOISE = 0.05
_SMOOTHING = 0.1
_NARROWING = 64


class NoiseAdaptation(nn.Module):
    """``share * (FC2(relu(FC1(x))) + sin(x) / 10)``, without biases; FC1 from d to d / 64, FC2 back.

    Args:
        width: d: channels of activations at each pixel, or a filter's weights.
        axis: 1 for activations (N, d, ...); 0 for weights (M, ...), each filter flattened.
    """

    def __init__(self, width: int, axis: int):
        super().__init__()
        inner = max(width // _NARROWING, 1)
        self.first, self.second = nn.Linear(width, inner, bias=False), nn.Linear(inner, width, bias=False)
        self.axis, self.share = axis, 0.0

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the signs of x."""
        flat = x.flatten(1) if self.axis == 0 else x.movedim(1, -1)
        y = self.second(torch.relu(self.first(flat)))
        y = y.reshape(x.shape) if self.axis == 0 else y.movedim(-1, 1)
        return self.share * (y + 0.1 * torch.sin(x))


def noise_share(epoch: int, epochs: int) -> float:
    """``0.05 (1 + cos(pi (e + 1) / E))``, 0 in the last of the epochs counted from 0."""
    return _NOISE * (1 + math.cos(math.pi * (epoch + 1) / epochs))


def terms_at(epoch: int, epochs: int) -> int:
    """n of the series, from 9 to 18 over the epochs."""
    first, last = TERMS
    return first + round((last - first) * epoch / max(epochs - 1, 1))


def set_epoch(model: nn.Module, epoch: int, epochs: int) -> None:
    """Give all binary layers the epoch's series and share of noise."""
    slope = fourier(terms_at(epoch, epochs), FREQUENCY)
    for part in model.modules():
        if isinstance(part, BinaryInput | BinaryWeight):
            part.slope = slope
        elif isinstance(part, NoiseAdaptation):
            part.share = noise_share(epoch, epochs)


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """The network with binary inner layers, trained by FDA-BNN. A ReLU becomes a PReLU.

    Weights are scaled by one mean magnitude a layer, as in the authors' own code.

    Raises:
        InputError: other bits, layers without a quantized form, or fewer images than a batch.
    """
    METHODS["fda-bnn"].check(request.bits_w, request.bits_a)
    slope = fourier(TERMS[0], FREQUENCY)

    def layer(given: nn.Module) -> nn.Module:
        noise = NoiseAdaptation(input_channels(given), axis=1)
        weight_noise = NoiseAdaptation(given.weight[0].numel(), axis=0)
        weights = BinaryWeight(slope, per_channel=False, noise=weight_noise)
        return binary_layer(given, BinaryInput(slope, noise=noise), weights)

    def rectifier(channels: int) -> nn.Module:
        return ShiftedPReLU(channels, shifted=False)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        model = convert(network, request, Style(layer, rectifier))
    recipe = adam_recipe(request, 2 * EPOCHS)
    hooks = Hooks(epoch=lambda part, epoch: set_epoch(part, epoch, recipe.epochs))
    fit(model, network, request, recipe, hooks, smoothing=_SMOOTHING)
    return finished(model)
