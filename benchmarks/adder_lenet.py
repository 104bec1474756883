"""LeNet-5 of adder layers, and its multiplying twin: MNIST's files, the networks, their quantized forms."""

import copy
import gzip
from dataclasses import dataclass
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Uint8ActPerTensorFloat,
)
from torch import nn

from gatewright.quant.adder import AdderConv2d, AdderLinear
from gatewright.quant.adder_ptq import input_ranges

LAYERS = (AdderConv2d, AdderLinear, nn.Conv2d, nn.Linear)
CALIBRATION = 2000
BATCH = 250
# The logits' quantizer, in every network and at every width of the layers.
OUTPUT_BITS = 8
_SHIFT = 2


@dataclass(frozen=True)
class Mnist:
    """Images uint8 (N, 1, 28, 28), labels int64 (N,)."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


def load_mnist(folder: Path) -> Mnist:
    """The four files of MNIST as published, compressed by gzip."""

    def read(name: str, header: int) -> np.ndarray:
        with gzip.open(folder / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    parts = []
    for split in ("train", "t10k"):
        images = read(f"{split}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
        labels = read(f"{split}-labels-idx1-ubyte.gz", 8).astype(np.int64)
        parts += [torch.from_numpy(images.copy()), torch.from_numpy(labels)]
    return Mnist(*parts)


def lenet(adder: bool) -> nn.Sequential:
    """LeNet-5 with batch norms and ReLU: images (N, 1, 28, 28) in [0, 1] -> logits (N, 10).

    With ``adder`` all five layers are adder layers, the first and the last too.
    """

    def conv(inputs: int, outputs: int, padding: int) -> nn.Module:
        if adder:
            return AdderConv2d(inputs, outputs, 5, padding=padding)
        return nn.Conv2d(inputs, outputs, 5, padding=padding, bias=False)

    def dense(inputs: int, outputs: int) -> nn.Module:
        return AdderLinear(inputs, outputs) if adder else nn.Linear(inputs, outputs, bias=False)

    return nn.Sequential(
        *(conv(1, 6, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(conv(6, 16, 0), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(dense(400, 120), nn.BatchNorm1d(120), nn.ReLU()),
        *(dense(120, 84), nn.BatchNorm1d(84), nn.ReLU()),
        *(dense(84, 10), nn.BatchNorm1d(10)),
    )


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to 2 pixels along both axes; what comes in is empty."""
    size = images.shape[-1]
    padded = nn.functional.pad(images, (_SHIFT,) * 4)
    moves = torch.randint(0, 2 * _SHIFT + 1, (len(images), 2), generator=generator).tolist()
    return torch.stack([p[:, y : y + size, x : x + size] for p, (y, x) in zip(padded, moves, strict=True)])


def calibrated(model: nn.Sequential, data: Mnist) -> tuple[dict[str, float], float]:
    """The range of each layer's input, and of the logits, over the first training images.

    The input's range is that of its pixels, so that 8 bits take them as they are.
    """
    batches = [part.float() / 255 for part in data.train_images[:CALIBRATION].split(BATCH)]
    ranges = input_ranges(model, batches, kinds=LAYERS) | {"0": 1.0}
    with torch.no_grad():
        logits = max(model(batch).abs().max().item() for batch in batches)
    return ranges, logits


def with_output(model: nn.Sequential, logits: float) -> nn.Sequential:
    """The network with its logits in 8 bits of one scale, so that their integers can be compared."""
    quantizer = qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloat,
        bit_width=OUTPUT_BITS,
        scaling_impl_type="const",
        scaling_init=logits,
    )
    return nn.Sequential(*model, quantizer)


def multiplying(model: nn.Sequential, ranges: dict[str, float], bits: int) -> nn.Sequential:
    """The multiplying twin: inputs of its layers unsigned, weights signed with a scale for each filter."""
    result = copy.deepcopy(model)
    for name, layer in model.named_children():
        options = {
            "bias": False,
            "weight_quant": Int8WeightPerChannelFloat,
            "weight_bit_width": bits,
            "input_quant": Uint8ActPerTensorFloat,
            "input_bit_width": bits,
            "input_scaling_impl_type": "const",
            "input_scaling_init": ranges.get(name),
        }
        if isinstance(layer, nn.Conv2d):
            twin = qnn.QuantConv2d(
                layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding, **options
            )
        elif isinstance(layer, nn.Linear):
            twin = qnn.QuantLinear(layer.in_features, layer.out_features, **options)
        else:
            continue
        twin.weight = nn.Parameter(layer.weight.detach().clone())
        result.register_module(name, twin)
    return result
