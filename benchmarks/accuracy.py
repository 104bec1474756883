"""Accuracy of each quantization method at few bits, on MNIST and a slice of CIFAR-10.

    python benchmarks/accuracy.py --data DIR --work DIR [--cases NAME...] [--methods NAME...]
        [--widths W4A4...] [--epochs N] [--write docs/quant-methods.md]

DIR is a folder with ``mnist/`` (MNIST's idx files, gzipped) and ``cifar10/`` (``train_20k.npz`` and
``test_1k.npz``). Each float network is trained once, each figure measured once and kept in the work folder: a
run that was stopped goes on where it was. Of each quantized network the integer graph is made too, and must
give the module's own outputs on the first test images. ``--epochs`` shortens or lengthens what the training
methods do; a network's methods must all have the same, and the page says how many there were.
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

import gatewright
from accuracy_baselines import BASELINES
from accuracy_networks import CASES, Case
from accuracy_page import section
from adder_table import Results
from gatewright.driver.quantize import proved
from gatewright.quant.adder_training import train
from gatewright.quant.methods import METHODS, Method
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from marked import replace

WIDTHS = {f"W{w}A{a}": (w, a) for w, a in ((8, 8), (4, 8), (4, 4), (3, 3), (2, 2), (1, 1))}
# Calibration needs few images; training takes all.
CALIBRATION = 1000
EPOCHS = 6
_COMPARED = 16
# These have benchmarks of their own: ddtb_psnr.py, and synthesis_accuracy.py, which makes images once for all
# widths.
_LEFT_OUT = ("ddtb", "bns", "intraq", "fdda")


def main(arguments: list[str]) -> int:
    """Train, measure, write the page."""
    options = _options(arguments)
    torch.set_num_threads(1)
    console = Console()
    results = Results(options.work, console)
    for name in options.cases:
        _case(name, CASES[name], options, results, console)
    if options.write:
        replace(options.write, "accuracy.py", section(results.values, WIDTHS))
        console.print(f"written: {options.write}")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    names = [name for name in METHODS if name not in _LEFT_OUT]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist/ and cifar10/")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--methods", nargs="*", choices=names, default=names)
    parser.add_argument("--widths", nargs="*", choices=WIDTHS, default=list(WIDTHS), help="W4A4 and so on")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the methods that train")
    parser.add_argument(
        "--write", type=Path, help="page with the comments <!-- accuracy.py --> and <!-- end -->"
    )
    return parser.parse_args(arguments)


def _case(name: str, case: Case, options: argparse.Namespace, results: Results, console: Console) -> None:
    images, labels, test_images, test_labels = case.load(options.data)
    torch.manual_seed(1)
    model = case.make()
    train(model, images, labels, case.recipe, options.work / f"{name}.pt", case.augment, console)
    network = of_module(model.eval(), images[:1])
    results.once(f"{name} float", lambda: _percent(network, test_images, test_labels))
    for title, baseline in BASELINES.items():
        for width in (w for w in options.widths if min(WIDTHS[w]) > 1):
            made = lambda b=WIDTHS[width], f=baseline: f(model, images[:CALIBRATION], *b)  # noqa: E731
            results.once(f"{name} {title} {width}", lambda m=made: _percent(m(), test_images, test_labels))
    for method in (METHODS[m] for m in options.methods):
        if method.trains and results.once(f"{name} epochs", lambda: options.epochs) != options.epochs:
            raise SystemExit(f"{name}: was measured with other --epochs than {options.epochs}.")
        for width in options.widths:
            bits, key = WIDTHS[width], f"{name} {method.name} {width}"
            if _takes(method, bits):
                results.once(
                    key,
                    lambda m=method, b=bits, k=key: _measured(
                        m, b, network, (images, labels, test_images, test_labels), options, k, console
                    ),
                )


def _takes(method: Method, bits: tuple[int, int]) -> bool:
    (low_w, high_w), (low_a, high_a) = method.weights, method.activations
    # Learning at 8 bits gives nothing over calibrating.
    enough = bits[0] <= 4 if method.learns else max(bits) <= 4 or not method.trains
    return low_w <= bits[0] <= high_w and low_a <= bits[1] <= high_a and enough


def _measured(method, bits, network, data, options, key, console) -> float:
    """Percent right of the quantized network; its integer graph gives the same outputs."""
    images, labels, test_images, test_labels = data
    count = len(images) if method.trains else CALIBRATION
    request = Request(
        *bits,
        images[:count],
        labels[:count],
        epochs=options.epochs if method.trains else None,
        checkpoint=options.work / f"{key.replace(' ', '-')}.pt" if method.trains else None,
        console=console,
    )
    quantized = method.load()(network, request)
    # The integer graph gives the module's own outputs, or the figure is worth nothing.
    proved(gatewright.from_brevitas(quantized, images[:1]), quantized, test_images[:_COMPARED])
    return _percent(quantized, test_images, test_labels)


def _percent(network, images, labels) -> float:
    return round(100 * accuracy(network, images, labels), 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
