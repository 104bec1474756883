"""Multiplications per instruction of single layers on ARM beside their instructions' limits.

    python benchmarks/arm_kernels.py [--write]

Each layer, requantization included, becomes a library for each core. Its integers must equal the reference;
its instructions are counted under qemu. With ``--write`` the tables become docs/arm-kernels.md. Exits with 1
where fewer bits miss their bar. Ten minutes of one core.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from arm_bench import Batch, Case  # noqa: E402
from arm_kernels_page import Count, page  # noqa: E402
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of  # noqa: E402
from gatewright.compiler.ir.ops import Conv2d, MatMul  # noqa: E402
from gatewright.errors import GatewrightError, ToolError  # noqa: E402
from gatewright.hw.flow import tools  # noqa: E402
from gatewright.sim.qemu import by_function  # noqa: E402
from graph_builder import arrays  # noqa: E402
from low_bit_nets import ACTIVATIONS, WEIGHTS, five_convolutions, requantized, weights  # noqa: E402

PAGE = ROOT / "docs" / "arm-kernels.md"
CORES = ("cortex-a9", "cortex-a72", "cortex-a76")
# The least and the greatest frame are among these.
_FRAMES = 3
_PADDED = (1, 1, 1, 1)


@dataclass(frozen=True)
class Layer:
    """A product and what requantizes it, at each of ``bits``."""

    title: str
    shape: tuple[int, ...]
    weights: tuple[int, ...]
    op: Conv2d | MatMul
    bits: tuple[int, ...] = (8,)

    def graph(self, bits: int) -> Graph:
        """The layer with weights as training leaves them."""
        rng, codes = np.random.default_rng(1), ACTIVATIONS[bits]
        x = input_of("x", self.shape, codes.lo, codes.hi, codes.step)
        product = Node(self.op, (x, Const(weights(rng, self.weights, WEIGHTS[bits]))))
        return Graph((x,), (requantized(rng, product, codes),))


_ALL = (8, 4, 2, 1)
LAYERS = (
    Layer("3x3, 64 to 64 channels, 16x16", (16, 16, 64), (3, 3, 64, 64), Conv2d(pads=_PADDED), _ALL),
    Layer("3x3, 32 to 32 channels, 64x64", (64, 64, 32), (3, 3, 32, 32), Conv2d(pads=_PADDED)),
    Layer("1x1, 128 to 128 channels, 16x16", (16, 16, 128), (1, 1, 128, 128), Conv2d(), _ALL),
    Layer("dense, 512 to 512", (512,), (512, 512), MatMul()),
    Layer(
        "depthwise 3x3, 128 channels, 16x16", (16, 16, 128), (3, 3, 1, 128), Conv2d(pads=_PADDED, groups=128)
    ),
)


def measure(title: str, bits: int, graph: Graph, core: str) -> Count:
    """Instructions of one inference of the library's functions, its integers compared first.

    Raises:
        ToolError: its integers differ from the reference.
    """
    frames = tuple(arrays(np.random.default_rng(2), i.type, _FRAMES) for i in graph.inputs)
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        batch = Batch([Case(graph, frames)], core, Path(folder))
        wrong = batch.differences()
        if wrong:
            raise ToolError(f"{title}, {bits} bit, {core}: must equal the reference. {wrong[0]}")
        short, long = (_inside(batch, frames) for frames in (1, _FRAMES))
    kernels = [call.kernel for call in batch.programs[0].calls if call.macs]
    macs = sum(call.macs for call in batch.programs[0].calls)
    return Count(title, bits, core, macs, (long - short) / (_FRAMES - 1), tuple(map(_kind, kernels)))


def _inside(batch: Batch, frames: int) -> int:
    """Instructions in kernels and in what calls them; reading and writing of files is left out."""
    counts = by_function(batch.folder / "all", batch.run(blocks=True, frames=frames))
    return sum(n for name, n in counts.items() if name.startswith("g0_"))


def _kind(kernel: str) -> str:
    """gwk_depthwise_dot_3 is "depthwise_dot"."""
    return "_".join(kernel.split("_")[1:-1])


def main(argv: Sequence[str] | None = None) -> int:
    """Measures all layers and the network on all cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    args = parser.parse_args(argv)
    layers, networks = [], []
    for core in CORES:
        for layer in LAYERS:
            for bits in layer.bits:
                layers.append(measure(layer.title, bits, layer.graph(bits), core))
                print(layers[-1], file=sys.stderr)
        for bits in _ALL:
            networks.append(measure("five convolutions", bits, five_convolutions(bits), core))
            print(networks[-1], file=sys.stderr)
    text, met = page(layers, networks, tools.find("qemu-aarch64").version)
    print(text)
    if args.write:
        PAGE.write_text(text, encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"arm_kernels: {error}")
