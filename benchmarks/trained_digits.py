"""Accuracy of the training methods on scikit-learn's digits, for docs/quant-training.md.

    python benchmarks/trained_digits.py [PAGE] --work DIR [--seeds N] [--epochs N]

One network (four 3x3 convolutions of 4 and 8 channels with a residual, and a product; see
``tests/trained_nets.py``), trained as floats, then by each method at each width, for each seed. With PAGE the
table there is replaced; it lies between two comments. A run that was stopped goes on from DIR.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import fx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gatewright.quant.methods import METHODS
from gatewright.quant.network import of_module
from gatewright.quant.request import Request
from gatewright.quant.training import accuracy
from marked import replace
from trained_nets import digits, residual_net, trained

CASES = (("lsq", 3), ("n2uq", 3), ("lsq", 2), ("n2uq", 2), ("n2uq", 1), ("ste-bnn", 1), ("fda-bnn", 1),
         ("adam-bnn", 1))  # fmt: skip
FLOAT_EPOCHS = 30
# Few channels: with 8 all methods of 2 bits are right on 99 %.
WIDTH = 4


def measured(seed: int, epochs: int, work: Path) -> dict[str, float]:
    """The share of 360 test images that are right, by row; methods of two runs take half the epochs each.

    What ``work`` holds of an earlier run is not done again.
    """
    (images, labels), test = digits()
    file = work / f"seed{seed}.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    network = float_network(seed, work / f"float{seed}.pt")
    found["float"] = accuracy(network, *test)
    for name, bits in CASES:
        row = f"{name} W{bits}A{bits}"
        if row in found:
            continue
        passes = epochs // 2 if name == "adam-bnn" else epochs
        checkpoint = work / f"{name}{bits}_{seed}.pt"
        request = Request(bits, bits, images, labels, seed=seed, epochs=passes, checkpoint=checkpoint)
        found[row] = accuracy(METHODS[name].load()(network, request), *test)
        file.write_text(json.dumps(found))
        print(f"seed {seed}: {row}: {found[row]:.2%}", flush=True)
    return found


def float_network(seed: int, file: Path) -> fx.GraphModule:
    """The trained float network, or where it is kept."""
    (images, labels), _ = digits()
    net = residual_net(seed, WIDTH)
    if file.exists():
        net.load_state_dict(torch.load(file, weights_only=True))
        return of_module(net, images[:2])
    network = trained(net, images, labels, FLOAT_EPOCHS)
    torch.save(net.state_dict(), file)
    return network


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
    parser.add_argument("--work", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    text = table([measured(seed + 1, options.epochs, options.work) for seed in range(options.seeds)])
    print(text)
    if options.page:
        replace(options.page, "trained_digits.py", text)


if __name__ == "__main__":
    main()
