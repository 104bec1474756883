"""Random graphs through XLS: its interpreter on each beside the integer graph, and the RTL of some.

    python benchmarks/random_xls.py --count 50 --out random_xls.json [--first 0] [--rtl 5]

Seed by seed a network of tests/random_nets.py and one of tests/random_dags.py; those with an op that is
refused, with more than MOST operations unrolled, or which XLS's optimizer does not finish in half a minute,
are counted and passed over. Every RTL-th also becomes a
pipeline, of 1 to 4 stages in turn, which Icarus simulates with random gaps and stalls. The result is written
after each; a run that was stopped goes on where it ended. Exit code 1 if an integer differs.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gatewright import evaluate
from gatewright.compiler.ir.graph import Graph
from gatewright.compiler.xls.convert import dslx_of, work_of
from gatewright.compiler.xls.pipeline import FUNCTION, optimized, pipelined
from gatewright.driver.data import random_data
from gatewright.errors import LoweringError, ToolError
from gatewright.hw.library import closure
from gatewright.hw.verilog import top_level
from gatewright.hw.xls import pipeline_design
from gatewright.sim.rtl import compile_rtl
from gatewright.sim.xls import XlsFunction
from random_runs import options, run

_FRAMES = 50
# Of XLS's optimizer, which does not end on some graphs.
_SECONDS = 30.0
# Of a graph; XLS takes a few seconds for so many.
MOST = 6_000


def attempt(graph: Graph, seed: int, rtl: bool) -> str:
    """ "equal", or "refused", "unfinished" or "differs" and why."""
    if sum(work_of(node) for node in graph.nodes()) > MOST:
        return f"refused: more than {MOST} operations"
    frames = random_data(graph, _FRAMES).frames
    try:
        dslx = dslx_of(graph)
    except LoweringError as error:
        return f"refused: {error}"
    try:
        ir = optimized(dslx.text, _SECONDS)
    except ToolError as error:
        return f"unfinished: {error}"
    want = evaluate(graph, frames)[0].reshape(-1)
    design = pipeline_design(graph, 2)
    words = design.input.pack(frames)
    if not np.array_equal(design.output.unpack(XlsFunction(ir, dslx.in_bits).run(words)), want):
        return f"differs: seed {seed}"
    if rtl and not np.array_equal(simulated(graph, ir, seed, words), want):
        return f"differs: seed {seed} in RTL"
    return "equal"


def simulated(graph: Graph, ir: str, seed: int, words: list[int]) -> np.ndarray:
    """The results of a pipeline's RTL in Icarus, with gaps and stalls."""
    made = pipelined(ir, stages=1 + seed % 4)
    design = pipeline_design(graph, made.clocks)
    texts = {"accelerator.v": top_level(design, "accelerator"), f"{FUNCTION}.v": made.verilog}
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text)
        sources = [*closure(texts.values()).values(), *(Path(folder) / name for name in texts)]
        bits = design.input.bits, design.output.bits
        ran = compile_rtl("accelerator", sources, {}, *bits).run(
            words, len(words), gap=0.3, stall=0.3, seed=seed
        )
    return design.output.unpack(ran.words)


def main() -> int:
    """The command line."""
    parser = options(__doc__, 50)
    parser.add_argument("--rtl", type=int, default=5, help="of how many one is also simulated as RTL")
    args = parser.parse_args()
    return run(lambda graph, seed, equal: attempt(graph, seed, equal % args.rtl == 0), args)


if __name__ == "__main__":
    sys.exit(main())
