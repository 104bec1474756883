"""split.json: what runs where in a split folder, and how each tensor that crosses lies in memory and streams.

OUT/graph.onnx             the whole network
OUT/split.json, OUT/gatewright_split.h
OUT/arm/before, OUT/arm/after    libraries, where the processor computes anything there
OUT/arm/run_before, run_after    programs (and their sources) that run these around the FPGA
OUT/fpga                   the FPGA's part, as a compile of it alone
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..compiler.split.header import Held, Streamed
from ..compiler.split.partition import MIDDLE, Split
from ..compiler.split.programs import Program
from .project import Placed, Project, described

NAME = "split.json"
SCHEMA = "gatewright-split/1"
_DTYPES = ("int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Files:
    """What a program reads and writes, in the order of its arguments; the stream apart."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Described:
    """A split folder, for whoever runs it.

    Attributes:
        core: the processor's, as qemu calls it.
        tensors: by name, as C has them; ``inputs`` and ``outputs`` are the network's.
        before, after: of the two programs.
        in_bytes, out_bytes: of a beat of the FPGA's streams in memory.
    """

    core: str
    tensors: Mapping[str, Placed]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    before: Files
    after: Files
    in_bytes: int
    out_bytes: int


def fpga_folder(project: Project) -> Project:
    """The FPGA's part, a compiled folder of its own."""
    return Project(project.root / "fpga")


def arm_folder(project: Project, name: str) -> Project:
    """The library of a part on the processor."""
    return Project(project.root / "arm" / name)


def program_file(project: Project, name: str) -> Path:
    """The program that runs before or after the FPGA."""
    return project.root / "arm" / f"run_{name}"


def describe_split(
    split: Split, core: str, held: Mapping[str, Held], streams: Mapping[str, Streamed],
    programs: Mapping[str, Program], span: tuple[int, int],
) -> str:  # fmt: skip
    """split.json.

    Args:
        streams: "in" and "out"; programs: "before" and "after".
        span: numbers of the first and the last node on the FPGA.
    """
    data = {
        "schema": SCHEMA,
        "core": core,
        "first": span[0],
        "last": span[1],
        "inputs": list(split.inputs),
        "outputs": list(split.outputs),
        "tensors": {name: _held(h) for name, h in held.items()},
        "parts": [
            {
                "name": p.name,
                "place": p.place,
                "folder": "fpga" if p.name == MIDDLE else f"arm/{p.name}",
                "nodes": len(p.graph.nodes()),
                "takes": list(p.takes),
                "gives": list(p.gives),
            }
            for p in split.parts
        ],
        "programs": {
            name: {"reads": [h.name for h in p.reads], "writes": [h.name for h in p.writes]}
            for name, p in programs.items()
        },
        "streams": {side: _streamed(s) for side, s in streams.items()},
    }
    return json.dumps(data, indent=1) + "\n"


def _held(h: Held) -> dict:
    kind = h.type.dtype
    return {
        "shape": list(h.type.shape),
        "range": [kind.lo, kind.hi, kind.step],
        "dtype": h.dtype,
        "offset": h.offset,
    }


def _streamed(s: Streamed) -> dict:
    kind = s.element
    return {
        "tensor": s.held.name,
        "range": [kind.lo, kind.hi, kind.step],
        "code_bits": kind.bits,
        "lanes": s.lanes,
        "beats": s.beats,
        "beat_bytes": s.beat_bytes,
        "bytes": s.bytes,
    }


def read_split(project: Project) -> Described:
    """A split folder's description.

    Raises:
        InputError: there is none, or it is damaged.
    """
    missing = (
        f"run: {project.root} holds no split (no {NAME}). Compile with --split for a board with an FPGA and "
        "a processor."
    )
    return described(project.root / NAME, missing, SCHEMA, _described)


def _described(data: dict) -> Described:
    tensors = {str(name): _placed(t) for name, t in data["tensors"].items()}
    programs, streams = data["programs"], data["streams"]
    found = Described(
        str(data["core"]), tensors, _known(data["inputs"], tensors), _known(data["outputs"], tensors),
        *(
            Files(_known(programs[name]["reads"], tensors), _known(programs[name]["writes"], tensors))
            for name in ("before", "after")
        ),
        int(streams["in"]["beat_bytes"]), int(streams["out"]["beat_bytes"]),
    )  # fmt: skip
    if min(found.in_bytes, found.out_bytes) < 1 or len(found.inputs) != 1 or len(found.outputs) != 1:
        raise ValueError(data["streams"])
    return found


def _known(names: list, tensors: Mapping[str, Placed]) -> tuple[str, ...]:
    if any(name not in tensors for name in names):
        raise ValueError(names)
    return tuple(names)


def _placed(data: dict) -> Placed:
    if data["dtype"] not in _DTYPES:
        raise ValueError(data["dtype"])
    return Placed(data["dtype"], int(data["offset"]), tuple(int(d) for d in data["shape"]))
