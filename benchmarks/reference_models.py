"""Other people's trained models, imported and run on their own test data in exact integers.

    python benchmarks/reference_models.py --data DIR

DIR (or the environment variable GATEWRIGHT_DATA) holds ``mnist/`` and ``models/`` as described in
docs/exactness.md. The last column is what the model's authors, or an independent run, report.
"""

import argparse
import gzip
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.errors import GatewrightError, InputError


@dataclass(frozen=True)
class Case:
    """A model, its test data (inputs for the model, labels), and the share of right answers expected."""

    name: str
    model: str
    data: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    expected: float


def mnist(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images as floats (N, 1, 28, 28) in [0, 1], and their labels."""
    pixels = _idx(root / "mnist/t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return (pixels / np.float32(255)).astype(np.float32), _idx(root / "mnist/t10k-labels-idx1-ubyte.gz", 8)


def keywords(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """1,000 keyword spectra as floats (N, 1, 10, 49), and their labels."""
    data = np.load(root / "models/kws_w3a3/test_1000.npz", allow_pickle=False)
    floats = data["inputs"].astype(np.float32) * np.float32(0.33674)
    return floats.reshape(-1, 1, 10, 49), data["labels"]


def finn_samples(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """FINN's four images, pixels 0..255, and the classes that FINN gives for them."""
    folder = root / "models/finn_tfc_w1a1"
    images = np.load(folder / "input.npy", allow_pickle=False)
    labels = np.load(folder / "expected_output.npy", allow_pickle=False)
    return images.reshape(-1, 1, 28, 28).astype(np.int64), labels.reshape(-1).astype(np.int64)


CASES = (
    Case("TFC 1W1A, MNIST", "models/tfc/TFC_1W1A.onnx", mnist, 0.9296),
    Case("TFC 2W2A, MNIST", "models/tfc/TFC_2W2A.onnx", mnist, 0.9660),
    Case("KWS W3A3, keywords", "models/kws_w3a3/model.onnx", keywords, 0.825),
    Case("FINN TFC W1A1, samples", "models/finn_tfc_w1a1/model.onnx", finn_samples, 1.0),
)


def answers(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """The class of each input: the largest float output, or the output itself where it is an arg-max."""
    codes = graph.encodings[0].apply(inputs, graph.inputs[0].type)
    (result,) = evaluate(graph, codes)
    floats = graph.decodings[0].apply(result).reshape(len(inputs), -1)
    return floats[:, 0].astype(np.int64) if floats.shape[1] == 1 else floats.argmax(1)


def _idx(path: Path, header: int) -> np.ndarray:
    try:
        with gzip.open(path) as file:
            return np.frombuffer(file.read(), dtype=np.uint8, offset=header)
    except OSError as error:
        raise InputError(f"{path}: must be an idx file ({error}). Set --data to its folder.") from None


def main(arguments: list[str]) -> int:
    """Print the table; 1 if a result is not as expected, 2 if a file is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GATEWRIGHT_DATA"))
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("--data or GATEWRIGHT_DATA must name the folder with mnist/ and models/")
    table = Table("model", "frames", "right", "expected", "import s", "run s")
    good = True
    try:
        for case in CASES:
            started = time.perf_counter()
            graph = load_model(Path(options.data) / case.model)
            imported = time.perf_counter()
            inputs, labels = case.data(Path(options.data))
            share = float((answers(graph, inputs) == labels).mean())
            seconds = time.perf_counter() - imported
            good &= abs(share - case.expected) < 5e-5
            table.add_row(
                case.name, f"{len(labels):,}", f"{share:.2%}", f"{case.expected:.2%}",
                f"{imported - started:.2f}", f"{seconds:.2f}",
            )  # fmt: skip
    except GatewrightError as error:
        print(error, file=sys.stderr)
        return 2
    Console().print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
