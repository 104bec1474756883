"""Three published networks on FPGA boards: intervals, resources, seconds and memory beside published figures.

    python benchmarks/fpga_networks.py --work DIR [--only kws cnv resnet18] [--until rtl]
    python benchmarks/fpga_networks.py --work DIR --report docs/fpga-networks.md

Each is compiled by ``gatewright compile`` in a process of its own, whose seconds and memory are measured;
the RTL is linted by Verilator, and where it fits the board simulated and synthesized. Results are kept in
DIR, one JSON file a network; ``--report`` writes what is there as a page.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpga_graphs import cnv, images
from fpga_networks_page import page
from gatewright.compiler.ir.io import save
from gatewright.hw.flow import tools

ROOT = Path(__file__).parents[1]
MODELS = Path("/work/shared/data/models")
STAGES = ("rtl", "simulate", "synthesize")
_TOP = "accelerator"
# Times the block RAM of a part whose own does not hold the weights, to have the RTL nevertheless.
_ROOMY = 8


@dataclass(frozen=True)
class Network:
    """What to compile; ``make`` gives model and frames, ``until`` is the last stage."""

    name: str
    board: str
    clock_mhz: float
    fps: float
    until: str
    make: Callable[[Path], tuple[Path, Path]]


def _kws(folder: Path) -> tuple[Path, Path]:
    """The MLPerf Tiny submission's own file, and 20 of its test frames."""
    source = MODELS / "kws_w3a3"
    data = np.load(source / "test_1000.npz")
    frames = data["inputs"][:20].reshape(-1, 1, 10, 49)
    np.savez(folder / "kws.npz", inputs=frames, labels=data["labels"][:20])
    return source / "model.onnx", folder / "kws.npz"


def _cnv(folder: Path) -> tuple[Path, Path]:
    save(cnv(), folder / "cnv_w1a1.onnx")
    np.savez(folder / "cnv.npz", inputs=images(3, 32, seed=7))
    return folder / "cnv_w1a1.onnx", folder / "cnv.npz"


def _resnet18(folder: Path) -> tuple[Path, Path]:
    import fpga_resnet  # Brevitas takes seconds to load
    from ort_models.layers import frames

    path = folder / "resnet18_w4a4.onnx"
    if not path.exists():
        fpga_resnet.export(path)
    np.savez(folder / "resnet18.npz", inputs=frames(1, 64, 7).numpy())
    return path, folder / "resnet18.npz"


NETWORKS = (
    Network("kws", "tul_pynq_z2", 100, 57268, "synthesize", _kws),
    Network("cnv", "tul_pynq_z2", 100, 9150, "synthesize", _cnv),
    Network("resnet18", "amd_zcu104", 200, 100, "rtl", _resnet18),
)


@dataclass(frozen=True)
class Run:
    """A process that ended: its exit code, what it said, CPU and wall seconds, and memory in GB."""

    code: int
    out: str
    err: str
    cpu_s: float
    wall_s: float
    memory_gb: float


def run(command: list[str], folder: Path) -> Run:
    """Run ``command`` in ``folder``; seconds include its children's, memory is that of the largest."""
    start = time.monotonic()
    with (folder / "out.txt").open("w+") as out, (folder / "err.txt").open("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Run(
            process.returncode, out.read(), err.read(), used.ru_utime + used.ru_stime,
            time.monotonic() - start, used.ru_maxrss * 1024 / 1e9,
        )  # fmt: skip


def compiled(network: Network, board: str, until: str, files: tuple[Path, Path], folder: Path) -> Run:
    """``gatewright compile`` into ``folder/out``, which is made anew."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    model, frames = files
    return run(
        [
            sys.executable, "-m", "gatewright", "compile", str(model), "--board", board, "--out", "out",
            "--clock", str(network.clock_mhz), "--fps", str(network.fps), "--until", until,
            "--data", str(frames), "--json",
        ],
        folder,
    )  # fmt: skip


def roomy_board(name: str, folder: Path) -> str:
    """A board file like ``name`` whose part has more block RAM; its path."""
    text = (ROOT / "boards" / f"{name}.toml").read_text()
    part = next(line for line in text.splitlines() if line.startswith("part ="))
    source = part.split('"')[1]
    bram = next(line for line in _part(source).splitlines() if line.startswith("bram ="))
    more = f"bram = {_ROOMY * int(bram.split('=')[1])}"
    (folder / "parts").mkdir(exist_ok=True)
    (folder / "parts" / "roomy.toml").write_text(_part(source).replace(bram, more))
    path = folder / "roomy_board.toml"
    path.write_text(text.replace(part, 'part = "roomy"'))
    return str(path)


def _part(name: str) -> str:
    return (ROOT / "boards" / "parts" / f"{name}.toml").read_text()


def lint(rtl: Path) -> str:
    """What Verilator -Wall says about the accelerator: nothing where it is clean."""
    files = [*sorted(path.name for path in rtl.glob("gw_*.v")), f"{_TOP}.v"]
    command = ["--lint-only", "-Wall", "-Wno-fatal", "--quiet", "--top-module", _TOP, *files]
    return tools.run(tools.find("verilator"), command, rtl).strip()


def measure(network: Network, until: str, work: Path) -> dict:
    """Compile, lint, and for a board too small compile again for one with more block RAM."""
    folder = work / network.name
    folder.mkdir(parents=True, exist_ok=True)
    files = network.make(folder)
    last = min(until, network.until, key=STAGES.index)
    done, too_small = compiled(network, network.board, last, files, folder), ""
    if done.code and "folding:" in done.err:
        too_small = done.err.strip().splitlines()[-1]
        done = compiled(network, roomy_board(network.board, folder), last, files, folder)
    if done.code:
        raise SystemExit(f"{network.name}: compile failed:\n{done.err}")
    return {
        "network": network.name, "board": network.board, "fps": network.fps, "too_small": too_small,
        "cpu_s": done.cpu_s, "wall_s": done.wall_s, "memory_gb": done.memory_gb,
        "lint": lint(folder / "out" / "rtl"), "report": json.loads(done.out),
    }  # fmt: skip


def main() -> int:
    """Measure what is asked for, or write the page; 1 where lint or an executor complains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for models, designs and results")
    parser.add_argument("--only", nargs="*", default=None, help="networks, by name")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="go no further than this stage")
    parser.add_argument("--report", type=Path, help="write results so far as a page, and compile nothing")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if given.report:
        names = [network.name for network in NETWORKS if (work / f"{network.name}.json").exists()]
        given.report.write_text(page({n: json.loads((work / f"{n}.json").read_text()) for n in names}))
        return 0
    bad = 0
    for network in NETWORKS:
        if given.only and network.name not in given.only:
            continue
        found = measure(network, given.until, work)
        (work / f"{network.name}.json").write_text(json.dumps(found, indent=1))
        unequal = [e for e in found["report"]["executors"] if e["equal"] != e["inputs"]]
        bad += bool(found["lint"] or unequal)
        total = found["report"]["resources"]["total"]
        print(f"{network.name}: {total}, {found['cpu_s']:.0f} s, {found['memory_gb']:.2f} GB, "
              f"lint {found['lint'] or 'clean'}, {len(unequal)} executors differ", flush=True)  # fmt: skip
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
