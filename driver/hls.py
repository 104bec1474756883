"""The stages of a compile through hls4ml: the Vitis HLS project, and its C simulation."""

from __future__ import annotations

import importlib.metadata
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from ..boards.schema import Board
from ..compiler.ir.graph import Graph
from ..errors import BoardError
from ..hw.flow import tools
from . import verify
from .data import output_decoding
from .hls_run import run_frames

if TYPE_CHECKING:
    from .compile import Job
    from .options import Options

STAGES = ("graph", "hls", "csim")
# Families that the vendor's HLS compiler is for.
FAMILIES = ("xc7", "xcup")
# In the output folder.
FOLDER = "hls"


def check_reachable(board: Board, options: Options) -> None:
    """Refuse before any work what a later stage could not do.

    Raises:
        BoardError: the board's FPGA is no AMD part.
        InputError: a configuration that cannot be used.
        ToolError: there is no C++ compiler.
    """
    if board.part is None or board.part.family not in FAMILIES:
        part = "no FPGA" if board.part is None else board.part.name
        raise BoardError(
            f"compile: --via hls writes a project for AMD's Vitis HLS, but {board.name} has {part}. "
            "Leave --via out, or choose an AMD board."
        )
    _settings(board, options, board.default_clock_mhz)
    if options.until == "csim":
        tools.find("c++", options.native)


def _settings(board: Board, options: Options, clock_mhz: float):
    # hls4ml and PyYAML are loaded by those who use them.
    from ..compiler.hls.config import Settings, read_settings

    period = 1e3 / clock_mhz
    if options.hls_config is not None:
        return read_settings(options.hls_config, board.part.name, period)
    return Settings(board.part.name, period)


def hls_stage(job: Job) -> None:
    """The project: C++ of hls4ml with our layers, weights, and Tcl that builds it."""
    with job.stage("hls", f"writing the HLS project for {job.board.part.name}"):
        from ..compiler.hls.convert import model_of

        folder = job.project.root / FOLDER
        job.project.build.mkdir()
        log = job.project.build / "hls4ml.log"
        with log.open("w") as text, redirect_stdout(text):
            settings = _settings(job.board, job.options, job.clock_mhz)
            model_of(job.graph, settings, str(folder)).write()
        _unnamed(folder, str(folder))
    job.files |= {"hls": FOLDER, "hls_log": f"build/{log.name}"}


def _unnamed(folder, where: str) -> None:
    """The project is where it lies, not where it was made."""
    for path in folder.rglob("*"):
        if path.suffix in (".yml", ".tcl", ".sh") and where in (text := path.read_text()):
            path.write_text(text.replace(where, "."))


def csim_stage(job: Job) -> None:
    """The project's C++ on all frames, beside the integer graph."""
    data = job.data
    with job.stage("csim", f"running the HLS project's C++ on {len(data.frames)} frames"):
        values = run_frames(job.project, job.graph, data.frames, job.options.native)
        right = verify.accuracy(output_decoding(job.graph).apply(values), data.labels)
        job.executors.append(
            verify.entry("HLS C simulation", "integer graph", values, job.reference, right, data.origin)
        )


def refusals(graph: Graph) -> tuple[dict[int, str], tuple[str, ...]]:
    """Why nodes, by ``id``, and the graph as a whole, cannot become a model of hls4ml; nothing is built."""
    from ..compiler.hls.convert import check
    from ..compiler.hls.rules import STREAM, refusal

    found = {id(node): refusal(node, STREAM) for node in graph.nodes()}
    refused = {key: reason for key, reason in found.items() if reason}
    if refused:
        return refused, ()
    fault = check(graph)
    return {}, (fault,) if fault else ()


def used_tools(job: Job) -> dict[str, str]:
    """Versions of the tools that took part."""
    found = {"hls4ml": importlib.metadata.version("hls4ml")} if job.options.until != "graph" else {}
    if job.options.until == "csim":
        compiler = tools.find("c++", job.options.native)
        found[compiler.name] = compiler.version
    return found
