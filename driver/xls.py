"""The stages of a compile through XLS: DSLX held against its own interpreter, and a pipeline as RTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..boards.schema import Board
from ..compiler.ir.graph import Graph
from ..compiler.xls.convert import check, dslx_of
from ..compiler.xls.pipeline import FUNCTION, PACKAGE, installed, library, optimized, pipelined
from ..compiler.xls.rules import XLS
from ..errors import InputError, LoweringError
from ..hw.flow.tools import versions
from ..hw.xls import pipeline_design
from . import hardware, verify
from .data import output_decoding
from .xls_run import DSLX, FOLDER, IR, run_frames

if TYPE_CHECKING:
    from .compile import Job
    from .options import Options

STAGES = ("graph", "dslx", "pipeline", "simulate", "synthesize", "bitstream")
# What the tools of an RTL compile are asked for at these stages.
_AS = {"dslx": "graph", "pipeline": "rtl"}
MOST_STAGES = 200
# A routed path's time over XLS's own (of a 130 nm process) for the same operations: measured on ECP5 for one
# network (docs/xls.md), guessed for the other families by the speed of their LUTs.
_SLOWER = {"ecp5": 6.3, "gowin": 7.5, "ice40": 15.0, "xc7": 4.0, "xcup": 2.5}


def check_reachable(board: Board, options: Options) -> None:
    """Refuse before any work what a later stage could not do.

    Raises:
        BoardError: a bitstream for a board without pins.
        InputError: a count of stages that makes no sense.
        ToolError: XLS is not installed, or a tool is missing.
    """
    stages = options.xls_stages
    if stages is not None and not 1 <= stages <= MOST_STAGES:
        raise InputError(f"compile: --xls-stages must be 1 to {MOST_STAGES}, not {stages}")
    hardware.check_reachable(board, _AS.get(options.until, options.until), options.native)
    if options.until != STAGES[0]:
        library()


def dslx_stage(job: Job) -> None:
    """The graph as DSLX and as XLS's optimized IR, which XLS's interpreter runs on all frames."""
    data, folder = job.data, job.project.root / FOLDER
    with job.stage("dslx", "writing DSLX, and XLS's optimized IR of it"):
        made = dslx_of(job.graph)
        folder.mkdir()
        (folder / DSLX).write_text(made.text)
        (folder / IR).write_text(optimized(made.text))
    with job.stage("interpret", f"running XLS's interpreter on {len(data.frames)} frames"):
        values = run_frames(job.project, job.graph, data.frames)
        right = verify.accuracy(output_decoding(job.graph).apply(values), data.labels)
        job.executors.append(
            verify.entry("XLS interpreter", "integer graph", values, job.reference, right, data.origin)
        )
    job.files |= {"dslx": f"{FOLDER}/{DSLX}", "xls_ir": f"{FOLDER}/{IR}"}


def pipeline_stage(job: Job) -> None:
    """XLS's pipeline in Verilog, within our streams."""
    stages = job.options.xls_stages
    with job.stage("pipeline", "scheduling the pipeline"):
        period = round(1e6 / job.clock_mhz / _SLOWER[job.board.part.family])
        ir = (job.project.root / FOLDER / IR).read_text()
        made = pipelined(ir, stages=stages) if stages else pipelined(ir, period_ps=period)
        job.design = pipeline_design(job.graph, made.clocks)
        hardware.write_rtl(job, {f"{FUNCTION}.v": made.verilog})


def refusals(graph: Graph) -> tuple[dict[int, str], tuple[str, ...]]:
    """Why nodes, by ``id``, and the graph as a whole, cannot become DSLX; nothing is built."""
    refused = {}
    for node in graph.nodes():
        try:
            XLS.rule(node)
        except LoweringError as error:
            refused[id(node)] = str(error)
    fault = "" if refused else check(graph)
    return refused, (fault,) if fault else ()


def used_tools(job: Job) -> dict[str, str]:
    """Versions of the tools that took part."""
    found = {PACKAGE: installed()} if job.options.until != STAGES[0] else {}
    return found | (versions(job.options.native) if job.design else {})
