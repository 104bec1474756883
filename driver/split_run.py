"""A split folder run in simulation: the processor's programs under qemu, the FPGA's part between them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..compiler.split.partition import AFTER, BEFORE
from ..compiler.split.programs import WORK
from ..errors import InputError, ToolError
from ..hw.flow import tools
from ..sim.elf import read_elf
from ..sim.mca import MODELS, Estimate, estimate_cycles
from ..sim.qemu import ArmRun, NoPluginError, run_arm
from .project import Placed, Project
from .split_file import Described, fpga_folder, program_file, read_split

Fpga = Callable[[Project, list[int]], list[int]]
_STREAM = "stream"
# Repeats of the two runs whose difference is counted.
_SHORT, _LONG = 1, 3


@dataclass(frozen=True)
class Counted:
    """A program's work on one frame, the packing of streams included: instructions, and llvm-mca's estimate
    of cycles where its tools are there and its model knows the instructions."""

    instructions: int
    cycles: float | None


def run_split(project: Project, frames: np.ndarray, fpga: Fpga) -> np.ndarray:
    """The network's integers for at least one frame, int64 (N, *shape).

    Args:
        frames: integers (N, *shape) of the network's input.
        fpga: runs the FPGA's folder on words, the beats of all frames; gives those that come out.
    Raises:
        InputError: no split folder, or a damaged one, or one of another network.
        ToolError: qemu is missing, or a program failed.
    """
    split = read_split(project)
    (given,) = split.inputs
    if split.tensors[given].shape != frames.shape[1:]:
        raise InputError(
            f"run: split.json in {project.root} must describe a network that takes {frames.shape[1:]}, not "
            f"{split.tensors[given].shape}. Compile again."
        )
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        folder = Path(scratch)
        _run_before(project, split, frames, folder)
        words = _words((folder / _STREAM).read_bytes(), split.in_bytes)
        made = fpga(fpga_folder(project), words)
        (folder / _STREAM).write_bytes(b"".join(w.to_bytes(split.out_bytes, "little") for w in made))
        _run(project, split, AFTER, folder)
        (name,) = split.outputs
        return _read(folder / name, split.tensors[name], len(frames))


def count_program(project: Project, name: str, frames: np.ndarray, fpga: Fpga) -> Counted | None:
    """Instructions and cycles of one of the programs on one frame (1, ...); None where qemu takes no plugin.

    Args:
        name: BEFORE or AFTER; ``fpga`` as of ``run_split``, of use for AFTER alone.
    Raises:
        InputError, ToolError: as of ``run_split``.
    """
    split = read_split(project)
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        folder = Path(scratch)
        if name == BEFORE:
            _write(folder / split.inputs[0], frames, split.tensors[split.inputs[0]])
        else:
            _run_before(project, split, frames, folder)
            made = fpga(fpga_folder(project), _words((folder / _STREAM).read_bytes(), split.in_bytes))
            data = b"".join(w.to_bytes(split.out_bytes, "little") for w in made)
            (folder / _STREAM).write_bytes(data)
        try:
            short, long = (_run(project, split, name, folder, n) for n in (_SHORT, _LONG))
        except NoPluginError:
            return None
    each = (long.instructions - short.instructions) // (_LONG - _SHORT)
    found = _cycles(project, split, name, short)
    return Counted(each, None if found is None else found.cycles)


def _cycles(project: Project, split: Described, name: str, run: ArmRun) -> Estimate | None:
    """Cycles in the library's kernels and in the packing of streams."""
    if split.core not in MODELS:
        return None
    try:
        for tool in ("llvm-mca", "llvm-objdump"):
            tools.find(tool)
    except ToolError:
        return None
    binary = program_file(project, name)
    kernels = [f.name for f in read_elf(binary).functions if "gwk_" in f.name]
    return estimate_cycles(binary, run, cpu=split.core, functions=[WORK, *kernels])


def _run_before(project: Project, split: Described, frames: np.ndarray, folder: Path) -> None:
    (given,) = split.inputs
    _write(folder / given, frames, split.tensors[given])
    _run(project, split, BEFORE, folder)


def _run(project: Project, split: Described, name: str, folder: Path, repeats: int | None = None) -> ArmRun:
    """A program on files that are called as the tensors they hold."""
    files = split.before if name == BEFORE else split.after
    ordered = (
        [*files.reads, *files.writes, _STREAM] if name == BEFORE else [_STREAM, *files.reads, *files.writes]
    )
    arguments = [str(folder / each) for each in ordered]
    counted = [] if repeats is None else [str(repeats)]
    return run_arm(
        program_file(project, name), [*arguments, *counted], cpu=split.core, blocks=repeats is not None
    )


def _write(path: Path, values: np.ndarray, placed: Placed) -> None:
    path.write_bytes((values - placed.offset).astype(np.dtype(placed.dtype).newbyteorder("<")).tobytes())


def _read(path: Path, placed: Placed, frames: int) -> np.ndarray:
    kind = np.dtype(placed.dtype).newbyteorder("<")
    data = path.read_bytes()
    wanted = frames * math.prod(placed.shape) * kind.itemsize
    if len(data) != wanted:
        raise ToolError(f"run: run_{AFTER} must write {wanted} bytes, not {len(data)}. Compile again.")
    return np.frombuffer(data, kind).astype(np.int64).reshape(frames, *placed.shape) + placed.offset


def _words(data: bytes, size: int) -> list[int]:
    if len(data) % size:
        raise ToolError(f"run: run_{BEFORE} must write beats of {size} bytes, not {len(data)} bytes")
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]
