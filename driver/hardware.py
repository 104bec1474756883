"""The hardware stages: RTL files, synthesis, place and route, bitstream."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..boards.schema import Board
from ..errors import BoardError
from ..hw.board_top import board_top, clock
from ..hw.design import Resources
from ..hw.flow.bitstream import PACKERS, pack
from ..hw.flow.place import PLACERS, CriticalPath, place_and_route
from ..hw.flow.synthesize import Synthesis, synthesize
from ..hw.flow.tools import find
from ..hw.library import closure, twin
from ..hw.testbench import testbench
from ..hw.verilog import memory_files, top_level
from . import link_file, zynq
from .project import TOP, describe_design

if TYPE_CHECKING:
    from .compile import Job

# Frames in the test bench that is kept with the RTL.
_BENCH_FRAMES = 4
# UART, packet buffer and reset around a pass-through with 784 bytes each way, as synthesized.
_LINK = {
    "ecp5": Resources(lut=453, ff=300, bram=1),
    "ice40": Resources(lut=420, ff=294, bram=2),
    "gowin": Resources(lut=598, ff=305, bram=1),
}
_STEPS_SHOWN = 12
_NEAR = 0.9
_SIMULATE = ("verilator", "c++")
_SCRATCH = ("hierarchy.json", "mapped.json", "netlist.json", "routed.config", "routed.asc", "routed.json")


@dataclass(frozen=True)
class Routing:
    """What place-and-route reached, for the report; ``caveat`` says what its timing does not know."""

    total: Resources | None
    fmax_mhz: float
    critical_path: tuple[str, ...]
    caveat: str = ""


def check_reachable(board: Board, until: str, native: bool | None = None) -> None:
    """Refuse before any work what a later stage could not do.

    Raises:
        BoardError: the board is known by its capacities only, and a bitstream is asked for.
        ToolError: a tool of a stage up to ``until`` is missing.
    """
    needed = {"graph": (), "rtl": (), "simulate": _SIMULATE, "synthesize": (*_SIMULATE, "yosys")}
    if until == "bitstream":
        if not board.has_bitstream:
            vivado = " Vivado makes one of the zynq/build.tcl that this writes." if board.zynq else ""
            raise BoardError(
                f"compile: {board.name} has no pins in its board file, so no bitstream can be made. "
                f"Use --until synthesize.{vivado}"
            )
        family = board.part.family
        needed[until] = (*needed["synthesize"], PLACERS[family].tool, PACKERS[family].tool)
    for name in needed[until]:
        find(name, native)


def made_clock(board: Board, wanted_mhz: float, command: str = "compile") -> float:
    """The clock in MHz that the board's PLL makes for a wanted one: the nearest that is not above it.

    Args:
        command: whose option errors name.

    Raises:
        BoardError: none that comes near.
    """
    if not board.has_bitstream and board.zynq is None:
        return wanted_mhz
    made = board.zynq.clock_mhz(wanted_mhz) if board.zynq else clock(board, wanted_mhz).achieved_mhz
    if made < _NEAR * wanted_mhz:
        raise BoardError(
            f"{command}: {board.name} makes no clock between {made:g} and {wanted_mhz:g} MHz. "
            f"Ask for --clock {made:g}, or for less."
        )
    return made


def link_overhead(board: Board) -> Resources:
    """Resources that the link around the accelerator takes on a board with a bitstream."""
    return _LINK[board.part.family] if board.has_bitstream else Resources()


def write_rtl(job: Job, made: Mapping[str, str] = MappingProxyType({})) -> None:
    """The accelerator, its memories, the library modules it uses, a test bench, and the board's top; ``made``
    are more Verilog files of the accelerator by name, ``xls_*.v``."""
    project, design = job.project, job.design
    project.rtl.mkdir()
    texts = {f"{TOP}.v": top_level(design, TOP), **made}
    memories = memory_files(design)
    board_files = {}
    if job.board.has_bitstream:
        board_files = board_top(
            job.board, TOP,
            design.input.bits, design.input.beats, design.output.bits, design.output.beats,
            job.wanted_mhz, job.design_id,
        )
    verilog = {name: text for name, text in board_files.items() if name.endswith(".v")}
    for name, text in {**texts, **verilog, **memories}.items():
        (project.rtl / name).write_text(text)
    if board_files:
        (project.root / link_file.NAME).write_text(link_file.describe_link(job))
        job.files["link"] = link_file.NAME
    for name, text in board_files.items():
        if name not in verilog:
            (project.root / name).write_text(text)
            job.files["constraints"] = name
    accelerator = closure(texts.values())
    for name, path in {**accelerator, **closure(verilog.values())}.items():
        shutil.copyfile(path, project.rtl / name)
        own = twin(name, job.board.part.family)
        if own:  # what synthesis takes instead, for those who have other tools do it
            (project.rtl / own.parent.name).mkdir(exist_ok=True)
            shutil.copyfile(own, project.rtl / own.parent.name / name)
    project.design_file.write_text(describe_design(design))
    _write_bench(job, [*texts, *accelerator])
    job.files |= {"rtl": "rtl", "design": project.design_file.name, "testbench": "rtl/tb"}
    if job.board.zynq:
        zynq.write_zynq(job)


def _write_bench(job: Job, sources: list[str]) -> None:
    frames, expected = job.data.frames[:_BENCH_FRAMES], job.reference[:_BENCH_FRAMES]
    design = job.design
    folder = job.project.rtl / "tb"
    folder.mkdir()
    files = testbench(design, design.input.pack(frames), design.output.pack(expected), sources)
    for name, text in files.items():
        (folder / name).write_text(text)


@contextmanager
def _build_folder(job: Job):
    """The build folder, with memory files where the tools look for them; big intermediates go at the end."""
    folder = job.project.build
    folder.mkdir(exist_ok=True)
    copies = [Path(shutil.copy(path, folder)) for path in job.project.rtl.glob("*.mem")]
    try:
        yield folder
    finally:
        for path in [*copies, *(folder / name for name in _SCRATCH)]:
            path.unlink(missing_ok=True)
        shutil.rmtree(folder / "src", ignore_errors=True)


def _synthesize(job: Job, folder: Path, top: str) -> Synthesis:
    files = job.project.sources()
    if top != TOP:
        files += [p for p in sorted(job.project.rtl.glob("*.v")) if p not in files]
    return synthesize(folder, top, files, job.board.part.family, native=job.options.native)


def synthesize_design(job: Job) -> None:
    """Resources of the accelerator, unit by unit."""
    with _build_folder(job) as folder:
        job.synthesis = _synthesize(job, folder, TOP)
        (folder / "yosys.log").rename(folder / "yosys_accelerator.log")
    job.files["synthesis_log"] = "build/yosys_accelerator.log"


def make_bitstream(job: Job) -> None:
    """The whole board design: synthesis, place and route at the clock asked for, bitstream.

    Raises:
        FitError: the design is too large for the part.
    """
    board = job.board
    with _build_folder(job) as folder:
        whole = _synthesize(job, folder, "board_top")
        constraints = job.project.root / job.files["constraints"]
        routed = place_and_route(
            folder, whole.netlist, board.part.family, board.part.pnr_options,
            constraints=constraints, freq_mhz=job.clock_mhz, seed=job.options.seed,
            native=job.options.native,
        )
        options = (*board.part.pack_options, *board.pack_options)
        bitstream = pack(routed, "bitstream", options=options, native=job.options.native)
        target = job.project.root / f"accelerator{bitstream.suffix}"
        bitstream.rename(target)
    slowest = routed.critical_paths[0] if routed.critical_paths else None
    job.routed = Routing(whole.total, routed.worst[1].achieved_mhz, _steps(slowest), routed.caveat)
    job.files |= {"bitstream": target.name, "route_log": "build/nextpnr.log"}


def _steps(path: CriticalPath | None) -> tuple[str, ...]:
    if path is None:
        return ()
    head = f"{path.delay_ns} ns on {path.clock}: {path.logic_ns} logic, {path.routing_ns} routing"
    return (head, *path.steps[:_STEPS_SHOWN])
