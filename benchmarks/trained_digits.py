"""Accuracy of the training methods on scikit-learn's digits, for docs/quant-training.md.

    python benchmarks/trained_digits.py [PAGE] [--seeds N] [--epochs N]

One network (four 3x3 convolutions of 8 and 16 channels with a residual, and a product; see
``tests/trained_nets.py``), trained as floats, then by each method at each width, for each seed. With PAGE the
table there is replaced; it lies between two comments.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gatewright.quant.methods import METHODS
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from trained_nets import digits, residual_net, trained

CASES = (("lsq", 3), ("n2uq", 3), ("lsq", 2), ("n2uq", 2), ("n2uq", 1), ("ste-bnn", 1), ("fda-bnn", 1),
         ("adam-bnn", 1))  # fmt: skip
FLOAT_EPOCHS = 30
BEGIN, END = "<!-- trained_digits.py -->", "<!-- end -->"


def measured(seed: int, epochs: int) -> dict[str, float]:
    """The share of 360 test images that are right, by row; methods of two runs take half the epochs each."""
    (images, labels), test = digits()
    network = trained(residual_net(seed), images, labels, FLOAT_EPOCHS)
    found = {"float": accuracy(network, *test)}
    for name, bits in CASES:
        start = time.monotonic()
        passes = epochs // 2 if name == "adam-bnn" else epochs
        request = Request(bits, bits, images, labels, seed=seed, epochs=passes)
        module = METHODS[name].load()(network, request)
        row = f"{name} W{bits}A{bits}"
        found[row] = accuracy(module, *test)
        print(f"seed {seed}: {row}: {found[row]:.2%}, {time.monotonic() - start:.0f} s", flush=True)
    return found


def table(runs: list[dict[str, float]]) -> str:
    """One row a method and width, one column a seed."""
    lines = ["| Method | " + " | ".join(f"seed {i + 1}" for i in range(len(runs))) + " | mean |"]
    lines.append("| --- |" + " --- |" * (len(runs) + 1))
    for row in runs[0]:
        values = [run[row] for run in runs]
        cells = " | ".join(f"{100 * v:.1f} %" for v in (*values, sum(values) / len(values)))
        lines.append(f"| {row} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and replace the page's table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = table([measured(seed + 1, options.epochs) for seed in range(options.seeds)])
    print(text)
    if options.page:
        page = options.page.read_text()
        head, _, rest = page.partition(BEGIN)
        options.page.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
