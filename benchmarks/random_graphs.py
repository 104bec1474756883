"""Hunt for graphs on which ONNX Runtime and the reference disagree.

    python benchmarks/random_graphs.py --count 2000 --seed 0

Draws random graphs over all ops, with branches (tests/strategies.py), and compares every output integer of
the graph, the graph behind the default passes, and ONNX Runtime on the exported file of each, with graph
optimisation off and on. A disagreement is shrunk and written to --keep as a .gw file with its frames; the
graphs of one seed are always the same.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from gatewright.compiler.export_onnx import export_onnx
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.ir.ops import OPS
from gatewright.compiler.ir.text import to_text
from gatewright.compiler.passes.pipeline import run

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from onnx_executor import run_onnx  # noqa: E402
from strategies import graphs_with_inputs, run_through, to_frames  # noqa: E402

# Graphs of one seed; Hypothesis varies what it drew before, so that small batches differ more.
_BATCH = 100


class Hunt:
    """What was seen so far."""

    def __init__(self, keep: Path):
        self.keep = keep
        self.ops: Counter = Counter()
        self.after: Counter = Counter()
        self.bits: Counter = Counter()
        self.graphs = self.integers = self.branches = 0
        self.failed: list[int] = []
        self.worst: tuple[Graph, tuple[np.ndarray, ...]] | None = None

    def batch(self, number: int, count: int) -> None:
        """Compare ``count`` graphs of one seed; writes the smallest that disagrees."""
        self.worst = None

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(graphs_with_inputs())
        def compare(case):
            self._compare(*case)

        try:
            compare()
        except Exception as error:  # whatever ONNX Runtime or we raise is a find
            self.failed.append(number)
            self._write(number, error)

    def _compare(self, graph: Graph, frames: tuple[np.ndarray, ...]) -> None:
        try:
            self._check(graph, frames)
        except Exception:
            # Hypothesis shrinks, so that the last one is the smallest.
            self.worst = graph, to_frames(graph, frames)
            raise

    def _check(self, graph: Graph, frames: tuple[np.ndarray, ...]) -> None:
        after = run(graph)
        sources = run_through(graph, frames), run_through(after, frames)
        for before, now in zip(*sources, strict=True):
            if not np.array_equal(before, now):
                raise AssertionError("the passes change an output")
        for step, tally in ((graph, self.ops), (after, self.after)):
            self._against_onnx(step, to_frames(step, frames))
            tally.update(n.op.name for n in step.nodes())
        self.graphs += 1
        self.integers += sum(w.size for w in sources[0])
        self.bits.update(n.type.dtype.bits for n in graph.nodes())
        users = Counter(id(v) for n in graph.nodes() for v in n.inputs)
        self.branches += any(users[id(n)] > 1 for n in graph.nodes())

    def _against_onnx(self, graph: Graph, frames: tuple[np.ndarray, ...]) -> None:
        model, wanted = export_onnx(graph), evaluate(graph, *frames)
        for optimise in (False, True):
            for got, want in zip(run_onnx(model, frames, optimise), wanted, strict=True):
                if got.shape != want.shape or not np.array_equal(got, want):
                    raise AssertionError(f"ONNX Runtime disagrees (optimise={optimise})")

    def _write(self, number: int, error: Exception) -> None:
        for part in getattr(error, "exceptions", (error,)):
            print(f"seed {number}: {type(part).__name__}: {str(part)[:300]}", flush=True)
        if self.worst is None:
            return
        graph, frames = self.worst
        self.keep.mkdir(parents=True, exist_ok=True)
        (self.keep / f"seed_{number}.gw").write_text(to_text(graph), encoding="utf-8")
        np.savez(self.keep / f"seed_{number}.npz", *frames)
        print(f"  smallest graph: {self.keep / f'seed_{number}.gw'}", flush=True)


def main() -> int:
    """Run the hunt; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="graphs to compare")
    parser.add_argument("--seed", type=int, default=0, help="first seed; each gives 100 graphs")
    parser.add_argument("--keep", type=Path, default=Path("found"), help="folder for disagreements")
    args = parser.parse_args()
    hunt, start = Hunt(args.keep), time.perf_counter()
    for i, done in enumerate(range(0, args.count, _BATCH)):
        hunt.batch(args.seed + i, min(_BATCH, args.count - done))
    seconds = time.perf_counter() - start
    nodes = sum(hunt.ops.values())
    print(f"{hunt.graphs} graphs ({hunt.branches} with branches), {nodes} nodes")
    print(f"{hunt.integers} integers in {seconds:.0f} s")
    print(f"widths: {min(hunt.bits, default=0)} to {max(hunt.bits, default=0)} bits")
    for label, tally in (("before", hunt.ops), ("after", hunt.after)):
        print(f"{label} the passes: " + ", ".join(f"{op.name} {tally[op.name]}" for op in OPS))
    print(f"{len(hunt.failed)} seeds disagree: {hunt.failed}" if hunt.failed else "all equal")
    return 1 if hunt.failed else 0


if __name__ == "__main__":
    sys.exit(main())
