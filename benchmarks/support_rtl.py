"""Simulate every example that docs/support.md says an FPGA takes, and compare it with the reference.

    python benchmarks/support_rtl.py [--frames 3] [--seed 0] [--match CONV]

Each example of tests/support_*.py is imported, folded at random, and run in Icarus with gaps and stalls.
Exit code 1 if an output integer differs.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from gatewright.compiler.frontends import load_model
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.driver.coverage import coverage
from gatewright.hw.build import assemble
from gatewright.hw.layers import layers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from random_nets import frames_for, random_folds  # noqa: E402
from support_onnx import Example  # noqa: E402
from support_table import SECTIONS  # noqa: E402
from test_lowering import run_in_icarus  # noqa: E402


def graph_of(example: Example) -> Graph:
    """The example's graph after the passes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example"
        path.write_bytes(example.build())
        return run_passes(load_model(path))


def differing(graph: Graph, frames: int, seed: int) -> tuple[int, int]:
    """Output integers that differ between Icarus and the reference, and how many there are."""
    chain = layers(graph)
    design = assemble("example", chain, random_folds(seed, chain))
    given = frames_for(seed, graph, frames)
    got, _ = run_in_icarus(graph, design, given, gap=0.2, stall=0.2, seed=seed)
    return int((got != evaluate(graph, given)[0]).sum()), got.size


def main(arguments: list[str]) -> int:
    """One line per example; 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--match", default="", help="only operators that contain this")
    options = parser.parse_args(arguments)
    done = wrong = 0
    for example in (e for _, _, examples in SECTIONS for e in examples if options.match in e.op):
        graph = graph_of(example)
        covered = coverage(graph)
        if covered.refused or covered.faults:
            continue
        started = time.perf_counter()
        bad, size = differing(graph, options.frames, options.seed)
        done, wrong = done + 1, wrong + bool(bad)
        seconds = time.perf_counter() - started
        print(f"{example.op} {example.form}: {bad} of {size} integers differ, {seconds:.1f} s", flush=True)
    print(f"{done} examples simulated, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
