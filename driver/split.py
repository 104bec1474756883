"""The stages of a split compile: the cut, the parts on both sides, and all of it simulated together."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..compiler.ir.evaluate import evaluate
from ..compiler.ir.io import save
from ..compiler.split.header import NAME as HEADER
from ..compiler.split.header import Held, Streamed, header
from ..compiler.split.partition import AFTER, BEFORE, MIDDLE, Part, Split
from ..compiler.split.programs import Call, Program, text
from ..errors import ToolError
from ..hw.design import Stream
from ..hw.flow import tools
from ..hw.link import beat_bytes
from ..hw.zynq.words import words_of
from . import arm, describe, execute, split_choice, verify
from .cross import cross, simulator
from .data import Data, output_decoding
from .output import MARK
from .project import Project
from .split_choice import STAGES, Rated
from .split_file import NAME, arm_folder, describe_split, fpga_folder, program_file
from .split_run import Counted, count_program

if TYPE_CHECKING:
    from ..boards.schema import Board
    from .compile import Job
    from .options import Options

# Frames that the FPGA's part is built with: for its test bench, and energy.
_FRAMES = 16


@dataclass
class Cut:
    """What is known so far of a split under way.

    Attributes:
        rated: the cut, and ``others`` that it was chosen among.
        held: every tensor at a border as C has it.
        fpga: the compile of the FPGA's part; given, made: its streams.
        counted: by program, BEFORE and AFTER.
    """

    split: Split
    rated: Rated
    others: list[Rated]
    held: Mapping[str, Held] = field(default_factory=dict)
    fpga: Job | None = None
    given: Streamed | None = None
    made: Streamed | None = None
    counted: dict[str, Counted | None] = field(default_factory=dict)

    @property
    def span(self) -> tuple[int, int]:
        """Numbers of the first and the last node on the FPGA."""
        return self.rated.candidate.first, self.rated.candidate.last


def check_reachable(board: Board, options: Options) -> None:
    """Refuse before any work what a later stage could not do.

    Raises:
        InputError: no such cross compiler.
        ToolError: a tool of a stage up to ``until`` is missing.
    """
    reached = STAGES.index(options.until)
    if reached >= STAGES.index("cut") and importlib.util.find_spec("tvm") is None:
        raise ToolError("tools: tvm must be installed, not absent. Run: pip install apache-tvm")
    if reached >= STAGES.index("parts"):
        cross(board.processor.core, options.cross)
    if reached >= STAGES.index("cosimulate"):
        for name in (simulator(board.processor.core), "verilator", "c++"):
            tools.find(name)


def cut_stage(job: Job, interval: int | None) -> None:
    """Which nodes go where.

    Args:
        interval: clocks a frame may take on the FPGA; None asks for the fastest.
    """
    options = job.options
    with job.stage("cut", f"cutting between {job.board.processor.core} and {job.board.part.name}"):
        rated, others = split_choice.chosen(
            job.graph, job.board, options.split, job.clock_mhz, interval, options.multipliers, job.say
        )
        c = rated.candidate
        job.split = Cut(split_choice.split_at(job.graph, c.first, c.last), rated, others)


def parts_stage(job: Job, write_rtl: Callable[[Job], None]) -> None:
    """The FPGA's folder, the libraries, the header that both obey, and the programs around the FPGA.

    Args:
        write_rtl: does an FPGA's stage "rtl" for a job.
    """
    cut = job.split
    _fpga_part(job, cut, write_rtl)
    with job.stage("agree", f"writing {HEADER}"):
        from ..compiler.neon.program import fitting

        cut.held = {n: Held(n, t, *fitting(t.dtype)) for n, t in cut.split.tensors.items()}
        design = cut.fpga.design
        cut.given = _streamed(job.board, cut.held[cut.split.stream_in], design.input)
        cut.made = _streamed(job.board, cut.held[cut.split.stream_out], design.output)
        (job.project.root / HEADER).write_text(header(job.graph.name, cut.held, cut.given, cut.made))
        job.files["split_header"] = HEADER
    calls = {p.name: _library(job, cut, p) for p in cut.split.parts if p.name != MIDDLE}
    with job.stage("programs", f"building what runs on {job.board.processor.core}"):
        programs = {name: _program(cut, name, calls.get(name)) for name in (BEFORE, AFTER)}
        for program in programs.values():
            _build(job, program)
        streams = {"in": cut.given, "out": cut.made}
        core = job.board.processor.core
        described = describe_split(cut.split, core, cut.held, streams, programs, cut.span)
        (job.project.root / NAME).write_text(described)
        job.files["split"] = NAME


def _fpga_part(job: Job, cut: Cut, write_rtl: Callable[[Job], None]) -> None:
    """The FPGA's folder, as a compile of its part alone leaves it."""
    part = cut.split.part(MIDDLE)
    known = cut.split.evaluate(job.data.frames[:_FRAMES])
    frames = known[cut.split.stream_in]
    inner = replace(
        job, project=fpga_folder(job.project), graph=part.graph,
        options=replace(job.options, split=None, until="rtl"),
        data=Data(frames, None, None, f"{len(frames)} frames of {job.data.origin}"),
        executors=[], files={}, seconds={}, reference=known[cut.split.stream_out], split=None,
    )  # fmt: skip
    inner.project.root.mkdir()
    _save_graph(inner)
    write_rtl(inner)
    describe.write_report(describe.report(inner), inner.project.root / MARK)
    cut.fpga = inner
    # What reports tell of the hardware is the FPGA's part.
    job.design, job.cycles, job.pictures = inner.design, inner.cycles, inner.pictures
    job.seconds |= inner.seconds
    job.files["fpga"] = inner.project.root.name


