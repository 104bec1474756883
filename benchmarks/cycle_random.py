"""Hold the cycle model against RTL on random designs: every beat of every stream, and what FIFOs hold.

    python benchmarks/cycle_random.py --count 500 --out cycle_random.json [--first 0] [--tool verilator]

Networks are those of tests/random_dags.py, folded at random, in every second design with ROMs in common. Each
runs free, with random gaps, with random stalls and with both. The result is written after every design; a
run that was stopped goes on where it ended. Exit code 1 if a beat of a design moves in another clock than
modelled.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cycle_bench import Watched, differences, modelled  # noqa: E402
from dag_bench import designed  # noqa: E402

_FRAMES = 5
_MOST = 0.8  # of a gap's or a stall's probability


def attempt(seed: int, tool: str, result: dict) -> list[str]:
    """What differs in a design; its beats and units are added to the result."""
    _, design = designed(seed, seed % 2)
    gap, stall = np.random.default_rng(seed).uniform(0, _MOST, 2)
    found = []
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        watched = Watched(design, Path(folder), tool)
        for patterns in ({}, {"gap": gap}, {"stall": stall}, {"gap": gap, "stall": stall}):
            watched.run(_FRAMES, seed=seed, **patterns)
            found += differences(watched, modelled(design, _FRAMES, seed=seed, **patterns))
            result["beats"] += sum(times.size for times in watched.clocks.values())
    result["units"] = dict(Counter(result["units"]) + Counter(i.unit.module for i in design.instances))
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tool", choices=("icarus", "verilator"), default="icarus")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    result = {"tool": args.tool, "first": args.first, "designs": 0, "beats": 0, "units": {}, "failing": []}
    if args.out.exists():
        result = json.loads(args.out.read_text(encoding="utf-8"))
        if (result["tool"], result["first"]) != (args.tool, args.first):
            raise SystemExit(
                f"{args.out}: holds another run, in {result['tool']} from {result['first']}. Give --out "
                "another name."
            )
    while result["designs"] < args.count:
        seed = args.first + result["designs"]
        found = attempt(seed, args.tool, result)
        if found:
            result["failing"].append({"seed": seed, "found": found})
            print(f"seed {seed}: {'; '.join(found)}", flush=True)
        result["designs"] += 1
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    failing = len(result["failing"])
    print(f"{args.tool}: {result['designs']} designs, {result['beats']} beats, {failing} differ")
    return 1 if result["failing"] else 0


if __name__ == "__main__":
    sys.exit(main())
