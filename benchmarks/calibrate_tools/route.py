"""Places and routes synthesized designs and keeps their rates, to go on where it stopped."""

from collections.abc import Iterable
from pathlib import Path

from gatewright.hw.design import Design
from gatewright.hw.flow.place import Routed, place_and_route

from .designs import Case
from .measure import load, measure, store

# Parts that are large enough for all designs and whose databases are quick to load.
DEVICES = {
    "ecp5": ("--25k", "--package", "CABGA381", "--speed", "6"),
    "ice40": ("--up5k", "--package", "sg48"),
}
# Pins of the package that a design's streams may take.
_PINS = {"ecp5": 180, "ice40": 34}
_ASKED_MHZ = 100.0


def routable(design: Design, family: str) -> bool:
    """Whether the pins suffice for a design by itself."""
    return design.input.bits + design.output.bits + 6 <= _PINS[family]


def run(cases: Iterable[Case], family: str, folder: Path, work: Path) -> None:
    """Routes those designs of which ``folder`` does not hold a rate yet; netlists are in ``work``."""
    path = folder / f"{family}_routed.json"
    for case in cases:
        results = load(path)
        place = work / f"{family}_{case.kind}_{case.seed}"
        design = case.build()
        if case.name in results or not routable(design, family):
            continue
        if not (place / "netlist.json").exists():
            measure(case, family, place)
        routed = place_and_route(place, place / "netlist.json", family, DEVICES[family], freq_mhz=_ASKED_MHZ)
        store(path, load(path) | {case.name: found(design, routed)})


def found(design: Design, routed: Routed) -> dict:
    """The rate in MHz, and between which units' cells the slowest path lies."""
    path = routed.critical_paths[0]
    names = {i.name for i in design.instances}
    units = [name if (name := step.split(".", 1)[0]) in names else "" for step in path.steps]
    return {
        "mhz": round(routed.worst[1].achieved_mhz, 2),
        "units": [units[0], units[-1]],
        "logic_ns": path.logic_ns,
        "routing_ns": path.routing_ns,
        "path": [path.steps[0], path.steps[-1]],
    }
