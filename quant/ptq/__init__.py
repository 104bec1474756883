"""Networks quantized after training, by calibration alone: how far quantizers reach is the method's rule."""

from __future__ import annotations

from torch import fx, nn

from ..methods import METHODS
from ..request import Request
from .bias import correct_biases
from .build import build, plain_weights
from .observe import calibrated
from .plan import plan
from .prepare import prepare


def minmax(network: fx.GraphModule, request: Request) -> nn.Module:
    """Ranges up to the largest value; nothing is clipped."""
    return _quantize(network, request, "minmax")


def percentile(network: fx.GraphModule, request: Request) -> nn.Module:
    """Activations up to the 99.99th percentile, weights of least squared error."""
    return _quantize(network, request, "percentile")


def mse(network: fx.GraphModule, request: Request) -> nn.Module:
    """Ranges of least squared error, of activations and weights."""
    return _quantize(network, request, "mse")


def kl(network: fx.GraphModule, request: Request) -> nn.Module:
    """Activation ranges of least information loss, weights of least squared error."""
    return _quantize(network, request, "kl")


def _quantize(network: fx.GraphModule, request: Request, rule: str) -> nn.Module:
    METHODS[rule].check(request.bits_w, request.bits_a)
    ready = prepare(network, request.images, "equalize" in request.options)
    planned = plan(ready, request.bits_w, request.bits_a, request.first_last_bits, request.layer_bits)
    steps = calibrated(planned, request.images, rule)
    quantized = build(planned, steps, plain_weights(planned, rule))
    if "bias-correction" in request.options:
        correct_biases(planned, quantized, request.images)
    return quantized
