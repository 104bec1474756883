"""Run as a script by test_digits.py: Brevitas' activation codes against the integer graph's, in one process.

Prints, per quantizer, how many codes differ over the test images.
"""

import sys
from pathlib import Path

import brevitas.nn as qnn
import torch
from rich.console import Console

from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.evaluate import trace
from gatewright.compiler.ir.graph import Node
from gatewright.compiler.ir.ops import Threshold
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.driver.data import encode


def main(example_folder: str, out: str, scales: str) -> None:
    """Train two epochs, export, compare."""
    sys.path.insert(0, example_folder)
    import digits

    torch.set_num_threads(1)
    torch.manual_seed(1)
    data, model = digits.load_split(), digits.build(scales)
    digits.train(model, data, 2, 1, Console(quiet=True))
    digits.export(model, data, Path(out))
    graph = run_passes(load_model(Path(out) / "digits.onnx"))
    seen = []
    for module in model:
        if isinstance(module, qnn.QuantReLU):
            module.register_forward_hook(lambda _, args, result: seen.append(result))
    model.eval()
    with torch.no_grad():
        model(data.test_images)
    values = trace(graph, encode(graph, data.test_images.numpy()))
    ours = [values[id(v)] for v in graph.values() if isinstance(v, Node) and isinstance(v.op, Threshold)]
    assert len(ours) == len(seen) == 2
    for mine, theirs in zip(ours, seen, strict=True):
        codes = theirs.int().numpy().transpose(0, 2, 3, 1)
        assert codes.max() > 3  # a real activation, not a dead one
        print(int((mine != codes).sum()), "of", codes.size)


if __name__ == "__main__":
    main(*sys.argv[1:])
