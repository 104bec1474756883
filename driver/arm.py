"""The stages of a compile for ARM: lowering, kernels, library, and the check under qemu."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ToolError
from ..hw.flow import tools
from ..sim.mca import MODELS, Estimate
from . import verify
from .arm_run import Counts, count, estimate, run_frames
from .arm_tuning import Tuned, cache_folder, count_trials, tune
from .cross import Cross, cross, simulator
from .data import output_decoding
from .elf_sizes import code_bytes
from .project import EXAMPLE, Library, Placed, describe_library

if TYPE_CHECKING:
    from ..boards.schema import Board, Processor
    from ..compiler.neon.program import Program
    from .compile import Job
    from .options import Options

STAGES = ("graph", "lower", "objects", "library", "verify")
MAX_THREADS = 4
_FUNCTIONS = ("context_size", "init", "run", "free")


@dataclass
class Arm:
    """What is known so far of the library under way."""

    name: str
    program: Program
    code_bytes: int | None = None
    counts: Counts | None = None
    estimate: Estimate | None = None
    context_bytes: int = 0
    tuned: Tuned | None = None


def check_reachable(board: Board, options: Options) -> None:
    """Refuse before any work what a later stage could not do.

    Raises:
        InputError: no such cross compiler, or no folder where counts are to be kept.
        ToolError: a tool of a stage up to ``until`` is missing.
    """
    reached = STAGES.index(options.until)
    tunes = options.tune and reached >= STAGES.index("lower")
    if tunes:
        cache_folder(options.cache)
    if reached >= STAGES.index("lower") and importlib.util.find_spec("tvm") is None:
        raise ToolError("tools: tvm must be installed, not absent. Run: pip install apache-tvm")
    if tunes or reached >= STAGES.index("library"):
        cross(board.processor.core, options.cross)
    if tunes or reached >= STAGES.index("verify"):
        tools.find(simulator(board.processor.core))


def lower_stage(job: Job) -> None:
    """Kernels, calls and memory plan."""
    core = job.board.processor.core
    tuned = _tune(job) if job.options.tune else None
    with job.stage("lower", f"lowering to kernels for {core}"):
        # Loading TVM takes seconds.
        from ..compiler.neon.c_names import identifier
        from ..compiler.neon.c_source import context_bytes
        from ..compiler.neon.isa import CORES
        from ..compiler.neon.lower import lower

        program = lower(job.graph, CORES[core], tuned.ways if tuned else None)
        job.arm = Arm(identifier(job.graph.name), program, tuned=tuned)
        job.arm.context_bytes = context_bytes(program, job.options.threads)


def _tune(job: Job) -> Tuned:
    """The ways that execute the fewest instructions."""
    core, options = job.board.processor.core, job.options
    with job.stage("tune", f"tuning for {core}"):
        counter = partial(count_trials, compiler=cross(core, options.cross))
        return tune(job.graph, core, counter, cache_folder(options.cache), job.say)


def objects_stage(job: Job) -> None:
    """The sources, and the kernels' object."""
    arm = job.arm
    with job.stage("objects", f"compiling {len(arm.program.functions)} kernels with LLVM"):
        from ..compiler.neon.emit_c import kernels, library_files
        from ..compiler.neon.objects import compile_kernels

        job.project.library_sources.mkdir()
        files = library_files(arm.program, job.graph, arm.name, job.options.threads)
        for name, content in files.items():
            folder = job.project.root if name in _public(arm.name) else job.project.library_sources
            (folder / name).write_bytes(content)
        made = compile_kernels(kernels(arm.program, arm.name), arm.program.core)
        made.write_to_file(str(job.project.library_sources / f"{arm.name}_kernels.o"), "o")
        job.files |= {
            "header": f"{arm.name}.h",
            "example": EXAMPLE + ".c",
            "cmake": f"{arm.name}Config.cmake",
        }
        job.files["library_sources"] = job.project.library_sources.name


def _public(name: str) -> tuple[str, ...]:
    """Files for the user; the rest is for whoever rebuilds the library."""
    return (f"{name}.h", f"{name}Config.cmake", f"{EXAMPLE}.c")


def library_stage(job: Job) -> None:
    """Both libraries and the example program, and what runs it."""
    arm, root = job.arm, job.project.root
    with job.stage("library", f"building lib{arm.name} with {job.options.cross}"):
        build = job.project.build
        shutil.copytree(job.project.library_sources, build)
        for name in _public(arm.name):
            shutil.copyfile(root / name, build / name)
        _build(cross(job.board.processor.core, job.options.cross), arm.name, build)
        arm.code_bytes = code_bytes(build / f"{arm.name}.o")
        made = {"library": f"lib{arm.name}.a", "shared_library": f"lib{arm.name}.so", "program": EXAMPLE}
        for name in made.values():
            (build / name).rename(root / name)
        shutil.rmtree(build)
        job.files |= made
        # A part of a split may have several; then only the split's own programs know what is what.
        if len(arm.program.inputs) == len(arm.program.outputs) == 1:
            job.project.library_file.write_text(_describe(job))
            job.files["interface"] = job.project.library_file.name


