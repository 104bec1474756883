"""Random graphs through hls4ml: the C simulation of each beside the integer graph.

    python benchmarks/random_hls.py --count 100 --out random_hls.json [--first 0]

Seed by seed a network of tests/random_nets.py and one of tests/random_dags.py, in turn as whole tensors and
in streams, with the latency and the resource strategy; those with an op that is refused are counted and
passed over. The result is written after each; a run that was stopped goes on where it ended. Exit code 1 if
an integer differs.
"""

import argparse
import json
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from random_dags import random_dag  # noqa: E402  (test helpers, found by the line above)
from random_nets import random_net  # noqa: E402

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="graphs that are simulated")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    result = {"next": args.first, "equal": 0, "refused": 0, "differs": []}
    if args.out.exists():
        result = json.loads(args.out.read_text(encoding="utf-8"))
    while result["equal"] + len(result["differs"]) < args.count:
        seed = result["next"]
        for make in (random_net, random_dag):
            said = attempt(make(seed), seed)
            if said == "equal":
                result["equal"] += 1
            elif said.startswith("refused"):
                result["refused"] += 1
            else:
                result["differs"].append(f"{make.__name__} {said}")
                print(said, flush=True)
        result["next"] += 1
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['equal']} graphs equal, {len(result['differs'])} differ, {result['refused']} refused")
    return 1 if result["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
