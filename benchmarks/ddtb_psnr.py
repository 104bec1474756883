"""DDTB beside symmetric layer-wise quantization: PSNR of a small EDSR that enlarges photographs twice.

``python benchmarks/ddtb_psnr.py --data ../shared/data/cifar10 --state DIR`` trains a float network, quantizes
it at 2 to 4 bits in four ways, and prints a table (docs/quant-ddtb.md has one). All is seeded, on one core;
what was trained stays in DIR, so that a stopped run goes on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from brevitas.function.ops_ste import round_ste
from torch import Tensor, fx
from torch.nn import functional

from gatewright.quant.ddtb.bounds import STATIC, BoundsQuant
from gatewright.quant.ddtb.convert import deployed, set_mode, trainable
from gatewright.quant.ddtb.training import Recipe, calibrate, train
from gatewright.quant.edsr import Edsr
from gatewright.quant.network import of_module

FLOAT_STEPS, FLOAT_RATE = 1200, 2e-3


class SymmetricQuant(BoundsQuant):
    """One trainable bound for both sides, which starts at the greatest magnitude; 0 is a code."""

    def collect(self, x: Tensor) -> None:
        """One batch of the calibration."""
        super().collect(x)
        with torch.no_grad():
            self.upper.copy_(self.peak)

    def forward(self, x: Tensor) -> Tensor:
        """x -> the same shape."""
        if self.mode != STATIC:
            return super().forward(x)
        step = self.upper / (2 ** (self.bits - 1) - 1)
        return round_ste(torch.minimum(torch.maximum(x, -self.upper), self.upper) / step) * step


def symmetric_weights(weight: Tensor, bits: int) -> Tensor:
    """Multiples of one step up to the greatest magnitude."""
    step = weight.detach().abs().max() / (2 ** (bits - 1) - 1)
    return round_ste(weight / step) * step


def pairs(folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """The first images of a file halved (N, 3, 16, 16) in 8 bits, and whole (N, 3, 32, 32)."""
    high = np.load(folder)["images"][:count].transpose(0, 3, 1, 2)
    high = torch.tensor(high, dtype=torch.float32) / 255
    return torch.round(functional.avg_pool2d(high, 2) * 255) / 255, high


def psnr(found: Tensor, wanted: Tensor) -> float:
    """Mean over images, in dB, for a peak of 1."""
    errors = (found.clamp(0, 1) - wanted).square().mean((1, 2, 3))
    return float(-10 * torch.log10(errors).mean())


def trained_float(low: Tensor, high: Tensor, file: Path) -> fx.GraphModule:
    """The float network, from its file where there is one."""
    torch.manual_seed(1)
    net = Edsr(2, features=16, blocks=4)
    if file.exists():
        net.load_state_dict(torch.load(file, weights_only=True))
        return of_module(net.eval(), low[:2])
    optimizer = torch.optim.Adam(net.parameters(), FLOAT_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FLOAT_STEPS)
    for _ in range(FLOAT_STEPS):
        index = torch.randint(len(low), (16,))
        loss = functional.l1_loss(net(low[index]), high[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.save(net.state_dict(), file)
    return of_module(net.eval(), low[:2])


def quantized(network: fx.GraphModule, bits: int, data, held, recipe: Recipe, state: Path) -> list[float]:
    """PSNR of min-max, of a trained symmetric bound, of DDTB in training's floats and in integers."""
    results = []
    for learns in (False, True):
        student = trainable(network, bits, bits, quant=SymmetricQuant, rule=symmetric_weights)
        plain = Recipe(recipe.epochs, recipe.batch, recipe.rate, dynamic=0.0, gate_from=10**6)
        if learns:
            train(student, network, *data, plain, state / f"symmetric{bits}.pt")
        else:
            calibrate(student, data[0], plain)
            set_mode(student.eval(), STATIC)
        results.append(_measured(student, held))
    student = trainable(network, bits, bits)
    train(student, network, *data, recipe, state / f"ddtb{bits}.pt")
    return [*results, _measured(student, held), _measured(deployed(student), held)]


@torch.no_grad()
def _measured(net: fx.GraphModule, held) -> float:
    return psnr(net.eval()(held[0]), held[1])


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of train_20k.npz and test_1k.npz")
    parser.add_argument("--images", type=int, default=512, help="to train on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--state", type=Path, required=True, help="folder for what was trained")
    options = parser.parse_args()
    options.state.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    data = pairs(options.data / "train_20k.npz", options.images)
    held = pairs(options.data / "test_1k.npz", 200)
    network = trained_float(*data, options.state / "float.pt")
    cubic = functional.interpolate(held[0], scale_factor=2, mode="bicubic")
    print(f"float {_measured(network, held):.2f} dB, bicubic {psnr(cubic, held[1]):.2f} dB\n")
    print("| bits | symmetric min-max | symmetric, trained | DDTB | DDTB in integers |")
    print("|---|---|---|---|---|")
    for bits in (2, 3, 4):
        row = quantized(network, bits, data, held, Recipe(epochs=options.epochs), options.state)
        print(f"| {bits} | " + " | ".join(f"{v:.2f}" for v in row) + " |", flush=True)
    print(f"\n{options.images} images, {options.epochs} epochs")


if __name__ == "__main__":
    main()
