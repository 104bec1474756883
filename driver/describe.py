"""The report of a compile: what was asked, what came of it, as one plain dict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ir.graph import Graph, Node
from ..compiler.ir.ops import AdderConv2d, AdderMatMul, Conv2d, MatMul
from ..hw.design import Design, Resources
from ..hw.flow.tools import versions
from ..report import render, write
from . import arm, hls, modelled, split_report, xls
from .data import output_decoding
from .options import HLS, XLS

if TYPE_CHECKING:
    from .compile import Job

SCHEMA = "gatewright-report/1"
# Layers with weights that reports count.
_WEIGHTED = MatMul | Conv2d | AdderMatMul | AdderConv2d


def report(job: Job) -> dict:
    """The report of what ``job`` has reached; parts of later stages are null or empty."""
    design, clock, rates = job.design, job.clock_mhz, modelled.clocks(job)
    interval = rates["interval_clocks"]
    return {
        "schema": SCHEMA,
        "model": {
            "file": job.source.name,
            "sha256": job.sha256,
            **model(job.graph),
        },
        "board": board(job.board),
        "stage": job.options.until,
        "clock_mhz": clock,
        **rates,
        "frames_per_second": clock * 1e6 / interval if interval else None,
        "resources": resources(job) if _known(job) else None,
        "clocks": clocks(design) if design else [],
        "timing": route_timing(job),
        "executors": job.executors,
        "output": output(job.graph),
        **modelled.report_keys(job),
        "arm": arm.report(job),
        "files": dict(sorted(job.files.items())),
        "tools": used_tools(job),
        "seconds": job.seconds,
        **split_report.report_keys(job),
    }


def _known(job: Job) -> bool:
    """Whether there are resources to tell: of what XLS made, synthesis alone knows them."""
    return job.design is not None and (job.options.via != XLS or job.synthesis is not None)


def write_report(content: dict, path: Path) -> None:
    """report.json and, beside it, report.html."""
    write(content, path)
    path.with_suffix(".html").write_text(render(content), encoding="utf-8")


def _range(dtype) -> list[int]:
    return [dtype.lo, dtype.hi, dtype.step]


def model(graph: Graph) -> dict:
    """Name, input, work and layers of a graph."""
    source = graph.inputs[0]
    encoding = graph.encodings[0] if graph.encodings else None
    layers = [_layer(n) for n in graph.nodes()]
    weights = [n.inputs[1].type.size for n in graph.nodes() if isinstance(n.op, _WEIGHTED)]
    return {
        "name": graph.name,
        "input": {
            "shape": list(encoding.source_shape if encoding else source.type.shape),
            "range": _range(encoding.codes(source.type) if encoding else source.type.dtype),
            "scale": encoding.scale if encoding else None,
        },
        "macs": sum(layer["macs"] for layer in layers),
        "adds": sum(layer["adds"] for layer in layers),
        "parameters": sum(weights),
        "layers": layers,
    }


def _layer(node: Node) -> dict:
    work = node.op.work(*node.inputs)
    return {
        "name": node.name,
        "op": node.op.name,
        "type": str(node.type),
        "macs": work.macs,
        "adds": work.adds,
        "weight_bits": node.inputs[1].type.dtype.bits if isinstance(node.op, _WEIGHTED) else None,
    }


def output(graph: Graph) -> dict:
    """Shape, range and scale of the output in the model's own codes: float = scale * code + offset."""
    decoding, dtype = output_decoding(graph), graph.outputs[0].type.dtype
    point = decoding.zero_point
    return {
        "shape": list(decoding.source_shape),
        "range": [dtype.lo + point, dtype.hi + point, dtype.step],
        "scale": [float(v) for v in np.atleast_1d(decoding.scale)],
        "offset": [float(v) for v in np.atleast_1d(decoding.offset - point * decoding.scale)],
    }


