"""Plain batch-norm statistics, IntraQ and FDDA beside each other, on digits of 8x8 pixels.

``python benchmarks/synthesis_accuracy.py --state DIR`` trains a small float network, makes images by each
method for some seeds, fine-tunes at several widths, and prints a table (docs/quant-synthesis.md). What was
made and trained stays in DIR, so that a stopped run goes on.
"""

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, fx, nn
from torch.nn import functional

from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.synthesis import generator, methods
from gatewright.quant.synthesis.images import margins
from gatewright.quant.synthesis.statistics import Observed
from gatewright.quant.training import accuracy

SEEN, STEPS = 1400, 300


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def trained_float(x: Tensor, y: Tensor) -> fx.GraphModule:
    """Three convolutions, trained for seconds."""
    torch.manual_seed(1)
    net = nn.Sequential(
        block(1, 12),
        block(12, 16, 2),
        block(16, 24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(STEPS):
        index = torch.randint(SEEN, (64,))
        loss = functional.cross_entropy(net(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return of_module(net.eval(), x[:2])


def made(name: str, request: Request, network: fx.GraphModule, state: Path) -> tuple[Tensor, Tensor]:
    """A method's images and labels for the request's seed, from their file where there is one."""
    file = state / f"{name}_{request.seed}.pt"
    if file.exists():
        return tuple(torch.load(file, weights_only=True))
    observed = Observed(network)
    if name == "fdda":
        recipe = generator.Recipe(seed=request.seed)
        found = generator.generate(observed, request.images, request.labels, (0.0, 1.0), recipe)
        real = methods.one_each(request, len(found[0]))
        data = tuple(torch.cat(pair) for pair in zip(real, found, strict=True))
    else:
        data = methods.synthesized(observed, request, margins(10) if name == "intraq" else None)
    torch.save(list(data), file)
    return data


def main() -> None:
    """Train, make, quantize, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for what was made and trained")
    parser.add_argument("--bits", type=int, nargs="+", default=[3, 2])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.state.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    digits = load_digits()
    x, y = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, torch.tensor(digits.target)
    network = trained_float(x, y)
    print(f"float {100 * accuracy(network, x[SEEN:], y[SEEN:]):.1f} %\n", flush=True)
    print("| bits | seed | mse, real images | bns | IntraQ | FDDA |\n|---|---|---|---|---|---|")
    for seed in range(1, options.seeds + 1):
        for bits in options.bits:
            request = Request(bits, bits, x[:SEEN], y[:SEEN], seed=seed)
            row = [accuracy(METHODS["mse"].load()(network, request), x[SEEN:], y[SEEN:])]
            for name in ("bns", "intraq", "fdda"):
                data = made(name, request, network, options.state)
                file = options.state / f"{name}_{seed}_{bits}.pt"
                tuning = Request(bits, bits, x[:SEEN], y[:SEEN], seed=seed, checkpoint=file)
                tuned = methods.fine_tuned(network, tuning, name, lambda *_, data=data: data)
                row.append(accuracy(tuned, x[SEEN:], y[SEEN:]))
            numbers = " | ".join(f"{100 * v:.1f}" for v in row)
            print(f"| W{bits}A{bits} | {seed} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
