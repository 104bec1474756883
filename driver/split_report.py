"""A split's part of the report: where the time of a frame goes, measured where it can be."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from ..compiler.split.candidates import Candidate
from ..compiler.split.cost import CORES
from ..compiler.split.partition import AFTER, BEFORE, MIDDLE
from ..hw.flow import tools
from ..hw.flow.tools import versions
from .cross import cross, simulator
from .split_choice import STAGES, machine

if TYPE_CHECKING:
    from .compile import Job
    from .split import Cut
    from .split_choice import Rated

# Cuts listed that a cut was chosen among.
LISTED = 12


def report_keys(job: Job) -> dict:
    """The report's keys that a split adds or tells otherwise; none for other compiles."""
    cut = job.split
    if cut is None:
        return {}
    parts = [_processor(job, cut, BEFORE), _fpga(job, cut), _processor(job, cut, AFTER)]
    transfers = _transfers(job, cut)
    total = sum(p["us"] for p in parts) + sum(t["us"] for t in transfers)
    told = {
        "asked": job.options.split,
        "first": cut.span[0],
        "last": cut.span[1],
        "core": job.board.processor.core,
        "parts": parts,
        "transfers": transfers,
        "latency_us": total,
        "candidates": [candidate_row(r) for r in cut.others[:LISTED]],
    }
    return {"split": told, "frames_per_second": 1e6 / total}


def candidate_row(rated: Rated) -> dict:
    """One cut, for reports and tables."""
    c: Candidate = rated.candidate
    return {
        "first": c.first,
        "last": c.last,
        "macs": c.macs,
        "bytes_in": c.bytes_in,
        "bytes_out": c.bytes_out,
        "before_us": c.times.before,
        "fpga_us": c.times.fpga,
        "after_us": c.times.after,
        "transfers_us": c.times.transfers,
        "latency_us": c.times.total,
        "folded": rated.folded,
    }


def _work(nodes) -> dict:
    return {"nodes": len(nodes), "macs": sum(n.op.work(*n.inputs).macs for n in nodes)}


def _processor(job: Job, cut: Cut, name: str) -> dict:
    """What the processor does before or after the FPGA, packing included."""
    part = cut.split.part(name)
    processor = job.board.processor
    counted = cut.counted.get(name)
    instructions = counted.instructions if counted else None
    cycles = counted.cycles if counted else None
    if counted is None:
        us, source = getattr(cut.rated.candidate.times, name), "estimated"
    elif cycles is None:
        us, source = instructions * CORES[processor.core].cycles / processor.clock_mhz, "counted"
    else:
        us, source = cycles / processor.clock_mhz, "llvm-mca"
    found = {"name": name, "place": "arm", "us": us, "source": source, "instructions": instructions}
    return found | _work(part.graph.nodes() if part else [])


def _fpga(job: Job, cut: Cut) -> dict:
    """The FPGA's part, from its first beat in to its last beat out."""
    if job.timing is not None:
        us, source = job.timing.latency_clocks / job.clock_mhz, "measured"
    elif job.cycles is not None:
        us, source = job.cycles.latency / job.clock_mhz, "modelled"
    else:
        us, source = cut.rated.candidate.times.fpga, "modelled" if cut.rated.folded else "estimated"
    nodes = cut.split.part(MIDDLE).graph.nodes()
    return {"name": MIDDLE, "place": "fpga", "us": us, "source": source, "instructions": None} | _work(nodes)


def _transfers(job: Job, cut: Cut) -> list[dict]:
    """What crosses, and how long that takes by the link's figures."""
    link, c = machine(job.board, job.clock_mhz).link, cut.rated.candidate
    sides = (
        ("in", cut.split.stream_in, cut.given, c.bytes_in),
        ("out", cut.split.stream_out, cut.made, c.bytes_out),
    )
    return [
        {
            "side": side,
            "tensor": tensor,
            "type": str(cut.split.tensors[tensor]),
            "bytes": stream.bytes if stream else size,
            "beat_bytes": stream.beat_bytes if stream else None,
            "us": link.microseconds(stream.bytes if stream else size, job.clock_mhz),
        }
        for side, tensor, stream, size in sides
    ]


def used_tools(job: Job) -> dict[str, str]:
    """Versions of the tools that took part."""
    core, reached = job.board.processor.core, STAGES.index(job.options.until)
    found = {}
    if reached >= STAGES.index("parts"):
        cc = cross(core, job.options.cross).cc
        found |= {"tvm": importlib.metadata.version("apache-tvm"), cc.name: cc.version}
    if reached >= STAGES.index("cosimulate"):
        qemu = tools.find(simulator(core))
        found |= {qemu.name: qemu.version} | versions(job.options.native)
    return found
