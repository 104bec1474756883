"""A plain binary network: signs, and gradients that pass where magnitudes are at most 1 (arXiv 1602.02830).

The baseline of FDA-BNN and AdamBNN: the same layers, data and loss; weights scaled per output (XNOR-Net).
"""

from __future__ import annotations

from torch import fx, nn

from .methods import METHODS
from .qat.binary import BinaryInput, BinaryWeight, binary_layer, clipped
from .qat.conversion import Style, convert
from .qat.fit import EPOCHS, adam_recipe, finished, fit
from .qat.rectifier import ShiftedPReLU
from .request import Request
from .training import Hooks


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """The network with binary inner layers, trained. A ReLU, behind which all signs would be +1, becomes a
    PReLU.

    Raises:
        InputError: other bits, layers without a quantized form, or fewer images than a batch.
    """
    METHODS["ste-bnn"].check(request.bits_w, request.bits_a)

    def layer(given: nn.Module) -> nn.Module:
        return binary_layer(given, BinaryInput(clipped), BinaryWeight(clipped))

    def rectifier(channels: int) -> nn.Module:
        return ShiftedPReLU(channels, shifted=False)

    model = convert(network, request, Style(layer, rectifier))
    fit(model, network, request, adam_recipe(request, 2 * EPOCHS), Hooks())
    return finished(model)
