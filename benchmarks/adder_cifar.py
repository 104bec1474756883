"""AdderNet's ResNet on a slice of CIFAR-10: trained in float, then quantized each way after training.

    python benchmarks/adder_cifar.py --data DIR --work DIR [--depth 20] [--width 16] [--epochs N]
        [--device cuda] [--write PAGE]

DIR holds ``train_20k.npz`` and ``test_1k.npz`` (arrays ``images`` and ``labels``). The paper's network has
width 16 and trains for 400 epochs, on a GPU; on a CPU core width 8 takes 5 minutes an epoch. What was trained
and measured is kept in the work folder, so that a run that was stopped goes on where it was.
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from adder_cifar_page import page
from adder_resnet import flipped, load_cifar, resnet
from adder_table import METHODS, WIDTHS, Results
from gatewright.quant.adder_ptq import input_ranges
from gatewright.quant.adder_training import Recipe, accuracy, train

CALIBRATION, BATCH = 1000, 100
RATE = 0.1


def main(arguments: list[str]) -> int:
    """Train, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train_20k.npz and test_1k.npz")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", type=Path, help="docs page to write")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    console = Console()
    results = Results(options.work, console)
    images, labels = load_cifar(options.data / "train_20k.npz")
    test_images, test_labels = load_cifar(options.data / "test_1k.npz")
    torch.manual_seed(1)
    model = resnet(options.depth, options.width).to(options.device)
    recipe = Recipe(options.epochs, learning_rate=RATE)
    train(model, images, labels, recipe, options.work / "resnet.pt", flipped, console)
    model = model.cpu()

    def measured(network: torch.nn.Module) -> float:
        return round(100 * accuracy(network, test_images, test_labels), 2)

    results.once("float", lambda: measured(model))
    ranges = input_ranges(model, images[:CALIBRATION].split(BATCH))
    for bits in WIDTHS:
        for name, method in METHODS.items():
            results.once(f"{name} {bits}", lambda m=method, b=bits: measured(m(model, ranges, b)))
    if options.write:
        shape = {"depth": options.depth, "width": options.width, "epochs": options.epochs}
        options.write.write_text(page(results.values, shape, len(images), len(test_images)))
        console.print(f"written: {options.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
