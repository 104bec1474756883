"""What all networks are built of."""

import torch
from torch import nn


def conv_norm(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1, act: type | None = nn.ReLU
) -> nn.Sequential:
    """Convolution without bias that keeps the image's size but for its stride, batch norm, activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def scaled_channels(channels: int, width: float, multiple: int = 8) -> int:
    """``channels * width`` rounded to a multiple, at least one: how mobile networks are made narrower."""
    return max(multiple, int(channels * width + multiple / 2) // multiple * multiple)


def frames(count: int, size: int, seed: int) -> torch.Tensor:
    """Image-like inputs (count, 3, size, size) of about unit variance: smooth shapes under fine noise."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, max(size // 8, 2), max(size // 8, 2), generator=random)
    smooth = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return smooth + 0.3 * torch.randn(count, 3, size, size, generator=random)


def settled(model: nn.Module, size: int, seed: int = 0) -> nn.Module:
    """The network with random weights, and batch norms that know their inputs' mean and variance.

    Weights are Kaiming's; gains and offsets of batch norms vary as trained ones do. Some batches in
    training mode set the running statistics, so that activations keep their size through all layers.
    """
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=random)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator=random)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=random)
            nn.init.normal_(module.bias, 0, 0.3, generator=random)
            module.momentum = None
    model.train()
    with torch.no_grad():
        for batch in range(4):
            model(frames(4, size, 100 + batch))
    return model.eval()
