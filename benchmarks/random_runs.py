"""What benchmarks of random graphs share: seed after seed, each result kept, until enough graphs have run."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from gatewright.compiler.ir.graph import Graph

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from random_dags import random_dag  # noqa: E402  (test helpers, found by the line above)
from random_nets import random_net  # noqa: E402

# Of (graph, its seed, how many were equal before): "equal", or "refused", "unfinished" or "differs" and why.
Attempt = Callable[[Graph, int, int], str]


def options(about: str, count: int) -> argparse.ArgumentParser:
    """A command line with --count, --first and --out.

    Args:
        about: the script's docstring.
        count: the default.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--count", type=int, default=count, help="graphs that are run")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    parser.add_argument("--out", type=Path, required=True, help="results, from which a stopped run goes on")
    return parser


def run(attempt: Attempt, args: argparse.Namespace, makers=(random_net, random_dag)) -> int:
    """A graph of each maker for each seed until ``args.count`` have run; 1 if an integer differs, else 0."""
    result = {"next": args.first, "equal": 0, "refused": 0, "unfinished": [], "seeds": [], "differs": []}
    if args.out.exists():
        result |= json.loads(args.out.read_text(encoding="utf-8"))
    while result["equal"] + len(result["differs"]) < args.count:
        seed = result["next"]
        for make in makers:
            said, name = attempt(make(seed), seed, result["equal"]), f"{make.__name__} {seed}"
            if said == "equal":
                result["equal"] += 1
                result["seeds"].append(name)
            elif said.startswith("refused"):
                result["refused"] += 1
            elif said.startswith("unfinished"):
                result["unfinished"].append(name)
            else:
                result["differs"].append(f"{make.__name__} {said}")
            print(name, said, flush=True)
        result["next"] += 1
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{result['equal']} graphs equal, {len(result['differs'])} differ, {result['refused']} refused")
    return 1 if result["differs"] else 0
