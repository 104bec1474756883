"""Multiplications, or distances, per instruction of single layers on ARM beside the instructions' limits.

    python benchmarks/arm_kernels.py [--write] [--keep FILE] [--cores cortex-a72 ...]

Each layer, requantization included, becomes a library for each core. Its integers must equal the reference;
its instructions are counted under qemu. With ``--write`` the tables become docs/arm-kernels.md. Exits with 1
where fewer bits or adder layers miss their bar. ``--keep`` lets
a run that was stopped go on; without it, or with a file of an older compiler deleted, a quarter of an hour of
one core.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from adder_nets import adder_codes, adder_layer, five_adder_layers  # noqa: E402
from arm_bench import Batch, Case  # noqa: E402
from arm_kernels_page import Count, page  # noqa: E402
from gatewright.compiler.ir.graph import Const, Graph, Node, input_of  # noqa: E402
from gatewright.compiler.ir.ops import AdderConv2d, AdderMatMul, Conv2d, MatMul  # noqa: E402
from gatewright.errors import GatewrightError, ToolError  # noqa: E402
from gatewright.hw.flow import tools  # noqa: E402
from gatewright.sim.qemu import by_function  # noqa: E402
from graph_builder import arrays  # noqa: E402
from low_bit_nets import ACTIVATIONS, WEIGHTS, five_convolutions, requantized, weights  # noqa: E402

PAGE = ROOT / "docs" / "arm-kernels.md"
CORES = ("cortex-a9", "cortex-a72", "cortex-a76")
# The least and the greatest frame are among these.
FRAMES = 3
_PADDED = (1, 1, 1, 1)


@dataclass(frozen=True)
class Layer:
    """A product or adder layer, and what requantizes it, at each of ``bits``."""

    title: str
    shape: tuple[int, ...]
    weights: tuple[int, ...]
    op: Conv2d | MatMul | AdderConv2d | AdderMatMul
    bits: tuple[int, ...] = (8,)

    def graph(self, bits: int) -> Graph:
        """The layer with weights as training leaves them."""
        rng, codes = np.random.default_rng(1), ACTIVATIONS.get(bits)
        if isinstance(self.op, AdderConv2d | AdderMatMul):
            codes = adder_codes(bits)
            x = input_of("x", self.shape, codes.lo, codes.hi)
            return Graph((x,), (adder_layer(rng, x, self.op, self.weights, adder_codes(min(bits, 8))),))
        x = input_of("x", self.shape, codes.lo, codes.hi, codes.step)
        product = Node(self.op, (x, Const(weights(rng, self.weights, WEIGHTS[bits]))))
        return Graph((x,), (requantized(rng, product, codes),))


_ALL = (8, 4, 2, 1)
ADDERS = (8, 6, 5, 4)
LAYERS = (
    Layer("3x3, 64 to 64 channels, 16x16", (16, 16, 64), (3, 3, 64, 64), Conv2d(pads=_PADDED), _ALL),
    Layer("3x3, 32 to 32 channels, 64x64", (64, 64, 32), (3, 3, 32, 32), Conv2d(pads=_PADDED)),
    Layer("1x1, 128 to 128 channels, 16x16", (16, 16, 128), (1, 1, 128, 128), Conv2d(), _ALL),
    Layer("dense, 512 to 512", (512,), (512, 512), MatMul()),
    Layer(
        "depthwise 3x3, 128 channels, 16x16", (16, 16, 128), (3, 3, 1, 128), Conv2d(pads=_PADDED, groups=128)
    ),
    Layer(
        "adder 3x3, 64 to 64 channels, 16x16",
        (16, 16, 64),
        (3, 3, 64, 64),
        AdderConv2d(pads=_PADDED),
        (16, 8, 7, 6, 4),
    ),
    Layer("adder 1x1, 128 to 128 channels, 16x16", (16, 16, 128), (1, 1, 128, 128), AdderConv2d(), (8, 4)),
    Layer("adder dense, 512 to 512", (512,), (512, 512), AdderMatMul(), (8, 4)),
)


def measure(
    title: str, bits: int, graph: Graph, core: str, frames: tuple[np.ndarray, ...] | None = None
) -> Count:
    """Instructions of one inference of the library's functions, its integers compared first.

    Args:
        frames: inputs, at least FRAMES of each; drawn by default.
    Raises:
        ToolError: its integers differ from the reference.
    """
    if frames is None:
        frames = tuple(arrays(np.random.default_rng(2), i.type, FRAMES) for i in graph.inputs)
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        batch = Batch([Case(graph, frames)], core, Path(folder))
        wrong = batch.differences()
        if wrong:
            raise ToolError(f"{title}, {bits} bit, {core}: must equal the reference. {wrong[0]}")
        short, long = (_inside(batch, count) for count in (1, FRAMES))
    kernels = [call.kernel for call in batch.programs[0].calls if call.macs]
    macs = sum(call.macs for call in batch.programs[0].calls)
    return Count(title, bits, core, macs, (long - short) / (FRAMES - 1), tuple(map(_kind, kernels)))


def _inside(batch: Batch, frames: int) -> int:
    """Instructions in kernels and in what calls them; reading and writing of files is left out."""
    counts = by_function(batch.folder / "all", batch.run(blocks=True, frames=frames))
    return sum(n for name, n in counts.items() if name.startswith("g0_"))


def _kind(kernel: str) -> str:
    """gwk_depthwise_dot_3 is "depthwise_dot"."""
    return "_".join(kernel.split("_")[1:-1])


class Kept:
    """Counts by layer, bits and core, one JSON line each in a file, if there is one."""

    def __init__(self, file: Path | None):
        self.file, self._known = file, {}
        lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
        for line in lines:
            self._add(Count(**json.loads(line)))

    def _add(self, count: Count) -> None:
        count = replace(count, kernels=tuple(count.kernels))
        self._known[count.title, count.bits, count.core] = count

    def count(self, title: str, bits: int, core: str, graph: Callable[[], Graph]) -> Count:
        """The count that is known, or is measured now."""
        if (title, bits, core) not in self._known:
            count = measure(title, bits, graph(), core)
            print(count, file=sys.stderr)
            self._add(count)
            if self.file:
                with self.file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(count)) + "\n")
        return self._known[title, bits, core]


def main(argv: Sequence[str] | None = None) -> int:
    """Measures all layers and the networks on all cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    parser.add_argument("--keep", type=Path, help="file of counts: known ones stay, new ones are added")
    parser.add_argument("--cores", nargs="+", default=list(CORES), choices=CORES, help="not with --write")
    args = parser.parse_args(argv)
    if args.write and args.cores != list(CORES):
        parser.error("--write: the page has all cores")
    kept, layers, networks, adders = Kept(args.keep), [], [], []
    for core in args.cores:
        for layer in LAYERS:
            for bits in layer.bits:
                layers.append(kept.count(layer.title, bits, core, partial(layer.graph, bits)))
        for bits in _ALL:
            networks.append(kept.count("five convolutions", bits, core, partial(five_convolutions, bits)))
        for bits in ADDERS:
            adders.append(kept.count("five adder layers", bits, core, partial(five_adder_layers, bits)))
    text, met = page(layers, networks, adders, tools.find("qemu-aarch64").version)
    print(text)
    if args.write:
        PAGE.write_text(text, encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except GatewrightError as error:
        sys.exit(f"arm_kernels: {error}")
