"""Simulate random networks in random foldings and compare them with the reference, however many.

    python benchmarks/random_rtl.py --count 3000 --out random_rtl.json [--first 0] [--foldings 1]

Networks are those of tests/random_dags.py, of which CI tries a few hundred. Each is folded at random and runs
in Icarus: ten frames under random gaps and stalls; and every fifth ten more free-running, which must come in
the interval told. In every second design ROMs share block RAM. The result is written after every network; a
run that was stopped goes on where it ended. Exit code 1 if a network fails; its seed stays in the result.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from gatewright.errors import GatewrightError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from dag_bench import check_network, designed  # noqa: E402

_EVERY = 20  # networks from one line of progress to the next
_TIMED = 5  # of so many networks the interval of one is measured


def attempt(seed: int, folding: int) -> str:
    """What is wrong with a network in a folding; nothing where it equals the reference in time."""
    try:
        check_network(seed, folding, interval=seed % _TIMED == 0)
    except (AssertionError, GatewrightError) as error:
        return f"{type(error).__name__}: {str(error).strip()}"
    return ""


def add_network(result: dict, seed: int, foldings: int) -> None:
    """Add one network in each of its foldings to the result."""
    started = time.process_time() + _children()
    for folding in range(seed % 2, seed % 2 + foldings):
        error = attempt(seed, folding)
        if error:
            result["failing"].append({"seed": seed, "folding": folding, "error": error})
            print(f"seed {seed}, folding {folding}: {error}", flush=True)
            continue
        graph, design = designed(seed, folding)
        result["ops"] = dict(Counter(result["ops"]) + Counter(n.op.name for n in graph.nodes()))
        result["units"] = dict(Counter(result["units"]) + Counter(i.unit.module for i in design.instances))
    result["networks"] += 1
    result["cpu_seconds"] = round(result["cpu_seconds"] + time.process_time() + _children() - started, 1)


def _children() -> float:
    """CPU seconds of the simulators that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def resumed(path: Path, first: int, foldings: int) -> dict:
    """The result to go on with.

    Raises:
        SystemExit: the file at ``path`` is of another run.
    """
    fresh = {
        "first": first, "foldings": foldings, "networks": 0, "cpu_seconds": 0.0,
        "failing": [], "ops": {}, "units": {},
    }  # fmt: skip
    if not path.exists():
        return fresh
    found = json.loads(path.read_text(encoding="utf-8"))
    if (found["first"], found["foldings"]) != (first, foldings):
        raise SystemExit(f"{path}: holds another run, from {found['first']}. Give --out another name.")
    return found


def main(arguments: list[str]) -> int:
    """Progress lines and the result; 1 if a network fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="seed of the first network")
    parser.add_argument("--foldings", type=int, default=1, help="of each network")
    parser.add_argument("--out", type=Path, default=Path("random_rtl.json"))
    options = parser.parse_args(arguments)
    result = resumed(options.out, options.first, options.foldings)
    while result["networks"] < options.count:
        add_network(result, options.first + result["networks"], options.foldings)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        done = result["networks"]
        if done % _EVERY == 0 or done == options.count:
            failing = len(result["failing"])
            print(f"{done} of {options.count}, {failing} fail, {result['cpu_seconds']:.0f} s CPU", flush=True)
    return 1 if result["failing"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