def _build(compiler: Cross, name: str, build: Path) -> None:
    compiler.compile(f"{name}.c", f"{name}_calls.o", build)
    compiler.compile(f"{name}_constants.S", f"{name}_constants.o", build)
    parts = [f"{name}_{part}.o" for part in ("calls", "kernels", "constants")]
    compiler.join(parts, f"{name}.o", [f"{name}_{f}" for f in _FUNCTIONS], build)
    compiler.archive(f"{name}.o", f"lib{name}.a", build)
    compiler.share(f"{name}.o", f"lib{name}.so", build)
    compiler.program(f"{EXAMPLE}.c", f"lib{name}.a", EXAMPLE, build)


def _describe(job: Job) -> str:
    program = job.arm.program
    given, made = (Placed(s.dtype, s.offset, s.type.shape) for s in (program.inputs[0], program.outputs[0]))
    return describe_library(Library(job.arm.name, program.core.name, job.options.threads, given, made))


def verify_stage(job: Job) -> None:
    """The example program under qemu: its integers against the graph's, and its instructions."""
    arm, data = job.arm, job.data
    core = job.board.processor.core
    with job.stage("verify", f"running {len(data.frames)} frames on {core} in qemu"):
        values = run_frames(job.project, job.graph, data.frames)
        right = verify.accuracy(output_decoding(job.graph).apply(values), data.labels)
        job.executors.append(
            verify.entry(f"ARM library ({core})", "integer graph", values, job.reference, right, data.origin)
        )
        arm.counts = count(job.project, data.frames[:1])
        if arm.counts and core in MODELS:
            arm.estimate = estimate(job.project, arm.counts, _functions(arm).values())


def report(job: Job) -> dict | None:
    """The report's part on the library; None before lowering."""
    arm = job.arm
    if arm is None:
        return None
    program, counts = arm.program, arm.counts
    return {
        "library": arm.name,
        "core": program.core.name,
        "threads": job.options.threads,
        "code_bytes": arm.code_bytes,
        "constant_bytes": len(program.constants),
        "arena_bytes": program.arena,
        "arena_bound_bytes": program.arena_bound,
        "context_bytes": arm.context_bytes,
        "instructions": counts.instructions if counts else None,
        "longest_instructions": counts.longest if counts else None,
        "cycles": _cycles(arm.estimate, job.board.processor),
        "calls": [
            {"kernel": c.kernel, "layer": c.layer, "macs": c.macs, "trips": c.trips} for c in program.calls
        ],
        "kernels": _kernels(arm),
        "tuning": _tuning(arm.tuned),
    }


def _tuning(tuned: Tuned | None) -> dict | None:
    """What tuning chose and gained; nothing that depends on what was counted before."""
    if tuned is None:
        return None
    return {
        "default_instructions": tuned.default,
        "instructions": tuned.instructions,
        "layers": [asdict(row) for row in tuned.rows],
    }


def _cycles(found: Estimate | None, processor: Processor) -> dict | None:
    """Estimated cycles of an inference, and how long they take on the board; None where they are unknown."""
    if found is None or found.cycles is None:
        return None
    return {
        "estimate": round(found.cycles),
        "milliseconds": found.cycles / (processor.clock_mhz * 1e3),
        "clock_mhz": processor.clock_mhz,
        "model": MODELS[processor.core],
        "modelled": found.modelled,
    }


def _kernels(arm: Arm) -> list[dict]:
    """Each kernel: how often it is called, and its instructions in an inference."""
    counted = arm.counts.functions if arm.counts else {}
    calls = [c.kernel for c in arm.program.calls]
    return [
        {"name": k, "calls": calls.count(k), "instructions": counted.get(function)}
        for k, function in _functions(arm).items()
    ]


def _functions(arm: Arm) -> dict[str, str]:
    """The kernels in order of their first call, and what each is called in the library."""
    from ..compiler.neon.c_source import kernel_name

    return {c.kernel: kernel_name(arm.name, c.kernel) for c in arm.program.calls}


def used_tools(job: Job) -> dict[str, str]:
    """Versions of the tools that took part."""
    reached = STAGES.index(job.options.until)
    found = {}
    if reached >= STAGES.index("objects"):
        found["tvm"] = importlib.metadata.version("apache-tvm")
    if reached >= STAGES.index("library"):
        compiler = cross(job.board.processor.core, job.options.cross)
        found[compiler.cc.name] = compiler.cc.version
    if reached >= STAGES.index("verify"):
        qemu = tools.find(simulator(job.board.processor.core))
        found[qemu.name] = qemu.version
    return found
