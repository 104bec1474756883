"""The cycle model beside Verilator: seconds, and every output clock, for published networks.

    python benchmarks/simulator.py --data DIR [--only resnet8 cnv resnet18] [--frames 4] [--verilator]

DIR (or the environment variable GATEWRIGHT_DATA) as for benchmarks/tflite_models.py. Each network is folded
as on its page in docs; then the model works out frame after frame until times repeat. With ``--verilator``
the same frames run there too, and exit code 1 says that a clock differs. Seconds are those of the processor,
of a second run each; what compiling takes is no part of them.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from fpga_graphs import branches, cnv
from gatewright import load_model
from gatewright.boards import load as load_board
from gatewright.boards.schema import Board
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.hw.design import Design
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.cycle.simulate import Timing, simulate
from gatewright.sim.rtl import Simulation, compile_rtl

# Times the block RAM of a part whose own does not hold the weights, to have the RTL nevertheless.
_ROOMY = 8


@dataclass(frozen=True)
class Network:
    """What to fold: its graph before passes, the board, and the clocks a frame may take."""

    board: str
    interval: int
    make: Callable[[Path], Graph]
    roomy: bool = False


def _resnet18(size: int) -> Graph:
    import fpga_resnet  # Brevitas takes seconds to load

    with tempfile.TemporaryDirectory() as folder:
        return load_model(fpga_resnet.export(Path(folder) / "resnet18.onnx", size))


NETWORKS = {
    "resnet8": Network(
        "radiona_ulx3s_85f",
        150_000,
        lambda data: load_model(data / "models/mlperf_tiny_resnet/model_int8.tflite"),
    ),
    "dscnn": Network(
        "radiona_ulx3s_85f",
        25_000,
        lambda data: load_model(data / "models/mlperf_tiny_kws/model_int8.tflite"),
    ),
    "tfc_w1a1": Network("tul_pynq_z2", 98, lambda data: load_model(data / "models/tfc/TFC_1W1A.onnx")),
    "tfc_w2a2": Network("tul_pynq_z2", 98, lambda data: load_model(data / "models/tfc/TFC_2W2A.onnx")),
    "kws": Network("tul_pynq_z2", 1_746, lambda data: load_model(data / "models/kws_w3a3/model.onnx")),
    "cnv": Network("tul_pynq_z2", 10_928, lambda data: cnv()),
    "branches": Network("radiona_ulx3s_85f", 40_000, lambda data: branches()),
    "resnet18": Network("amd_zcu104", 2_000_000, lambda data: _resnet18(64), roomy=True),
    "resnet18_224": Network("amd_zcu104", 12_000_000, lambda data: _resnet18(224), roomy=True),
}


def folded(network: Network, data: Path) -> Design:
    """The network's design."""
    board: Board = load_board(network.board)
    if network.roomy:
        board = replace(board, part=replace(board.part, bram=board.part.bram * _ROOMY))
    graph = run_passes(network.make(data))
    return fold(graph.name, layers(graph), board, network.interval)


def timed(design: Design, frames: int) -> tuple[Timing, float]:
    """What the model says of as many frames, and its seconds."""
    simulate(design, frames)
    started = time.process_time()
    timing = simulate(design, frames)
    return timing, time.process_time() - started


def compiled(design: Design, folder: Path) -> Simulation:
    """The design in Verilator."""
    text = top_level(design, "accelerator")
    (folder / "accelerator.v").write_text(text)
    return compile_rtl(
        "accelerator", [folder / "accelerator.v", *closure([text]).values()], {},
        design.input.bits, design.output.bits, memories=memory_files(design), tool="verilator",
    )  # fmt: skip


def against_verilator(design: Design, timing: Timing) -> tuple[float, int]:
    """Verilator's seconds for the same frames, and how many outputs move in other clocks."""
    stream, frames = design.input, timing.frames
    values = np.random.default_rng(1).integers(0, stream.element.levels, frames * stream.beats * stream.lanes)
    words = stream.pack(stream.element.lo + stream.element.step * values)
    count = frames * design.output.beats
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        simulation = compiled(design, Path(folder))
        simulation.run(words[: stream.beats], design.output.beats)
        started = os.times().children_user
        trace = simulation.run(words, count)
        seconds = os.times().children_user - started
    return seconds, int((timing.out_clocks.reshape(-1) != trace.out_clocks).sum())


def told(name: str, design: Design, frames: int, verilator: bool) -> bool:
    """Print a network's figures; whether all clocks are equal."""
    timing, seconds = timed(design, frames)
    beats = sum(
        timing.worked * (i.input.beats + i.output.beats)
        for i in design.instances if i.unit.module == "gw_fifo"
    )  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{name}: {len(design.instances)} instances, {design.interval} clocks a frame told, "
        f"{timing.interval} found, first frame {timing.latency}; {timing.worked} of {frames} frames worked "
        f"out, {beats} beats in {seconds:.3f} s, {memory:.2f} GB",
        flush=True,
    )
    if not verilator:
        return True
    took, wrong = against_verilator(design, timing)
    print(
        f"{name}: Verilator {took:.1f} s, {took / seconds:.0f} times as long; {wrong} clocks differ",
        flush=True,
    )
    return wrong == 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GATEWRIGHT_DATA"))
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--verilator", action="store_true")
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data or set GATEWRIGHT_DATA")
    equal = [
        told(name, folded(NETWORKS[name], Path(args.data)), args.frames, args.verilator) for name in args.only
    ]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
