"""ReActNet's layers by AdamBNN's recipe (Liu et al., ECCV 2020 and ICML 2021): RSign, RPReLU, two steps.

First only activations are binary, with a little weight decay; then weights too, without. Adam revives weights
that plain gradients leave where they saturate.
"""

from __future__ import annotations

from torch import fx, nn

from .methods import METHODS
from .qat.binary import BinaryInput, BinaryWeight, binary_layer, clipped, input_channels, quadratic
from .qat.conversion import Style, convert
from .qat.fit import EPOCHS, adam_recipe, finished, fit
from .qat.rectifier import ShiftedPReLU
from .request import Request
from .training import Hooks

FIRST_STEP_DECAY = 5e-6


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """The network with RSign in front of binary inner layers, trained in two steps of as many epochs each.

    A ReLU becomes an RPReLU. Weights are signs times the mean magnitude of each output's, with the gradient
    of ``clamp(W, -1, 1)``. A checkpoint is two files, one a step.

    Raises:
        InputError: other bits, layers without a quantized form, or fewer images than a batch.
    """
    METHODS["adam-bnn"].check(request.bits_w, request.bits_a)

    def layer(given: nn.Module) -> nn.Module:
        weights = BinaryWeight(clipped, scaled_gradient=False)
        return binary_layer(given, BinaryInput(quadratic, input_channels(given)), weights)

    model = convert(network, request, Style(layer, ShiftedPReLU))
    for stage, active, decay in (("step1", False, FIRST_STEP_DECAY), ("step2", True, 0.0)):
        for part in model.modules():
            if isinstance(part, BinaryWeight):
                part.active = active
        fit(model, network, request, adam_recipe(request, EPOCHS, decay), Hooks(), stage=stage)
    return finished(model)
