"""Cycles of straight-line ARM code on a core, as llvm-mca's models of its pipeline have them.

The models know no caches. Not each core has one of its own: LLVM 14 to 19 take Cortex-A57's for A72 and A76.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from ..errors import ToolError
from ..hw.flow import tools

_ITERATIONS = 100
_SECONDS = 120


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
    short, long = (_total_cycles(assembly, triple, cpu, features, n * _ITERATIONS) for n in (1, 2))
    return (long - short) / _ITERATIONS


def _total_cycles(assembly: str, triple: str, cpu: str, features: str, iterations: int) -> int:
    mca = tools.find("llvm-mca")
    flags = ["--json", f"-mtriple={triple}", f"-mcpu={cpu}", f"-iterations={iterations}"]
    flags += [f"-mattr={features}"] if features else []
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        (Path(scratch) / "block.s").write_text(assembly + "\n")
        done = subprocess.run(
            [*mca.argv, *flags, "block.s"], cwd=scratch, capture_output=True, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    if "is not a recognized processor" in done.stderr:
        raise ToolError(f"llvm-mca: cpu must be a core that LLVM knows for {triple}, not {cpu!r}")
    # It leaves out what it cannot read, and may go on with the rest.
    if done.returncode or "error:" in done.stderr:
        raise ToolError(f"llvm-mca: must read the block for {cpu}. It says:\n{tools.excerpt(done.stderr)}")
    return json.loads(done.stdout)["CodeRegions"][0]["SummaryView"]["TotalCycles"]
