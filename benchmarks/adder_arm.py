"""Adder networks on ARM beside their multiplying twins: integers as in the graph, instructions per inference.

    python benchmarks/adder_arm.py --data DIR --work DIR [--images 100] [--cores cortex-a72 ...]

DIR of ``--data`` holds ``mnist/``; that of ``--work`` is the work folder of adder_mnist.py, with both LeNet-5
of 8 bits. Beside them stand the CNN of five 3x3 convolutions and its adder twin at 8 and 4 bits, with random
weights and frames. Every network becomes a library for each core, runs in qemu, and must give the integer
graph's integers, LeNet-5 on the first ``--images`` of MNIST's test. Prints a Markdown table: instructions per
inference of both, counted under qemu.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import arm_kernels
from adder_nets import five_adder_layers
from arm_kernels import Count, measure
from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.neon.isa import CORES
from gatewright.compiler.passes.pipeline import run
from gatewright.errors import GatewrightError
from low_bit_nets import five_convolutions
from reference_models import mnist

HEAD = """| network | bits | core | multiplying | adder | ratio | distances/instruction | frames equal |
|---|---|---|---|---|---|---|---|
"""


def row(multiplying: Count, adder: Count, frames: int) -> str:
    """A line of the table; both have given the graph's integers on all ``frames``."""
    figures = f"{multiplying.instructions:,.0f} | {adder.instructions:,.0f}"
    ratio, rate = adder.instructions / multiplying.instructions, adder.macs / adder.instructions
    core = adder.core.removeprefix("cortex-").upper()
    return f"| {adder.title} | {adder.bits} | {core} | {figures} | {ratio:.2f} | {rate:.1f} | {frames} |\n"


def lenets(work: Path, data: Path, count: int) -> list[tuple[Graph, tuple[np.ndarray]]]:
    """The multiplying and the adder LeNet-5, each with the first images as its integers."""
    images = mnist(data)[0][:count]
    graphs = [run(load_model(work / f"lenet_{kind}_int8.onnx")) for kind in ("cnn", "adder")]
    return [(g, (g.encodings[0].apply(images, g.inputs[0].type),)) for g in graphs]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--cores", nargs="+", default=list(CORES), choices=list(CORES))
    options = parser.parse_args(argv)
    pairs = [("LeNet-5", 8, lenets(options.work, options.data, options.images))]
    for bits in (8, 4):
        pairs.append(
            ("five layers", bits, [(g, None) for g in (five_convolutions(bits), five_adder_layers(bits))])
        )
    print(HEAD, end="", flush=True)
    for title, bits, pair in pairs:
        for core in options.cores:
            counts = [measure(title, bits, graph, core, frames) for graph, frames in pair]
            frames = options.images if pair[0][1] else arm_kernels.FRAMES
            print(row(*counts, frames), end="", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"adder_arm: {error}")
