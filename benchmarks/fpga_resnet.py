"""ResNet-18 for fpga_networks.py: 4-bit weights and activations through Brevitas, as a QONNX file."""

from pathlib import Path

import brevitas.nn as qnn
import torch
from brevitas.export import export_qonnx
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Uint8ActPerTensorFloat,
)
from torch import nn

from ort_models.layers import frames, settled

BITS = 4
_INPUT_BITS = 8
# Channels of the four stages, two blocks each (He et al., 2015).
STAGES = (64, 128, 256, 512)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the image's size but for its stride, and its batch norm."""
    conv = qnn.QuantConv2d(
        inputs, outputs, size, stride=stride, padding=size // 2, bias=False,
        weight_quant=Int8WeightPerChannelFloat, weight_bit_width=BITS,
    )  # fmt: skip
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _relu() -> nn.Module:
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=BITS)


class Residual(nn.Module):
    """Two convolutions and a way around them; both ends share a quantizer, so that their integers add up."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(_conv(inputs, outputs, 3, stride), _relu(), _conv(outputs, outputs, 3))
        same = inputs == outputs and stride == 1
        self.around = nn.Identity() if same else _conv(inputs, outputs, 1, stride)
        self.join = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=BITS)
        self.act = _relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        return self.act(self.join(self.body(x)) + self.join(self.around(x)))


def resnet18(stages: tuple[int, ...] = STAGES, classes: int = 1000) -> nn.Module:
    """ResNet-18 with two blocks a stage."""
    inputs = stages[0]
    layers = [
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=_INPUT_BITS),
        _conv(3, inputs, 7, 2), _relu(), nn.MaxPool2d(3, 2, 1),
    ]  # fmt: skip
    for stage, outputs in enumerate(stages):
        for block in range(2):
            layers.append(Residual(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    dense = qnn.QuantLinear(
        inputs, classes, bias=False, weight_quant=Int8WeightPerChannelFloat, weight_bit_width=BITS
    )
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), _relu()]
    return nn.Sequential(*layers, *pool, dense)


def export(path: Path, size: int = 64, stages: tuple[int, ...] = STAGES, classes: int = 1000) -> Path:
    """The network with random weights and settled batch norms for ``size`` x ``size`` images, at ``path``."""
    torch.manual_seed(1)
    model = settled(resnet18(stages, classes), size)
    export_qonnx(model, args=frames(1, size, 1), export_path=str(path), dynamo=False, opset_version=13)
    return path