def _save_graph(job: Job) -> None:
    save(job.graph, job.project.graph_file)
    job.files["graph"] = job.project.graph_file.name


def _streamed(board: Board, held: Held, stream: Stream) -> Streamed:
    """Beats as the board's DMA moves them; where nothing is known of one, in as few bytes as hold them."""
    zynq = board.zynq
    size = words_of(stream, zynq.port_bits).beat_bytes if zynq else beat_bytes(stream.bits)
    return Streamed(held, stream.element, stream.lanes, stream.beats, size)


def _library(job: Job, cut: Cut, part: Part) -> Call:
    """A part's library, in a folder of its own."""
    inner = replace(
        job, project=arm_folder(job.project, part.name), graph=part.graph,
        options=replace(job.options, split=None, target="arm", until="library"),
        executors=[], files={}, seconds={}, arm=None, split=None,
    )  # fmt: skip
    inner.project.root.mkdir(parents=True)
    _save_graph(inner)
    for stage in (arm.lower_stage, arm.objects_stage, arm.library_stage):
        stage(inner)
    job.seconds |= {f"{part.name}_{name}": s for name, s in inner.seconds.items()}
    job.files[f"library_{part.name}"] = f"arm/{part.name}/lib{inner.arm.name}.a"
    takes, gives = (tuple(cut.held[n] for n in names) for names in (part.takes, part.gives))
    return Call(inner.arm.name, takes, gives)


def _program(cut: Cut, name: str, call: Call | None) -> Program:
    """What the processor runs before or after the FPGA."""
    split, held = cut.split, cut.held
    last = split.part(AFTER)
    needed = [n for n in (last.takes if last else ()) if n != split.stream_out]
    if name == BEFORE:
        made = call.gives if call else ()
        writes = tuple(h for h in made if h.name in needed)
        return Program("run_before", tuple(held[n] for n in split.inputs), writes, True, cut.given.held, call)
    reads = tuple(held[n] for n in needed)
    return Program("run_after", reads, tuple(held[n] for n in split.outputs), False, cut.made.held, call)


def _build(job: Job, program: Program) -> None:
    """A program's source beside the libraries, and the program, linked with its own."""
    root = job.project.root
    name = BEFORE if program.packs else AFTER
    (root / "arm").mkdir(exist_ok=True)
    build = job.project.build
    build.mkdir()
    source = f"{program.name}.c"
    (build / source).write_text(text(program))
    shutil.copyfile(root / HEADER, build / HEADER)
    library = None
    if program.call:
        library = f"lib{program.call.library}.a"
        for file in (library, f"{program.call.library}.h"):
            shutil.copyfile(arm_folder(job.project, name).root / file, build / file)
    compiler = cross(job.board.processor.core, job.options.cross)
    compiler.program(source, library, program.name, build)
    for file in (source, program.name):
        (build / file).rename(root / "arm" / file)
    shutil.rmtree(build)
    job.files[program.name] = program_file(job.project, name).relative_to(root).as_posix()


def cosimulate_stage(job: Job) -> None:
    """Everything together on all frames: programs under qemu, RTL in Verilator; then what each takes."""
    cut, data = job.split, job.data
    core = job.board.processor.core
    with job.stage("cosimulate", f"running {len(data.frames)} frames: {core} in qemu, RTL in Verilator"):
        done = execute.run_split(job.project, job.graph, data.frames)
        job.timing = done.timing
        right = verify.accuracy(output_decoding(job.graph).apply(done.values), data.labels)
        title = "split (qemu, Verilator)"
        job.executors.append(
            verify.entry(title, "integer graph", done.values, job.reference, right, data.origin)
        )
        for name in (BEFORE, AFTER):
            cut.counted[name] = count_program(job.project, name, data.frames[:1], _reference(cut))


def _reference(cut: Cut) -> Callable[[Project, list[int]], list[int]]:
    """The FPGA's part by the integer graph, from words to words."""
    design, graph = cut.fpga.design, cut.fpga.graph

    def run(_: Project, words: list[int]) -> list[int]:
        frames = design.input.unpack(words).reshape(-1, *graph.inputs[0].type.shape)
        return design.output.pack(evaluate(graph, frames)[0])

    return run
