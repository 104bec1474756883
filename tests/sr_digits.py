"""Digits as a small super-resolution task, and a network trained on it for seconds."""

import functools

import torch
from sklearn.datasets import load_digits
from torch import Tensor, fx
from torch.nn import functional

from gatewright.quant.edsr import Edsr
from gatewright.quant.network import of_module


@functools.cache
def images() -> tuple[Tensor, Tensor]:
    """Digits of 8x8 pixels, halved (N, 1, 4, 4) and whole (N, 1, 8, 8), in sixteenths and quarters of it."""
    high = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
    return functional.avg_pool2d(high, 2), high


@functools.cache
def enlarger(share: float = 1.0) -> fx.GraphModule:
    """An EDSR of two blocks, better than nearest neighbours; do not change it."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    low, high = images()
    net = Edsr(2, features=6, blocks=2, colors=1, share=share)
    optimizer = torch.optim.Adam(net.parameters(), 4e-3)
    for _ in range(250):
        index = torch.randint(1200, (32,))
        loss = functional.l1_loss(net(low[index]), high[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return of_module(net.eval(), low[:2])


def psnr(found: Tensor, wanted: Tensor) -> float:
    """Mean over images, in dB, for a peak of 1."""
    errors = (found.clamp(0, 1) - wanted).square().mean((1, 2, 3)).clamp(min=1e-10)
    return float(-10 * torch.log10(errors).mean())
