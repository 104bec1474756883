"""The compile: model to integer graph, then RTL to bitstream or an ARM library, in one output folder."""

import hashlib
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..boards import load as load_board
from ..boards.schema import Board
from ..compiler.frontends import load_model
from ..compiler.ir.graph import Graph
from ..compiler.ir.io import save
from ..compiler.ir.text import to_text
from ..compiler.passes.pipeline import run as run_passes
from ..errors import GatewrightError, InputError
from ..hw.design import Design
from ..hw.folding import fold
from ..hw.layers import layers
from . import arm, describe, hardware, hls, modelled, split, verify, xls
from .data import Data, load_data, random_data
from .options import ARM, HLS, STAGES, XLS, Options
from .output import MARK, keep_logs, staged_folder
from .project import Project

__all__ = ["STAGES", "Job", "Options", "compile_model", "passed"]

_RANDOM_FRAMES = 16


@dataclass
class Job:
    """A compile under way: what is known so far, which the report is made of."""

    project: Project
    source: Path
    board: Board
    options: Options
    say: Callable[[str], None]
    graph: Graph | None = None
    design: Design | None = None
    data: Data | None = None
    clock_mhz: float = 0.0
    executors: list[dict] = field(default_factory=list)
    sha256: str = ""
    arm: object = None
    split: object = None
    reference: object = None
    cycles: object = None
    pictures: dict = field(default_factory=dict)
    timing: object = None
    synthesis: object = None
    routed: object = None
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def wanted_mhz(self) -> float:
        """The clock asked for, of which ``clock_mhz`` is what the board can make."""
        return self.options.clock_mhz or self.board.default_clock_mhz

    @property
    def design_id(self) -> int:
        """32 bits that tell one compiled network from another."""
        return int.from_bytes(hashlib.sha256(to_text(self.graph).encode()).digest()[:4], "big")

    @contextmanager
    def stage(self, name: str, text: str):
        """Report progress and time a stage."""
        self.say(text)
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)


def compile_model(
    model: Path | str,
    board: str | Board,
    out: Path | str,
    options: Options | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict:
    """Compile ``model`` for ``board`` into folder ``out``, which appears whole or not at all.

    Args:
        say: called with one line at the start of each stage.
    Returns:
        The report, as written to ``out/report.json``; ``passed(report)`` tells whether all checks held.
    Raises:
        GatewrightError: bad input, an unsupported op, a board too small, or a tool that failed.
    """
    source = Path(model)
    board = board if isinstance(board, Board) else load_board(board)
    options = (options or Options()).completed(board)
    _check_reachable(board, options)
    with staged_folder(Path(out)) as folder:
        job = Job(Project(folder), source, board, options, say)
        job.clock_mhz = _clock_mhz(job)
        try:
            for name in options.stages:
                _STAGES[name](job)
        except GatewrightError as error:
            kept = keep_logs(folder)
            if kept is None:
                raise
            # The message names logs in the folder that is about to go.
            raise type(error)(f"{error}".replace(str(job.project.build), str(kept))) from None
        report = describe.report(job)
        describe.write_report(report, folder / MARK)
    return report


def _check_reachable(board: Board, options: Options) -> None:
    """Refuse before any work what a later stage could not do."""
    if options.split:
        split.check_reachable(board, options)
    elif options.target == ARM:
        arm.check_reachable(board, options)
    elif options.via == HLS:
        hls.check_reachable(board, options)
    elif options.via == XLS:
        xls.check_reachable(board, options)
    else:
        hardware.check_reachable(board, options.until, options.native)


def _clock_mhz(job: Job) -> float:
    if job.options.target == ARM:
        return job.board.processor.clock_mhz
    return hardware.made_clock(job.board, job.wanted_mhz)


def _graph_stage(job: Job) -> None:
    with job.stage("graph", f"importing {job.source.name}"):
        raw = load_model(job.source)
        job.sha256 = hashlib.sha256(job.source.read_bytes()).hexdigest()
        dump = job.project.root / "passes" if job.options.dump else None
        job.graph = run_passes(raw, dump=dump)
        save(job.graph, job.project.graph_file)
        (job.project.root / "graph.gw").write_text(to_text(job.graph))
        job.files |= {"graph": job.project.graph_file.name, "graph_text": "graph.gw"}
    require_single(job.graph)
    if job.options.data:
        job.data = load_data(job.options.data, job.graph, job.options.frames)
    else:
        job.data = random_data(job.graph, job.options.frames or _RANDOM_FRAMES)
    with job.stage("reference", f"running the integer graph on {len(job.data.frames)} frames"):
        verify.against_source(job)


def require_single(graph: Graph, command: str = "compile") -> None:
    """Raise InputError unless one tensor enters the graph and one leaves it."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(
            f"{command}: a model must have 1 input and 1 output, not {len(graph.inputs)} and "
            f"{len(graph.outputs)}. Cut it where one tensor enters and one leaves."
        )


def _rtl_stage(job: Job) -> None:
    with job.stage("fold", f"folding for {job.board.title}"):
        job.design = fold(
            job.graph.name,
            layers(job.graph),
            job.board,
            wanted_interval(job.options, job.clock_mhz),
            hardware.link_overhead(job.board),
            job.options.multipliers,
        )
    with job.stage("clocks", "working out the clock of every beat"):
        modelled.model_clocks(job)
    with job.stage("rtl", f"writing RTL: {job.design.interval} clocks a frame"):
        hardware.write_rtl(job)


def _simulate_stage(job: Job) -> None:
    with job.stage("simulate", f"simulating the RTL in Verilator on {len(job.data.frames)} frames"):
        verify.rtl_against_reference(job)


def _synthesize_stage(job: Job) -> None:
    with job.stage("synthesize", f"synthesizing for {job.board.part.name} with Yosys"):
        hardware.synthesize_design(job)


def _bitstream_stage(job: Job) -> None:
    with job.stage("bitstream", f"placing and routing at {job.clock_mhz:g} MHz with nextpnr"):
        hardware.make_bitstream(job)


_STAGES = {
    "graph": _graph_stage,
    "rtl": _rtl_stage,
    "simulate": _simulate_stage,
    "synthesize": _synthesize_stage,
    "bitstream": _bitstream_stage,
    "lower": arm.lower_stage,
    "objects": arm.objects_stage,
    "library": arm.library_stage,
    "verify": arm.verify_stage,
    "hls": hls.hls_stage,
    "csim": hls.csim_stage,
    "dslx": xls.dslx_stage,
    "pipeline": xls.pipeline_stage,
    "cut": lambda job: split.cut_stage(job, wanted_interval(job.options, job.clock_mhz)),
    "parts": lambda job: split.parts_stage(job, _rtl_stage),
    "cosimulate": split.cosimulate_stage,
}


def wanted_interval(options: Options, clock_mhz: float, command: str = "compile") -> int | None:
    """Clocks a frame may take, from --interval or --fps."""
    if options.fps is None:
        return options.interval
    interval = int(clock_mhz * 1e6 / options.fps)
    if interval < 1:
        raise InputError(
            f"{command}: --fps must be at most {clock_mhz * 1e6:.0f} at {clock_mhz:g} MHz, "
            f"not {options.fps:g}"
        )
    return interval


def passed(report: dict) -> bool:
    """Whether every executor agreed, the cycle model's clocks were simulation's where that has run, and
    timing, where known, was met."""
    agree = all(e["equal"] == e["inputs"] for e in report["executors"])
    model = report.get("cycle_model")
    exact = not model or model["frames"] == model["frames_equal"]
    return agree and exact and (report["timing"] is None or report["timing"]["met"])
