"""A compile's clocks by the cycle model, its pictures, and whether simulation agrees with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..hw.design import Design
from ..sim.cycle.simulate import simulate
from ..sim.energy.estimate import estimate
from .pictures import cycle_keys

if TYPE_CHECKING:
    from .compile import Job

# Frames in which times should have begun to repeat, and beats that there may be of those that do not.
_FRAMES, _BEATS = 256, 16_000_000


def frames_of(design: Design) -> int:
    """How many frames the model is asked for."""
    beats = sum(i.output.beats for i in design.instances if i.unit.module == "gw_fifo")
    return max(4, min(_FRAMES, _BEATS // beats))


def model_clocks(job: Job) -> None:
    """All beats' clocks, and the report's keys that come of them."""
    job.cycles = simulate(job.design, frames_of(job.design))
    energy = estimate(job.design, job.graph, job.data.frames, job.board, job.cycles, job.clock_mhz)
    job.pictures = cycle_keys(job.design, job.cycles, job.clock_mhz, job.graph, energy)


def report_keys(job: Job) -> dict:
    """The report's optional keys of the model; all null before RTL and for a processor."""
    if job.cycles is None:
        return dict.fromkeys(("cycle_model", "timeline", "fifos", "roofline", "energy"))
    interval = job.cycles.interval
    seen, told = _ends(job)
    return {
        "cycle_model": {
            "latency_clocks": job.cycles.latency,
            "interval_clocks": None if interval is None else round(float(interval), 6),
            "frames": len(seen),
            "frames_equal": int((seen == told).sum()),
        },
        **job.pictures,
    }


def clocks(job: Job) -> dict:
    """Interval and latency for the report, from simulation, else from the model, and which."""
    timing, cycles = job.timing, job.cycles
    interval = latency = (None, None)
    if cycles is not None:
        every, latency = cycles.interval, (cycles.latency, "modelled")
        told = every is not None
        interval = (math.ceil(every), "modelled") if told else (job.design.interval, "estimated")
    if timing is not None:
        latency = (timing.latency_clocks, "measured")
        if timing.interval_clocks is not None:
            interval = (timing.interval_clocks, "measured")
    return {
        "interval_clocks": interval[0],
        "interval_source": interval[1],
        "latency_clocks": latency[0],
        "latency_source": latency[1],
    }


def _ends(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """When frames are out, counted from the first beat in: in simulation, and by the model."""
    ends = () if job.timing is None else job.timing.ends
    told = job.cycles.out_clocks[: len(ends), -1] - job.cycles.in_clocks[0, 0]
    return np.array(ends[: len(told)], np.int64), told
