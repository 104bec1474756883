"""What accuracy.py compares with: Brevitas as it comes."""

import copy
from collections.abc import Callable

import brevitas.nn as qnn
import torch
from brevitas.graph.calibrate import calibration_mode
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_BATCH = 100


def brevitas_defaults(model: nn.Module, images: Tensor, bits_w: int, bits_a: int) -> nn.Module:
    """The float network with Brevitas's layers and their default quantizers, calibrated.

    Weights per tensor with the scale of their greatest, activations by the 99.999th percentile; batch norms
    are folded before. As with our methods, the first and the last layer have weights of 8 bits.
    """
    network = copy.deepcopy(model).eval()
    _fold(network)
    layers = [(p, m) for p, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for index, (path, layer) in enumerate(layers):
        ends = index in (0, len(layers) - 1)
        _replace(network, path, _twin(layer, 8 if ends else bits_w))
    for path in [p for p, m in network.named_modules() if isinstance(m, nn.ReLU)]:
        _replace(network, path, qnn.QuantReLU(bit_width=bits_a))
    network = nn.Sequential(qnn.QuantIdentity(bit_width=8), network)
    with torch.no_grad(), calibration_mode(network):
        for batch in images.split(_BATCH):
            network(batch)
    return network.eval()


def _fold(module: nn.Module) -> None:
    """Each batch norm of a Sequential into the convolution before it."""
    for child in module.children():
        _fold(child)
    if isinstance(module, nn.Sequential):
        for index in range(1, len(module)):
            if isinstance(module[index], nn.BatchNorm2d):
                module[index - 1] = fuse_conv_bn_eval(module[index - 1], module[index])
                module[index] = nn.Identity()


def _twin(layer: nn.Module, bits: int) -> nn.Module:
    if isinstance(layer, nn.Linear):
        twin = qnn.QuantLinear(layer.in_features, layer.out_features, True, weight_bit_width=bits)
    else:
        twin = qnn.QuantConv2d(
            *(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding),
            groups=layer.groups,
            bias=True,
            weight_bit_width=bits,
        )
    twin.load_state_dict(layer.state_dict(), strict=False)
    return twin.eval()


def _replace(network: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, layer)


BASELINES: dict[str, Callable[[nn.Module, Tensor, int, int], nn.Module]] = {
    "Brevitas's defaults": brevitas_defaults
}