def board(b) -> dict:
    """The board, what its FPGA has, and its processor; null for what it has not."""
    part, cpu = b.part, b.processor
    capacity = {"lut": part.lut, "ff": part.ff, "bram": part.bram, "dsp": part.dsp} if part else None
    return {
        "name": b.name,
        "title": b.title,
        "part": part.name if part else None,
        "family": part.family if part else None,
        "capacity": capacity,
        "processor": {k: v for k, v in asdict(cpu).items() if k != "source"} if cpu else None,
    }


def amounts(r: Resources) -> dict[str, float]:
    """The four kinds by name."""
    return {kind: getattr(r, kind) for kind in ("lut", "ff", "bram", "dsp")}


def block_memory(r: Resources, block_kbit: int) -> dict | None:
    """How full the blocks of an estimate are that memories take; None where they take none."""
    if not r.bram:
        return None
    filled = r.stored_bits / (r.bram * block_kbit * 1024)
    return {"blocks": r.bram, "stored_bits": r.stored_bits, "filled": round(filled, 4)}


def rounded(r: Resources) -> Resources:
    """Whole LUTs and flip-flops: an estimate's fractions are no accuracy. Block RAMs come in halves."""
    return Resources(round(r.lut), round(r.ff), round(r.bram, 1), round(r.dsp, 1), r.stored_bits)


def resources(job: Job) -> dict:
    """Resources per unit, per memory outside of units and in total, from the furthest stage reached."""
    family, block_kbit = job.board.part.family, job.board.part.bram_kbit
    parts = [(i.name, i.unit.module, i.layer, i) for i in job.design.instances]
    parts += [(s.name, s.module, s.layer, s) for s in job.design.stores]
    estimates = [rounded(part.resources(family)) for *_, part in parts]
    # Of the rounded ones, so that the units add up to it.
    estimated = sum(estimates, Resources())
    found = job.synthesis.instances if job.synthesis else {}
    rows = [
        {
            "name": name,
            "module": module,
            "layer": layer,
            "source": "synthesized" if found else "estimated",
            **amounts(rounded(found.get(name, Resources())) if found else estimate),
            "block_memory": block_memory(estimate, block_kbit),
        }
        for (name, module, layer, _), estimate in zip(parts, estimates, strict=True)
    ]
    source, total = "estimated", estimated
    if job.synthesis:
        source, total = "synthesized", job.synthesis.total
    if job.routed:
        source = "routed"
        # Synthesized apart and together: optimization across the border can make the rest look negative.
        whole, inner = amounts(job.routed.total), amounts(total)
        around = Resources(**{kind: max(whole[kind] - inner[kind], 0) for kind in whole})
        link = {"name": "link", "module": "board_top", "layer": "", "source": "synthesized"}
        rows.append({**link, **amounts(rounded(around)), "block_memory": None})
        total = job.routed.total
    return {
        "source": source,
        "total": amounts(rounded(total)),
        "estimated_total": None if job.options.via == XLS else amounts(rounded(estimated)),
        "block_memory": block_memory(estimated, block_kbit),
        "units": rows,
    }


def clocks(design: Design) -> list[dict]:
    """Where the clocks go: each unit's interval against the design's."""
    return [
        {
            "name": i.name,
            "layer": i.layer,
            "module": i.unit.module,
            "interval_clocks": i.interval,
            "busy": round(i.interval / design.interval, 4),
        }
        for i in design.instances
    ]


def route_timing(job: Job) -> dict | None:
    """Clock asked for and reached; null before place and route."""
    if not job.routed:
        return None
    return {
        "asked_mhz": job.clock_mhz,
        "fmax_mhz": round(job.routed.fmax_mhz, 2),
        "met": job.routed.fmax_mhz >= job.clock_mhz,
        "critical_path": list(job.routed.critical_path),
        "caveat": job.routed.caveat,
    }


def used_tools(job: Job) -> dict[str, str]:
    """Versions of the tools that the stages reached may have used."""
    if job.split:
        return split_report.used_tools(job)
    if job.arm:
        return arm.used_tools(job)
    if job.options.via == HLS:
        return hls.used_tools(job)
    if job.options.via == XLS:
        return xls.used_tools(job)
    return versions(job.options.native) if job.design else {}
