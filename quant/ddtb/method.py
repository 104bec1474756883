"""DDTB as a method of ``gatewright quantize``."""

from __future__ import annotations

import torch
from torch import fx, nn

from ..request import Request
from .convert import deployed, trainable
from .training import Recipe, train

_EPOCHS = 60
_EVALUATED = 16


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """A super-resolution network at few bits, trained to give what its teacher gives.

    Zhong et al., "Dynamic Dual Trainable Bounds for Ultra-low Precision Super-Resolution Networks" (ECCV
    2022). The request's images are the small ones; what they should become is the teacher's output.

    Raises:
        InputError: a network without residual blocks, or fewer images than a batch.
    """
    teacher = request.teacher if isinstance(request.teacher, fx.GraphModule) else network
    with torch.no_grad():
        high = torch.cat([teacher.eval()(part) for part in request.images.split(_EVALUATED)])
    torch.manual_seed(request.seed)
    student = trainable(network, request.bits_w, request.bits_a, request.first_last_bits)
    epochs = max(request.epochs or _EPOCHS, 2)
    recipe = Recipe(epochs=epochs, batch=min(16, len(request.images)), seed=request.seed)
    train(student, teacher, request.images, high, recipe, request.checkpoint, request.console)
    return deployed(student)
