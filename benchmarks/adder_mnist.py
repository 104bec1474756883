"""LeNet-5 of adder layers on MNIST beside its multiplying twin: trained, quantized each way, exported.

    python benchmarks/adder_mnist.py --data DIR --work DIR [--epochs N] [--tuning-epochs N] [--write PAGE]

DIR holds MNIST's four .gz files. Everything trained or measured is kept in the work folder, so that a run
that was stopped goes on where it was; delete the folder to start anew. The folder also gets the networks of
8 bits, ``lenet_adder_int8.onnx`` and ``lenet_cnn_int8.onnx`` (QONNX), and their graphs, ``...graph.onnx``.
About 20 minutes of one CPU core.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from rich.console import Console
from torch import nn

from adder_lenet import Mnist, calibrated, lenet, load_mnist, multiplying, shifted, with_output
from adder_mnist_page import page
from adder_table import METHODS, TUNED, TWIN, WIDTHS, Results
from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.ir.io import save
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.quant.adder import ADDER_LAYERS
from gatewright.quant.adder_ptq import unsigned
from gatewright.quant.adder_training import Recipe, accuracy, as_floats, train
from gatewright.quant.frozen_norm import freeze_norms

EPOCHS, TUNING_EPOCHS = 14, 1
RATES = {"adder": 0.1, "cnn": 0.05}
TUNING_RATE = 0.01


class Bench:
    """The work folder: trained networks, and what was measured of them."""

    def __init__(self, options: argparse.Namespace, console: Console):
        self.work, self.console = options.work, console
        self.epochs, self.tuning_epochs = options.epochs, options.tuning_epochs
        self.data: Mnist = load_mnist(options.data)
        self.results = Results(self.work, console)

    def trained(self, kind: str) -> nn.Sequential:
        """The float network, from its checkpoint where it is finished."""
        torch.manual_seed(1)
        model = lenet(kind == "adder")
        recipe = Recipe(self.epochs, learning_rate=RATES[kind])
        data = self.data
        file = self.work / f"{kind}.pt"
        train(model, data.train_images, data.train_labels, recipe, file, shifted, self.console)
        return model.eval()

    def tuned(self, model: nn.Sequential, ranges: dict, bits: int) -> nn.Sequential:
        """Quantization-aware training of the unsigned form, from the float network's weights."""
        network = unsigned(model, ranges, bits, learned=True)
        recipe = Recipe(self.tuning_epochs, learning_rate=TUNING_RATE)
        data = self.data
        file = self.work / f"tuned_{bits}.pt"
        train(network, data.train_images, data.train_labels, recipe, file, shifted, self.console)
        return network.eval()

    def accuracy(self, model: nn.Module) -> float:
        """Percent of the 10,000 test images."""
        return round(100 * accuracy(model, self.data.test_images, self.data.test_labels), 2)

    def measure(self, adder: nn.Sequential, cnn: nn.Sequential) -> None:
        """All cells of the table."""
        ranges, logits = calibrated(adder, self.data)
        twin_ranges, twin_logits = calibrated(cnn, self.data)
        self.results.once("adder float", lambda: self.accuracy(adder))
        self.results.once("cnn float", lambda: self.accuracy(cnn))
        self.results.once("outside", lambda: outside(adder, ranges))
        self.results.once("within", lambda: within(adder, ranges))
        for bits in WIDTHS:
            for name, method in METHODS.items():
                model = with_output(method(adder, ranges, bits), logits)
                self.results.once(f"{name} {bits}", lambda model=model: self.accuracy(model))
            model = with_output(multiplying(cnn, twin_ranges, bits), twin_logits)
            self.results.once(f"{TWIN} {bits}", lambda model=model: self.accuracy(model))
        for bits in WIDTHS:
            tune = lambda bits=bits: with_output(self.tuned(adder, ranges, bits), logits)  # noqa: E731
            self.results.once(f"{TUNED} {bits}", lambda tune=tune: self.accuracy(tune()))

    def export(self, kind: str, model: nn.Sequential) -> None:
        """Write the 8-bit network and compare its integer graph with the module on every test image."""
        ranges, logits = calibrated(model, self.data)
        quantized = unsigned(model, ranges, 8) if kind == "adder" else multiplying(model, ranges, 8)
        quantized = freeze_norms(with_output(quantized, logits))
        file = self.work / f"lenet_{kind}_int8.onnx"
        # ONNX Runtime refuses the IR version that this onnx writes by itself.
        onnx.IR_VERSION = 10
        example = torch.zeros(1, 1, 28, 28)
        export_qonnx(quantized, example, export_path=str(file), opset_version=13, dynamo=False)
        graph = run_passes(load_model(file))
        save(graph, self.work / f"lenet_{kind}_int8.graph.onnx")
        self.results.once(f"{kind} export", lambda: self.compare(quantized, graph))

    def compare(self, module: nn.Sequential, graph: Graph) -> dict[str, float]:
        """Logits that differ between module and integer graph, and the graph's accuracy in percent."""
        scale = float(module[-1].act_quant.scale())
        differ = hits = 0
        images, labels = self.data.test_images, self.data.test_labels
        for part, truth in zip(images.split(500), labels.split(500), strict=True):
            floats = as_floats(part)
            with torch.no_grad():
                codes = np.rint(module(floats).numpy() / scale)
            own = evaluate(graph, graph.encodings[0].apply(floats.numpy(), graph.inputs[0].type))[0]
            differ += int((own != codes).sum())
            hits += int((own.argmax(1) == truth.numpy()).sum())
        return {"differ": differ, "accuracy": round(100 * hits / len(labels), 2)}


def outside(model: nn.Sequential, ranges: dict[str, float]) -> dict[str, float]:
    """The share of each adder layer's weights outside [0, A], which the unsigned form clamps, in percent."""
    weights = adder_weights(model)
    beyond = {name: (w < 0) | (w > ranges[name]) for name, w in weights.items()}
    return {name: round(100 * found.double().mean().item(), 1) for name, found in beyond.items()}


def within(model: nn.Sequential, ranges: dict[str, float]) -> list[int]:
    """How many filters have all their weights in [-A, A], and how many there are."""
    weights = adder_weights(model)
    largest = {name: w.abs().flatten(1).amax(1) for name, w in weights.items()}
    return [sum(int((v <= ranges[n]).sum()) for n, v in largest.items()), sum(map(len, largest.values()))]


def adder_weights(model: nn.Sequential) -> dict[str, torch.Tensor]:
    """The weights of each adder layer, by name."""
    layers = model.named_children()
    return {n: layer.weight.detach() for n, layer in layers if isinstance(layer, ADDER_LAYERS)}


def main(arguments: list[str]) -> int:
    """Train, measure, export, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's four .gz files")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and results")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--tuning-epochs", type=int, default=TUNING_EPOCHS)
    parser.add_argument("--write", type=Path, help="docs page to write")
    options = parser.parse_args(arguments)
    # Small tensors: a second thread gains little, and would sum in another order.
    torch.set_num_threads(1)
    console = Console()
    bench = Bench(options, console)
    adder, cnn = bench.trained("adder"), bench.trained("cnn")
    bench.export("adder", adder)
    bench.export("cnn", cnn)
    bench.measure(adder, cnn)
    if options.write:
        options.write.write_text(page(bench.results.values, options.epochs, options.tuning_epochs))
        console.print(f"written: {options.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
