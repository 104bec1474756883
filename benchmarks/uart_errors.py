"""Ten thousand frames through a board whose serial line damages bytes: how many answers are wrong.

    python benchmarks/uart_errors.py --work DIR [--frames 10000] [--rate 1e-4] [--model FILE]

The whole board is simulated by Verilator behind a pseudo-terminal; of its bytes, each way, the fraction RATE
is changed, as much lost and as much doubled. Without ``--model`` the network is a small one of random
weights. Exit code 1 if an answer is wrong.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

from gatewright import Options, compile_model, evaluate
from gatewright.driver.data import random_data
from gatewright.driver.device import open_device
from gatewright.driver.project import Project
from gatewright.sim.uart import Noise

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from driver_models import ICEBREAKER, saved, vector_net  # noqa: E402  (test helpers, found by the line above)
from uart_boards import simulated  # noqa: E402

# Frames that are evaluated, and sent again and again.
_DIFFERENT = 500


def compiled(work: Path, model: Path | None) -> Project:
    """The network's folder, made once."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "out").exists():
        compile_model(model or saved(work, vector_net()), ICEBREAKER, work / "out", Options(until="rtl"))
    return Project(work / "out")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    project = compiled(args.work, args.model)
    graph = project.graph()
    frames = random_data(graph, min(args.frames, _DIFFERENT)).frames
    expected = evaluate(graph, frames)[0]
    wrong = 0
    noise = Noise(flip=args.rate, drop=args.rate, twice=args.rate, seed=1)
    with (
        simulated(project) as board,
        board.plug(noise) as plugged,
        open_device(project.root, plugged.port) as device,
    ):
        for n in track(range(args.frames), description="frames"):
            one = n % len(frames)
            wrong += not np.array_equal(device.run(frames[one : one + 1], graph)[0], expected[one])
    told = device.statistics
    print(
        f"{told.frames} frames, {told.sent} bytes sent and {told.received} received: {wrong} wrong; "
        f"{told.repeats} requests sent again, {told.naks} refused by the board, {told.dropped} dropped"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
