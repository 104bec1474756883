"""What an estimate leaves as files: a page, a trace, waves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ..boards import load as load_board
from ..errors import InputError
from ..report import render
from ..sim.cycle import vcd
from ..sim.cycle.trace import perfetto
from . import describe
from .estimate import Estimated
from .fitting import KINDS
from .options import FPGA, Options
from .output import write_whole
from .pictures import cycle_keys


def check_wanted(wanted: Mapping[str, Path | None], board: str, options: Options) -> None:
    """Refuse files that there will be nothing for.

    Args:
        wanted: where "html", "trace" and "vcd" go; None for those that are not.
    Raises:
        InputError: they are of an FPGA's clocks, and the estimate is for a processor.
    """
    given = [kind for kind, path in wanted.items() if path is not None]
    if given and options.completed(load_board(board), "estimate").target != FPGA:
        raise InputError(
            f"estimate: --{given[0]} is for --target fpga, whose clocks it shows, not for arm. Leave it out."
        )


def write_files(found: Estimated, wanted: Mapping[str, Path | None]) -> None:
    """Write those that are wanted of an FPGA's estimate.

    Raises:
        InputError: a file cannot be written.
    """
    clock_mhz = found.content["clock_mhz"]
    if wanted["html"] is not None:
        write_whole(wanted["html"], render(as_report(found)))
    if wanted["trace"] is not None:
        write_whole(wanted["trace"], json.dumps(perfetto(found.timing, clock_mhz=clock_mhz)) + "\n")
    if wanted["vcd"] is not None:
        vcd.write(found.timing, wanted["vcd"], clock_mhz)


def as_report(found: Estimated) -> dict:
    """The estimate as a report of its own stage, with what the cycle model has for pictures."""
    content, design = found.content, found.fitting.design
    fpga = content["fpga"]
    right = content["accuracy"]
    return {
        "schema": describe.SCHEMA,
        "model": content["model"],
        "board": content["board"],
        "stage": "estimate",
        "clock_mhz": content["clock_mhz"],
        "interval_clocks": math.ceil(fpga["interval_clocks"]),
        "interval_source": "modelled" if fpga["steady"] else "estimated",
        "latency_clocks": fpga["latency_clocks"],
        "latency_source": "modelled",
        "frames_per_second": content["frames_per_second"],
        "resources": _resources(fpga["resources"]),
        "clocks": describe.clocks(design),
        "timing": None,
        "executors": [_executor(right)] if right else [],
        "output": describe.output(found.graph),
        "arm": None,
        "files": {},
        "tools": {},
        "seconds": {},
        **cycle_keys(design, found.timing, content["clock_mhz"], found.graph, found.energy),
    }


def _resources(told: dict) -> dict:
    amounts = ("name", "module", "layer", *KINDS, "block_memory")
    return {
        "source": "estimated",
        "total": told["total"],
        "estimated_total": told["total"],
        "block_memory": told["block_memory"],
        "units": [{**{key: u[key] for key in amounts}, "source": "estimated"} for u in told["units"]],
    }


def _executor(right: dict) -> dict:
    """The integer graph on the labelled frames, compared with nothing."""
    frames = right["frames"]
    counts = {"inputs": frames, "equal": frames, "values": frames, "values_equal": frames}
    return {
        "name": "integer graph",
        "against": None,
        **counts,
        "accuracy": right["share"],
        "note": right["data"],
    }
