"""Random graphs through hls4ml: the C simulation of each beside the integer graph.

    python benchmarks/random_hls.py --count 100 --out random_hls.json [--first 0]

Seed by seed a network of tests/random_nets.py and one of tests/random_dags.py, in turn as whole tensors and
in streams, with the latency and the resource strategy; those with an op that is refused are counted and
passed over. The result is written after each; a run that was stopped goes on where it ended. Exit code 1 if
an integer differs.
"""

import os
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from gatewright import evaluate
from gatewright.compiler.hls.config import IO_TYPES, Settings
from gatewright.compiler.hls.convert import model_of
from gatewright.compiler.ir.graph import Graph
from gatewright.driver.data import random_data
from gatewright.errors import LoweringError
from gatewright.sim.hls import HlsSimulation
from random_runs import options, run

_FRAMES = 50
_PART, _CLOCK_NS = "xc7z020clg400-1", 10.0


def settings(seed: int) -> Settings:
    """In turn both io types, and both strategies."""
    strategy = ("Latency", "Resource")[seed // 2 % 2]
    reuse = 1 + seed % 4 if strategy == "Resource" else 1
    return Settings(_PART, _CLOCK_NS, IO_TYPES[seed % 2], {"Strategy": strategy, "ReuseFactor": reuse})


def attempt(graph: Graph, seed: int) -> str:
    """ "equal", or "refused" or "differs" and why."""
    frames = random_data(graph, _FRAMES).frames
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        try:
            with redirect_stdout(StringIO()):
                model_of(graph, settings(seed), folder).write()
        except LoweringError as error:
            return f"refused: {error}"
        found = HlsSimulation(Path(folder)).run(frames, graph.outputs[0].type.shape)
    return "equal" if np.array_equal(found, evaluate(graph, frames)[0]) else f"differs: seed {seed}"


def main() -> int:
    """The command line."""
    return run(lambda graph, seed, equal: attempt(graph, seed), options(__doc__, 100).parse_args())


if __name__ == "__main__":
    sys.exit(main())
