"""MLPerf Tiny's TFLite models, imported and compared with LiteRT byte for byte.

    python benchmarks/tflite_models.py --data DIR [--random 1000] [--reciprocal]

DIR (or the environment variable GATEWRIGHT_DATA) holds ``models/mlperf_tiny_resnet`` and
``models/mlperf_tiny_kws``, each with ``model_int8.tflite`` and ``inputs/*.int8``. LiteRT comes with the
test extra. ``--reciprocal`` checks the softmax's reciprocal for every sum of up to 1,024 exponents.
benchmarks/mutations.py damages files.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from rich.console import Console
from rich.table import Table

from gatewright.compiler.frontends.tflite import load_tflite
from gatewright.compiler.frontends.tflite_fixed import reciprocal
from gatewright.compiler.frontends.tflite_softmax import MAX_CLASSES, NEAR
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.errors import GatewrightError, InputError

MODELS = {"ResNet-8, images": "mlperf_tiny_resnet", "DS-CNN, keywords": "mlperf_tiny_kws"}
_SEED = 2026
_CHUNK = 2**22


def given_inputs(folder: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """The inputs that come with a model, (N, *shape) int8, and the classes they are named after."""
    files = sorted((folder / "inputs").glob("*.int8"))
    if not files:
        raise InputError(f"{folder}/inputs: must hold inputs as *.int8. Set --data to their folder.")
    return np.stack([np.fromfile(f, np.int8).reshape(shape) for f in files]), [f.stem for f in files]


def litert(path: Path, frames: np.ndarray, resolver: OpResolverType) -> np.ndarray:
    """LiteRT's output codes for int8 frames, one after another."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out = interpreter.get_output_details()[0]["index"]
    results = []
    for frame in frames:
        interpreter.set_tensor(into, frame[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(out)[0])
    return np.stack(results)


def ours(graph: Graph, frames: np.ndarray) -> np.ndarray:
    """The integer graph's outputs in the model's own coding."""
    (result,) = evaluate(graph, graph.encodings[0].apply(frames, graph.inputs[0].type))
    return graph.decodings[0].integers(result)


def compare(path: Path, random: int, table: Table, name: str) -> bool:
    """One row: whether each byte of ours is the reference kernels', and how often the fast ones differ."""
    started = time.perf_counter()
    graph = load_tflite(path)
    seconds = time.perf_counter() - started
    shape = graph.encodings[0].source_shape
    given, _ = given_inputs(path.parent, shape)
    drawn = np.random.default_rng(_SEED).integers(-128, 128, (random, *shape)).astype(np.int8)
    good = True
    for label, frames in (("given", given), ("random", drawn)):
        reference = litert(path, frames, OpResolverType.BUILTIN_REF)
        fast = litert(path, frames, OpResolverType.AUTO)
        results = ours(graph, frames), ours(run_passes(graph), frames)
        wrong = [int((r != reference).sum()) for r in results]
        apart = (fast != reference).reshape(len(frames), -1)
        classes = (fast.argmax(1) != reference.argmax(1)).sum()
        good &= not any(wrong)
        table.add_row(
            name, label, f"{len(frames):,}", f"{reference.size:,}", f"{wrong[0]:,}", f"{wrong[1]:,}",
            f"{apart.sum():,}", f"{apart.any(1).sum():,}", f"{classes:,}", f"{seconds:.2f}",
        )  # fmt: skip
    return good


def reciprocal_falls(octaves: range) -> bool:
    """Whether, between powers of two, sums larger by NEAR or more never have a larger reciprocal.

    Compared for distances NEAR .. 2 * NEAR - 1, of which all larger ones are sums.
    """
    for octave in octaves:
        first, end = 2 ** (19 + octave), 2 ** (20 + octave)
        for start in range(first, end, _CHUNK):
            scale, _ = reciprocal(np.arange(start, min(start + _CHUNK + 2 * NEAR, end)))
            if any((scale[far:] > scale[:-far]).any() for far in range(NEAR, 2 * NEAR)):
                return False
    return True


def main(arguments: list[str]) -> int:
    """Print the figures; 1 if a byte differs from the reference kernels, 2 if a file is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GATEWRIGHT_DATA"))
    parser.add_argument("--random", type=int, default=1000)
    parser.add_argument("--reciprocal", action="store_true")
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("--data or GATEWRIGHT_DATA must name the folder with models/")
    table = Table(
        "model", "inputs", "frames", "bytes", "wrong", "after passes", "fast: bytes", "frames", "classes",
        "import s",
    )  # fmt: skip
    console, good = Console(width=130), True
    try:
        for name, folder in MODELS.items():
            path = Path(options.data) / "models" / folder / "model_int8.tflite"
            good &= compare(path, options.random, table, name)
    except GatewrightError as error:
        print(error, file=sys.stderr)
        return 2
    console.print(table)
    if options.reciprocal:
        falls = reciprocal_falls(range((MAX_CLASSES - 1).bit_length()))
        console.print(f"reciprocal falls over {NEAR} sums or more, up to {MAX_CLASSES:,} classes: {falls}")
        good &= falls
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
