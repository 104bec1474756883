"""Small seeded graphs with a source layout of their own, for tests of the driver and the command line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from gatewright.compiler.ir.boundary import InputEncoding, OutputDecoding
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Const, Graph, input_of
from gatewright.compiler.ir.io import save
from gatewright.compiler.ir.ops import Conv2d, MatMul, MaxPool, Reshape, Threshold

ULX3S, ICEBREAKER, TANG, PYNQ = (
    "radiona_ulx3s_85f", "1bitsquared_icebreaker", "sipeed_tang_nano_20k", "tul_pynq_z2",
)  # fmt: skip


def image_net(seed: int = 1) -> Graph:
    """(6, 5, 2) in [0..7], source (2, 6, 5) floats in steps of 0.5, through a conv to a (2, 2, 3) image whose
    source order is (3, 2, 2) and whose floats are a quarter of the integers."""
    rng = np.random.default_rng(seed)
    x = input_of("x", (6, 5, 2), 0, 7)
    conv = Conv2d((1, 1), (1, 1, 1, 1))(x, Const(rng.integers(-4, 4, (3, 3, 2, 4))), name="conv")
    act = Threshold()(conv, Const(np.sort(rng.integers(-40, 41, (4, 3)))), name="act")
    pool = MaxPool((2, 2), (2, 2))(act, name="pool")
    last = Conv2d((1, 1))(pool, Const(rng.integers(-8, 8, (2, 1, 4, 3))), name="head")
    steps = (np.arange(1, 8, dtype=np.float32) * 0.5 - 0.25)[None]
    return Graph(
        (x,), (last,), "image",
        (InputEncoding((2, 6, 5), (1, 2, 0), steps, 0.5),),
        (OutputDecoding((3, 2, 2), (2, 0, 1), np.array([0.25]), np.zeros(1)),),
    )  # fmt: skip


def vector_net(seed: int = 1, size: int = 6, classes: int = 3) -> Graph:
    """``size`` bipolar inputs to ``classes`` sums; the smallest thing with a weight, without encodings."""
    rng = np.random.default_rng(seed)
    x = input_of("x", (size,), -1, 1, 2)
    hidden = MatMul()(x, Const(rng.choice([-1, 1], (size, 4))), name="fc")
    act = Threshold(-1, 2)(hidden, Const(np.zeros((1, 1), dtype=int)), name="sign")
    out = MatMul()(Reshape((4,))(act), Const(rng.choice([-1, 1], (4, classes))), name="out")
    return Graph((x,), (out,), "vector")


def saved(folder: Path, graph: Graph, name: str = "model.onnx") -> Path:
    """The graph as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    save(graph, folder / name)
    return folder / name


def source_frames(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    """Floats (count, 2, 6, 5) for ``image_net``: beyond both ends of the range, and between its steps."""
    return np.random.default_rng(seed).uniform(-1, 5, (count, *graph.encodings[0].source_shape))


def outputs(graph: Graph, frames: np.ndarray) -> np.ndarray:
    """The reference's integers for a source's frames, in the source's layout."""
    quantized = graph.encodings[0].apply(frames, graph.inputs[0].type)
    return graph.decodings[0].integers(evaluate(graph, quantized)[0])


def start(arguments, cwd: Path, **env) -> subprocess.Popen:
    """``python -m gatewright`` as a process of its own, output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "gatewright", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
