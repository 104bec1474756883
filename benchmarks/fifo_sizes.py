"""The smallest FIFOs that keep a network's frame rate: seconds, entries, and what proves them.

    python benchmarks/fifo_sizes.py --data DIR [--only resnet8 branches] [--frames 4] [--verilator]

Networks and DIR as in benchmarks/simulator.py. The model then takes an entry away from each FIFO in turn, and
says how many of these designs lose clocks and how many deadlock: all must. With ``--verilator`` the design
with the smallest FIFOs runs there. Exit code 1 if a FIFO could be smaller or a clock differs.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from gatewright.errors import DeadlockError
from gatewright.hw.design import Design
from gatewright.hw.units.fifo import FIFO
from gatewright.sim.cycle.simulate import simulate
from gatewright.sim.cycle.sizing import resized, smallest_depths
from simulator import NETWORKS, against_verilator, folded

# Frames in which times must have begun to repeat.
_FRAMES = 256
_LEAST = 2


def taken_away(design: Design, depths: dict[int, int]) -> tuple[int, int, int]:
    """How many of the designs with one entry less in a FIFO keep the interval, lose clocks, and deadlock."""
    kept = lost = dead = 0
    for place, depth in depths.items():
        if depth == _LEAST:
            continue
        try:
            found = simulate(resized(design, {**depths, place: depth - 1}), _FRAMES).interval
        except DeadlockError:
            dead += 1
            continue
        if found is not None and found <= design.interval:
            kept += 1
        else:
            lost += 1
    return kept, lost, dead


def told(name: str, design: Design, frames: int, verilator: bool) -> bool:
    """Print what is found; whether FIFOs are as small as can be and all clocks equal."""
    simulate(design, 1)  # the recurrences are compiled once
    started, wall = time.process_time(), time.monotonic()
    depths = smallest_depths(design)
    seconds, wall = time.process_time() - started, time.monotonic() - wall
    given = {n: i.p.DEPTH for n, i in enumerate(design.instances) if i.unit is FIFO}
    kept, lost, dead = taken_away(design, depths)
    print(
        f"{name}: {len(depths)} FIFOs of {sum(given.values())} entries need {sum(depths.values())}, found in "
        f"{seconds:.1f} s of processor time, {wall:.1f} s by the clock; one entry less: {lost} lose clocks, "
        f"{dead} deadlock, {kept} could be smaller, {list(depths.values()).count(_LEAST)} are at the least",
        flush=True,
    )
    if not verilator:
        return kept == 0
    small = resized(design, depths)
    timing = simulate(small, frames)
    _, wrong = against_verilator(small, timing)
    print(f"{name}: {timing.interval} clocks a frame; in Verilator {wrong} clocks differ", flush=True)
    return kept == wrong == 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GATEWRIGHT_DATA"))
    parser.add_argument("--only", nargs="*", choices=NETWORKS, default=["resnet8", "branches"])
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--verilator", action="store_true")
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data or set GATEWRIGHT_DATA")
    good = [
        told(name, folded(NETWORKS[name], Path(args.data)), args.frames, args.verilator) for name in args.only
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
