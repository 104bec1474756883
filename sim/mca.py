"""Cycles of ARM code on a core, as llvm-mca's models of its pipeline have them.

The models know no caches and no branches taken wrongly. Not each core has one of its own.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ..errors import ToolError
from ..hw.flow import tools
from .elf import read_elf
from .qemu import ArmRun, Block

# Twenty tell the cycles of whole networks to the fifth digit.
_ITERATIONS = 20
_SECONDS = 120
_TRIPLES = {"aarch64": "aarch64-linux-gnu", "arm": "armv7-linux-gnueabihf"}
# Source: ProcessorModel in AArch64.td and ARM.td of LLVM 14 to 19.
MODELS = {
    "cortex-a9": "cortex-a9",
    "cortex-a53": "cortex-a53",
    "cortex-a72": "cortex-a57",
    "cortex-a76": "cortex-a57",
}
"""The core whose pipeline LLVM takes for each core."""
# The hottest blocks that hold this share of the executed instructions are modelled.
_SHARE = 0.99
_LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*)$")
# Where a branch goes, and addresses in comments.
_PLACE = re.compile(r"(#?-?0x[0-9a-f]+|#-?\d+) <[^>]*>")


@dataclass(frozen=True)
class Estimate:
    """Cycles of a run, or of some functions in it.

    Attributes:
        cycles: of the modelled blocks by llvm-mca, each as if it ran again and again; the rest at their rate.
            None where instructions were executed and none of them is in a modelled block: unknown, not 0.
        instructions: executed in all.
        modelled: share of them in modelled blocks.
    """

    cycles: float | None
    instructions: int
    modelled: float


def estimate_cycles(
    binary: Path, run: ArmRun, *, cpu: str, functions: Collection[str] | None = None
) -> Estimate:
    """The cycles that what a program executed takes on a core, its caches warm.

    Args:
        run: of ``binary``, with blocks.
        cpu: the core as LLVM calls it.
        functions: count these alone, by the names of their symbols; None counts everything.

    Raises:
        InputError: ``binary`` is no program for ARM.
        ToolError: an LLVM tool is missing, or cannot read an instruction.
    """
    elf = read_elf(binary)
    ranges = [(f.start, f.end) for f in elf.functions if functions is None or f.name in functions]
    blocks = [
        b for b in run.blocks
        if functions is None or any(start <= b.address < end for start, end in ranges)
    ]  # fmt: skip
    blocks.sort(key=lambda b: (-_executed(b), b.address))
    total = sum(map(_executed, blocks))
    hot = _hottest(blocks, _SHARE * total)
    triple = _TRIPLES[elf.machine]
    text = _disassembly(binary, triple, cpu) if hot else {}
    passes = _cycles_of(["\n".join(text[at] for at in _addresses(b)) for b in hot], triple, cpu)
    known = [(b, clocks) for b, clocks in zip(hot, passes, strict=True) if clocks is not None]
    seen = sum(_executed(b) for b, _ in known)
    cycles = sum(b.executions * clocks for b, clocks in known)
    if not total:
        return Estimate(0.0, 0, 1.0)
    return Estimate(cycles * total / seen if seen else None, total, seen / total)


def _hottest(blocks: Sequence[Block], wanted: float) -> list[Block]:
    """The first of the sorted blocks that together execute ``wanted`` instructions."""
    before = accumulate(map(_executed, blocks), initial=0)
    return [b for b, executed in zip(blocks, before, strict=False) if executed < wanted]


def _cycles_of(blocks: Sequence[str], triple: str, cpu: str) -> list[float | None]:
    """Cycles of one pass of each; None for those with an instruction that the model lacks.

    All go to llvm-mca at once; it refuses all for one, which is then found by halving.

    Raises:
        ToolError: llvm-mca is missing, or has no model of the core.
    """
    if not blocks:
        return []
    try:
        return _steady(blocks, triple, cpu, "")
    except _Unreadable:
        if len(blocks) == 1:
            return [None]
    half = len(blocks) // 2
    return _cycles_of(blocks[:half], triple, cpu) + _cycles_of(blocks[half:], triple, cpu)


def _executed(block: Block) -> int:
    return block.executions * len(block.sizes)


def _addresses(block: Block) -> list[int]:
    return [block.address + sum(block.sizes[:i]) for i in range(len(block.sizes))]


def _disassembly(binary: Path, triple: str, cpu: str) -> dict[int, str]:
    """The instruction at each address, as the assembler would take it, branches to a label."""
    argv = [
        *tools.find("llvm-objdump").argv,
        "-d",
        "--no-show-raw-insn",
        f"--triple={triple}",
        f"--mcpu={cpu}",
    ]
    done = subprocess.run(
        [*argv, str(binary.resolve())], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise ToolError(f"llvm-objdump: must read {binary.name}. It says:\n{tools.excerpt(done.stderr)}")
    found = filter(None, map(_LINE.match, done.stdout.splitlines()))
    return {int(line[1], 16): _PLACE.sub("gw_target", line[2]).split(" @ ")[0] for line in found}


def block_cycles(assembly: str, *, triple: str, cpu: str, features: str = "") -> float:
    """Cycles that one pass of a loop takes once its pipeline is full.

    Args:
        assembly: the body in the assembler's syntax, branch included; labels are names, not "1b".
        triple: such as "aarch64-linux-gnu" or "armv7-linux-gnueabihf".
        cpu: the core as LLVM calls it, such as "cortex-a53".
        features: added to or taken from the core's, such as "+dotprod,-crypto".

    Raises:
        ToolError: llvm-mca is missing, has no model of the core, or cannot read an instruction.
    """
    return _steady([assembly], triple, cpu, features)[0]


class _Unreadable(ToolError):
    """An instruction that llvm-mca cannot read or has no figures for."""


def _steady(blocks: Sequence[str], triple: str, cpu: str, features: str) -> list[float]:
    short, long = (_totals(blocks, triple, cpu, features, n * _ITERATIONS) for n in (1, 2))
    return [(after - before) / _ITERATIONS for before, after in zip(short, long, strict=True)]


def _totals(blocks: Sequence[str], triple: str, cpu: str, features: str, iterations: int) -> list[int]:
    mca = tools.find("llvm-mca")
    flags = ["--json", f"-mtriple={triple}", f"-mcpu={cpu}", f"-iterations={iterations}"]
    flags += [f"-mattr={features}"] if features else []
    regions = "".join(f"# LLVM-MCA-BEGIN {i}\n{text}\n# LLVM-MCA-END {i}\n" for i, text in enumerate(blocks))
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        (Path(scratch) / "block.s").write_text(regions)
        done = subprocess.run(
            [*mca.argv, *flags, "block.s"], cwd=scratch, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    if "is not a recognized processor" in done.stderr:
        raise ToolError(f"llvm-mca: cpu must be a core that LLVM knows for {triple}, not {cpu!r}")
    # It leaves out what it cannot read, and may go on with the rest.
    if done.returncode or "error:" in done.stderr:
        raise _Unreadable(f"llvm-mca: must read the block for {cpu}. It says:\n{tools.excerpt(done.stderr)}")
    found = {region["Name"]: region["SummaryView"] for region in json.loads(done.stdout)["CodeRegions"]}
    if len(found) != len(blocks):
        raise _Unreadable(f"llvm-mca: each block must hold instructions, not {len(found)} of {len(blocks)}")
    return [found[str(i)]["TotalCycles"] for i in range(len(blocks))]
