"""LSQ: uniform quantizers whose steps learn with the weights (Esser et al., arXiv 1902.08153).

The baseline of N2UQ: the same layers, data, loss and recipe, but equal steps.
"""

from __future__ import annotations

from torch import fx, nn

from .methods import METHODS
from .qat.conversion import Style, convert
from .qat.fit import adam_recipe, finished, fit
from .qat.uniform import QuantLayer, UniformQuant, UniformWeight
from .request import Request
from .training import Hooks


def quantize(network: fx.GraphModule, request: Request) -> nn.Module:
    """The network with learned uniform steps, trained; weights have one step per output channel.

    Raises:
        InputError: other bits, layers without a quantized form, or fewer images than a batch.
    """
    METHODS["lsq"].check(request.bits_w, request.bits_a)

    def layer(given: nn.Module) -> QuantLayer:
        weights = UniformWeight(given.weight.detach(), request.bits_w)
        return QuantLayer(given, UniformQuant(request.bits_a), weights)

    model = convert(network, request, Style(layer))
    fit(model, network, request, adam_recipe(request), Hooks())
    return finished(model)
