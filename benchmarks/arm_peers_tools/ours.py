"""gatewright's side of arm_peers.py: what a user would type, and the instructions that it reports."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright import load_model
from gatewright.errors import ToolError

from .networks import Given

BOARDS = {"cortex-a53": "raspberrypi_3b", "cortex-a72": "raspberrypi_4b", "cortex-a76": "raspberrypi_5"}


@dataclass(frozen=True)
class Ours:
    """Instructions per inference as ``gatewright run`` counts them, and the output's codes."""

    instructions: float
    codes: list[int]


def ours(given: Given, cpu: str) -> Ours:
    """The model compiled for the board with this core, run under qemu.

    Raises:
        ToolError: the command line refused the model or the board; carries what it said.
    """
    with tempfile.TemporaryDirectory(prefix="gatewright_") as scratch:
        folder, sample, made = (Path(scratch) / name for name in ("made", "in.npy", "out.npy"))
        np.save(sample, given.sample)
        _cli("compile", str(given.model), "--board", BOARDS[cpu], "--out", str(folder), "--quiet")
        files = ["--input", str(sample), "--output", str(made)]
        said = _cli("run", str(folder), "--on", "arm", *files, "--json")
        return Ours(json.loads(said)["instructions_per_inference"], np.load(made).ravel().tolist())


def macs(model: Path) -> int:
    """Multiplications of one inference."""
    return sum(node.op.work(*node.inputs).macs for node in load_model(model).nodes())


def codes(model: Path, output: Sequence[float]) -> list[int]:
    """A rival's output, integers or floats, as the codes that ``gatewright run`` writes."""
    decoding = load_model(model).decodings[0]
    values = np.array(output)
    if values.dtype.kind == "i":
        return values.tolist()
    return (np.rint((values - decoding.offset) / decoding.scale).astype(int) + decoding.zero_point).tolist()


def _cli(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gatewright", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"gatewright {arguments[0]}: must exit with 0, not {done.returncode}:\n{done.stderr}")
    return done.stdout
