"""A compile's folder zynq: the accelerator as an IP, Vivado's script, and the programs of both hosts."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ir.boundary import InputEncoding, OutputDecoding, plain_input
from ..compiler.ir.types import TensorType
from ..hw.library import closure, twin
from ..hw.zynq.block_design import CONTROL_BASE, DMA_BASE, build_script
from ..hw.zynq.ip_xact import component_xml
from ..hw.zynq.top import TOP as AXI_TOP
from ..hw.zynq.top import axi_top
from ..hw.zynq.words import Words, words_of
from .data import output_decoding
from .project import TOP

if TYPE_CHECKING:
    from .compile import Job

FOLDER = "zynq"
NAME = "accelerator.json"
_SCHEMA = "gatewright-zynq/1"
_HOST = "hw/zynq/host"


def write_zynq(job: Job) -> None:
    """Write OUT/zynq for a board with a processing system; the RTL must lie in OUT/rtl."""
    board, folder = job.board, job.project.root / FOLDER
    entering, leaving = (words_of(s, board.zynq.port_bits) for s in (job.design.input, job.design.output))
    sources = _write_ip(job, folder / "ip", axi_top(TOP, entering, leaving, job.design_id))
    xml = component_xml(sources, entering.bytes, leaving.bytes, board.part.family)
    (folder / "ip" / "component.xml").write_text(xml)
    (folder / "build.tcl").write_text(build_script(board, job.clock_mhz, entering.bytes, leaving.bytes))
    (folder / NAME).write_text(_describe(job, entering, leaving))
    (folder / "c").mkdir()
    (folder / "c" / "gatewright_design.h").write_text(_header(job, entering, leaving))
    for host in sorted((files(__package__.rpartition(".")[0]) / _HOST).iterdir(), key=lambda e: e.name):
        if host.name.endswith((".c", ".h")):
            (folder / "c" / host.name).write_text(host.read_text())
        elif host.name.endswith((".py", ".md")) and host.name != "__init__.py":
            (folder / host.name).write_text(host.read_text())
    job.files |= {"zynq": FOLDER, "vivado": f"{FOLDER}/build.tcl"}


def _write_ip(job: Job, folder: Path, top: str) -> list[str]:
    """The IP's sources in ``folder``/src; their names relative to ``folder``."""
    source = folder / "src"
    source.mkdir(parents=True)
    (source / f"{AXI_TOP}.v").write_text(top)
    for path in (*job.project.sources(), *closure([top]).values()):
        # As for our own synthesis: the family's form, which is proved equal, where there is one.
        shutil.copyfile(twin(path.name, job.board.part.family) or path, source / path.name)
    for name, text in job.project.memories().items():
        (source / name).write_text(text)
    return [f"src/{path.name}" for path in sorted(source.iterdir())]


def _describe(job: Job, entering: Words, leaving: Words) -> str:
    """accelerator.json: what a host must know to feed the accelerator, without the graph."""
    graph, board = job.graph, job.board
    given, taken = graph.inputs[0].type, graph.outputs[0].type
    encoding = graph.encodings[0] if graph.encodings else plain_input(given.shape)
    data = {
        "schema": _SCHEMA,
        "board": board.name,
        "design_id": job.design_id,
        "clock_mhz": job.clock_mhz,
        "interval_clocks": job.design.interval,
        "dma_base": DMA_BASE[board.zynq.system],
        "control_base": CONTROL_BASE[board.zynq.system],
        "input": input_side(given, encoding, entering),
        "output": output_side(taken, output_decoding(graph), leaving),
    }
    return json.dumps(data, indent=1) + "\n"


def input_side(type_: TensorType, encoding: InputEncoding, words: Words) -> dict:
    """What accelerator.json says of the input: the source's tensor, the graph's, and its bytes."""
    thresholds = encoding.thresholds
    return _side(type_, words) | {
        "source_shape": list(encoding.source_shape),
        "perm": list(encoding.perm),
        "zero_point": encoding.zero_point,
        "thresholds": None if thresholds is None else [_exact(row) for row in thresholds],
    }


def output_side(type_: TensorType, decoding: OutputDecoding, words: Words) -> dict:
    """What accelerator.json says of the output."""
    return _side(type_, words) | {
        "source_shape": list(decoding.source_shape),
        "perm": list(decoding.perm),
        "zero_point": decoding.zero_point,
        "scale": _exact(decoding.scale),
        "offset": _exact(decoding.offset),
    }


def _side(type_: TensorType, words: Words) -> dict:
    e = words.stream.element
    return {
        "shape": list(type_.shape),
        "range": [type_.dtype.lo, type_.dtype.hi, type_.dtype.step],
        "bits": e.bits,
        "signed": e.signed,
        "bipolar": e.bipolar,
        "lanes": words.stream.lanes,
        "beats": words.stream.beats,
        "word_bytes": words.bytes,
        "beat_bytes": words.beat_bytes,
    }


def _exact(values: np.ndarray) -> list[str]:
    """Floats as texts that lose nothing, infinities too."""
    return [float(v).hex() for v in values]


def _header(job: Job, entering: Words, leaving: Words) -> str:
    """gatewright_design.h: the streams' numbers for the C driver."""
    lines = [
        "/* What the C driver must know of this design; made by gatewright. */",
        "#ifndef GATEWRIGHT_DESIGN_H",
        "#define GATEWRIGHT_DESIGN_H",
        "",
        f"#define GW_DESIGN_ID 0x{job.design_id:08x}u",
        f"#define GW_CONTROL_BASE 0x{CONTROL_BASE[job.board.zynq.system]:08x}u",
        f"#define GW_DMA_BASE 0x{DMA_BASE[job.board.zynq.system]:08x}u",
    ]
    for side, words in (("IN", entering), ("OUT", leaving)):
        e = words.stream.element
        numbers = {
            "BITS": e.bits, "SIGNED": int(e.signed), "BIPOLAR": int(e.bipolar),
            "LANES": words.stream.lanes, "BEATS": words.stream.beats, "BEAT_BYTES": words.beat_bytes,
        }  # fmt: skip
        lines += [f"#define GW_{side}_{name} {value}" for name, value in numbers.items()]
    return "\n".join([*lines, "", "#endif", ""])
