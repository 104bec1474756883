"""Build random graphs for ARM cores, run them in qemu and compare them with the reference, however many.

    python benchmarks/random_arm.py --count 500 --out random_arm.json [--first 100] [--cores cortex-a9 ...]

Graphs are those of tests/arm_graphs.py: all ops, small networks with branches, and layers wide enough for
whole tiles; the suite tries 60 of them. A batch of one seed becomes one program for each core. The result is
written after every batch; a run that was stopped goes on where it ended. Exit code 1 if a graph fails: its
seed and number stay in the result.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from arm_bench import Batch, Case  # noqa: E402
from arm_graphs import cases  # noqa: E402
from gatewright.compiler.neon.isa import CORES  # noqa: E402

_BATCH = 50


def failures(held: list[Case], core: str) -> dict[int, str]:
    """What is wrong with which graph on one core; a graph that stops the whole batch is told apart."""
    try:
        with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
            batch = Batch(held, core, Path(folder))
            wrong = batch.differences()
    except Exception as error:  # whatever a graph makes the compiler raise is a find
        if len(held) == 1:
            return {0: f"{type(error).__name__}: {str(error)[:300]}"}
        middle = len(held) // 2
        return failures(held[:middle], core) | _moved(failures(held[middle:], core), middle)
    stopped = max(wrong, default=len(held)) + 1
    if any("signal" in text for text in wrong.values()) and stopped < len(held):
        return wrong | _moved(failures(held[stopped:], core), stopped)
    return wrong


def _moved(wrong: dict[int, str], by: int) -> dict[int, str]:
    return {i + by: text for i, text in wrong.items()}


def add_batch(result: dict, seed: int, count: int) -> None:
    """Add the graphs of one seed, on every core."""
    started, held = sum(os.times()[:4]), cases(seed, count)
    nodes = [n for case in held for n in case.graph.nodes()]
    result["ops"] = dict(Counter(result["ops"]) + Counter(n.op.name for n in nodes))
    bits = {n.type.dtype.bits for n in nodes} | {i.type.dtype.bits for c in held for i in c.graph.inputs}
    result["bits"] = sorted({*result["bits"], *bits})
    for core in result["cores"]:
        for number, error in sorted(failures(held, core).items()):
            found = {"seed": seed, "graphs": count, "graph": number, "core": core, "error": error}
            result["failing"].append(found)
            print(json.dumps(found), flush=True)
    result["batches"] += 1
    result["graphs"] += len(held)
    result["cpu_seconds"] = round(result["cpu_seconds"] + sum(os.times()[:4]) - started, 1)


def resumed(path: Path, first: int, cores: list[str]) -> dict:
    """The result to go on with.

    Raises:
        SystemExit: the file at ``path`` is of another run.
    """
    fresh = {
        "first": first, "cores": cores, "batches": 0, "graphs": 0, "cpu_seconds": 0.0,
        "failing": [], "bits": [], "ops": {},
    }  # fmt: skip
    if not path.exists():
        return fresh
    found = json.loads(path.read_text(encoding="utf-8"))
    if (found["first"], found["cores"]) != (first, cores):
        raise SystemExit(f"{path}: holds another run, from {found['first']}. Give --out another name.")
    return found


def main(arguments: list[str]) -> int:
    """Progress lines and the result; 1 if a graph fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="graphs, in batches of 50")
    parser.add_argument("--first", type=int, default=100, help="seed of the first batch")
    parser.add_argument("--cores", nargs="+", default=list(CORES), choices=list(CORES))
    parser.add_argument("--out", type=Path, default=Path("random_arm.json"))
    options = parser.parse_args(arguments)
    result, begun = resumed(options.out, options.first, options.cores), time.perf_counter()
    while result["graphs"] < options.count:
        left = options.count - result["graphs"]
        add_batch(result, options.first + result["batches"], min(_BATCH, left))
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        done, failing = result["graphs"], len(result["failing"])
        seconds = time.perf_counter() - begun
        print(f"{done} of {options.count}, {failing} fail, {seconds:.0f} s", flush=True)
    return 1 if result["failing"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
