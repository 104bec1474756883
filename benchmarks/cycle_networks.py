"""Hold the cycle model against Verilator on whole networks: every beat of every stream, and what FIFOs hold.

    python benchmarks/cycle_networks.py --data DIR [--only resnet8 cnv] [--model FILE BOARD CLOCKS]

Networks and DIR as in benchmarks/simulator.py; ``--model`` adds a file of one's own, folded for CLOCKS a
frame. Each runs free, and with random gaps and stalls. Exit code 1 if a beat moves in another clock than
modelled.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from gatewright import load_model
from gatewright.hw.design import Design
from simulator import NETWORKS, Network, folded

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cycle_bench import Watched, differences, modelled  # noqa: E402

# Of those that fit their boards.
_NAMES = [name for name, network in NETWORKS.items() if not network.roomy]
_PATTERNS = ({}, {"gap": 0.3, "stall": 0.3})


def held(name: str, design: Design, frames: int) -> bool:
    """Print what differs; whether nothing does."""
    found, beats = [], 0
    with tempfile.TemporaryDirectory(prefix="gatewright_") as folder:
        watched = Watched(design, Path(folder), "verilator")
        for patterns in _PATTERNS:
            watched.run(frames, seed=1, **patterns)
            found += differences(watched, modelled(design, frames, seed=1, **patterns))
            beats += sum(times.size for times in watched.clocks.values())
    said = "; ".join(found) or "none differs"
    print(f"{name}: {len(design.edges)} streams, {beats} beats in Verilator, {said}", flush=True)
    return not found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GATEWRIGHT_DATA"))
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=_NAMES)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--model", nargs=3, action="append", default=[], metavar=("FILE", "BOARD", "CLOCKS"))
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data or set GATEWRIGHT_DATA")
    networks = {name: NETWORKS[name] for name in args.only}
    for file, board, clocks in args.model:
        networks[Path(file).stem] = Network(board, int(clocks), lambda data, file=file: load_model(file))
    equal = [held(name, folded(network, Path(args.data)), args.frames) for name, network in networks.items()]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
