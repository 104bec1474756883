"""A compiled library's example program on the user's frames, under qemu."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..compiler.ir.graph import Graph
from ..compiler.neon.c_names import KERNEL
from ..errors import InputError, ToolError
from ..hw.flow import tools
from ..sim.elf import read_elf
from ..sim.mca import Estimate, estimate_cycles
from ..sim.qemu import ArmRun, NoPluginError, by_function, of_thread, run_arm
from .project import EXAMPLE, Library, Placed, Project

# Repeats of the two runs whose difference is counted.
_SHORT, _LONG = 1, 3


@dataclass(frozen=True)
class Counts:
    """Instructions of one inference.

    Attributes:
        instructions: all; of several threads those in kernels, as threads wait differently each time.
        functions: by function, of all threads together.
        longest: what is executed one after another: of each kernel the part of the thread that does most.
        run: a process that makes one inference, with what of each kernel counts into ``longest``.
    """

    instructions: int
    functions: dict[str, int]
    longest: int
    run: ArmRun


def run_frames(project: Project, graph: Graph, frames: np.ndarray) -> np.ndarray:
    """The graph's integers for all frames, one after the other through the library.

    Raises:
        InputError: there is no library in the folder.
        ToolError: qemu is missing, or the program failed.
    """
    library = project.library()
    shape = graph.outputs[0].type.shape
    if library.input.shape != graph.inputs[0].type.shape or library.output.shape != shape:
        raise InputError(
            f"run: {project.library_file} must describe the library of {project.graph_file.name}, "
            "not another one's. Compile again."
        )
    if not len(frames):
        return np.zeros((0, *shape), dtype=np.int64)
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        _run(project, library, frames, Path(scratch))
        return _read(Path(scratch) / "outputs", library.output, len(frames))


def count(project: Project, frame: np.ndarray) -> Counts | None:
    """Instructions of one inference of ``frame`` (1, ...); None where qemu takes no plugin.

    Raises:
        InputError: there is no library in the folder.
        ToolError: the program failed.
    """
    library = project.library()
    try:
        with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
            short, long = (
                _run(project, library, frame, Path(scratch), repeats, counted=True)
                for repeats in (_SHORT, _LONG)
            )
    except NoPluginError:
        return None
    binary = project.root / EXAMPLE
    if library.threads > 1:
        return _shared(binary, library, short, long)
    total = (long.instructions - short.instructions) // (_LONG - _SHORT)
    return Counts(total, _per_inference(binary, short, long), total, short)


def _shared(binary: Path, library: Library, short: ArmRun, long: ArmRun) -> Counts:
    """Instructions in kernels, which are the same each time, and the most that one thread has of each."""
    parts = [of_thread(short, thread) for thread in range(library.threads)]
    counts = [_per_inference(binary, part, of_thread(long, t)) for t, part in enumerate(parts)]
    names = dict.fromkeys(n for c in counts for n in c if n.startswith(f"{library.name}_{KERNEL}"))
    functions = {name: sum(c.get(name, 0) for c in counts) for name in names}
    busiest = {name: max(range(len(parts)), key=lambda t: counts[t].get(name, 0)) for name in names}
    longest = sum(counts[thread][name] for name, thread in busiest.items())
    return Counts(sum(functions.values()), functions, longest, _joined(binary, parts, busiest))


def _per_inference(binary: Path, short: ArmRun, long: ArmRun) -> dict[str, int]:
    """Instructions by function, of one repeat."""
    before, after = by_function(binary, short), by_function(binary, long)
    more = {name: (n - before.get(name, 0)) // (_LONG - _SHORT) for name, n in after.items()}
    return {name: n for name, n in more.items() if n}


def _joined(binary: Path, parts: Sequence[ArmRun], of: Mapping[str, int]) -> ArmRun:
    """A run in which each function is as the thread that ``of`` names has it."""
    blocks = [
        block
        for function in read_elf(binary).functions
        if function.name in of
        for block in parts[of[function.name]].blocks
        if function.start <= block.address < function.end
    ]
    executed = sum(b.executions * len(b.sizes) for b in blocks)
    return replace(parts[0], blocks=tuple(blocks), instructions=executed)


def estimate(project: Project, counts: Counts, kernels: Collection[str]) -> Estimate | None:
    """Cycles of one inference in ``kernels``, functions of the library; None where LLVM's tools are missing.

    Several threads' are those of each kernel's longest part.

    Raises:
        InputError: there is no library in the folder.
        ToolError: an LLVM tool failed.
    """
    try:
        for name in ("llvm-mca", "llvm-objdump"):
            tools.find(name)
    except ToolError:
        return None
    return estimate_cycles(project.root / EXAMPLE, counts.run, cpu=project.library().core, functions=kernels)


def _run(
    project: Project, library: Library, frames: np.ndarray, scratch: Path, repeats: int = 1,
    counted: bool = False,
) -> ArmRun:  # fmt: skip
    given = scratch / "frames"
    given.write_bytes((frames - library.input.offset).astype(f"<{_kind(library.input)}").tobytes())
    return run_arm(
        project.root / EXAMPLE, [str(given), str(scratch / "outputs"), str(repeats)],
        cpu=library.core, blocks=counted,
    )  # fmt: skip


def _read(path: Path, placed: Placed, frames: int) -> np.ndarray:
    kind = np.dtype(f"<{_kind(placed)}")
    data = path.read_bytes()
    wanted = frames * math.prod(placed.shape) * kind.itemsize
    if len(data) != wanted:
        raise ToolError(f"run: {EXAMPLE} must write {wanted} bytes, not {len(data)}. Compile again.")
    return np.frombuffer(data, kind).astype(np.int64).reshape(frames, *placed.shape) + placed.offset


def _kind(placed: Placed) -> str:
    return np.dtype(placed.dtype).str[1:]
