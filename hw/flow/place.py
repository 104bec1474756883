"""Place-and-route with nextpnr: clock rates, utilisation and the critical path of a mapped design."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import FitError, ToolError
from . import tools


@dataclass(frozen=True)
class Placer:
    """How nextpnr is called for a family; ``{constraints}`` stands for the constraint file.

    ``caveat`` says what its timing does not know, for reports.
    """

    tool: str
    constraints: tuple[str, ...]
    output: tuple[str, ...]
    unconstrained: tuple[str, ...] = ()
    caveat: str = ""


PLACERS: dict[str, Placer] = {
    "ecp5": Placer(
        tool="nextpnr-ecp5",
        constraints=("--lpf", "{constraints}"),
        output=("--textcfg", "routed.config"),
        unconstrained=("--lpf-allow-unconstrained",),
    ),
    "ice40": Placer(
        tool="nextpnr-ice40",
        constraints=("--pcf", "{constraints}"),
        output=("--asc", "routed.asc"),
        unconstrained=("--pcf-allow-unconstrained",),
    ),
    "gowin": Placer(
        tool="nextpnr-himbaechel",
        constraints=("--vopt", "cst={constraints}"),
        output=("--write", "routed.json"),
        caveat="nextpnr leaves out paths through Gowin block RAM and DSP blocks, so the true rate is lower",
    ),
}


# A cell that nextpnr-himbaechel adds for itself; no part has a site of the kind.
_DUMMY = "DUMMY_CELL"
_LOGIC = ("TRELLIS_COMB", "ICESTORM_LC", "LUT4")
# The legaliser gives up below 100 % where carry chains and clock enables leave no room.
_NO_PLACE = "Unable to find legal placement"


@dataclass(frozen=True)
class Clock:
    """A clock's rate as routed and as asked, MHz."""

    achieved_mhz: float
    asked_mhz: float

    @property
    def met(self) -> bool:
        """Whether the routed design is fast enough."""
        return self.achieved_mhz >= self.asked_mhz


@dataclass(frozen=True)
class CriticalPath:
    """The slowest register-to-register path of a clock; ``steps`` are the cells that it passes."""

    clock: str
    delay_ns: float
    logic_ns: float
    routing_ns: float
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Routed:
    """A placed and routed design.

    Attributes:
        clocks: by name of the net.
        utilisation: (used, available) by the kind of site, those in use.
        critical_paths: the slowest path of each clock, the slowest first.
        caveat: what the timing figures do not know; empty if nothing is known against them.
        output: what ``bitstream.pack`` turns into a bitstream.
        log: what nextpnr printed.
    """

    family: str
    clocks: Mapping[str, Clock]
    utilisation: Mapping[str, tuple[int, int]]
    critical_paths: tuple[CriticalPath, ...]
    caveat: str
    output: Path
    log: Path

    @property
    def met(self) -> bool:
        """Whether every clock is fast enough."""
        return all(clock.met for clock in self.clocks.values())

    @property
    def worst(self) -> tuple[str, Clock]:
        """Name and rates of the clock that is the furthest below, or the least above, what was asked."""
        return min(self.clocks.items(), key=lambda item: item[1].achieved_mhz / item[1].asked_mhz)


def placer_for(family: str) -> Placer:
    """The placer of a family.

    Raises:
        ToolError: no place-and-route for it.
    """
    if family not in PLACERS:
        raise ToolError(
            f"place: family must be one of {', '.join(PLACERS)}, not {family!r}. "
            "Others have resource figures only; use the vendor's tools for them"
        )
    return PLACERS[family]


def place_and_route(
    workdir: Path | str,
    netlist: Path | str,
    family: str,
    device: Sequence[str],
    *,
    constraints: Path | str | None = None,
    freq_mhz: float | None = None,
    seed: int = 1,
    native: bool | None = None,
    timeout: float | None = None,
) -> Routed:
    """Places and routes ``netlist``; equal inputs and seeds give equal results.

    A clock that misses its rate is no error: see ``Routed.met``.

    Args:
        workdir: folder for everything written; it must hold ``netlist``.
        device: nextpnr's switches for the part, e.g. ("--85k", "--package", "CABGA381", "--speed", "6").
        constraints: pin file (LPF, PCF or CST); without it pins fall where they may (not on Gowin).
        freq_mhz: rate asked of clocks that the pin file does not constrain.
        timeout: seconds.

    Raises:
        FitError: the design is too large for the part.
        ToolError: nextpnr failed, or the family has none.
    """
    workdir = Path(workdir).resolve()
    placer = placer_for(family)
    args = [*device, "--json", _inside(workdir, Path(netlist)), *_pin_switches(placer, workdir, constraints)]
    args += [*placer.output, "--report", "report.json", "--seed", str(seed), "--timing-allow-fail"]
    if freq_mhz is not None:
        args += ["--freq", f"{freq_mhz:g}"]
    log = workdir / "nextpnr.log"
    try:
        tools.run(tools.find(placer.tool, native), args, workdir, log, timeout)
    except ToolError as error:
        raise _too_large(placer.tool, log.read_text(errors="replace")) or error from None
    report = json.loads((workdir / "report.json").read_text())
    return _routed(family, placer, report, workdir / placer.output[1], log)


def _pin_switches(placer: Placer, workdir: Path, constraints: Path | str | None) -> tuple[str, ...]:
    """nextpnr's switches that name the pin file, or that do without one."""
    if constraints is None:
        return placer.unconstrained
    name = _bring(workdir, Path(constraints))
    return tuple(part.format(constraints=name) for part in placer.constraints)


def _routed(family: str, placer: Placer, report: Mapping, output: Path, log: Path) -> Routed:
    """Reads nextpnr's report."""
    clocks = {
        _clock_name(net): Clock(entry["achieved"], entry["constraint"])
        for net, entry in report["fmax"].items()
    }
    used = {
        kind: (entry["used"], entry["available"])
        for kind, entry in sorted(report["utilization"].items())
        if entry["used"] and kind != _DUMMY
    }
    # Paths between different clocks or to pins have no rate, so only those of one clock are kept.
    paths = [_path(p) for p in report["critical_paths"] if p["from"] == p["to"] != "<async>"]
    paths.sort(key=lambda path: -path.delay_ns)
    return Routed(family, clocks, used, tuple(paths), placer.caveat, output, log)


def _path(entry: Mapping) -> CriticalPath:
    steps = entry["path"]
    routing = sum(step["delay"] for step in steps if step["type"] == "routing")
    total = sum(step["delay"] for step in steps)
    cells = [f"{step['to']['cell']}.{step['to']['port']}" for step in steps]
    return CriticalPath(
        clock=_clock_name(entry["from"].split(" ", 1)[-1]),
        delay_ns=round(total, 3),
        logic_ns=round(total - routing, 3),
        routing_ns=round(routing, 3),
        steps=tuple(dict.fromkeys(cells)),
    )


def _clock_name(net: str) -> str:
    """The user's name of a clock net: nextpnr adds ``$glbnet$`` before and the buffers' names after."""
    return next((part for part in net.split("$") if part not in ("", "glbnet")), net)


def _too_large(tool: str, log: str) -> FitError | None:
    """The error of a design that does not fit, from the utilisation that nextpnr printed."""
    rows = re.findall(r"(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", log)
    over = [
        f"{int(used):,} of {int(has):,} {kind}"
        for kind, used, has in rows
        if int(used) > int(has) and kind != _DUMMY
    ]
    if not over and _NO_PLACE in log:
        full = max(rows, key=lambda row: int(row[1]) / max(int(row[2]), 1) if row[0] in _LOGIC else 0)
        over = [f"a legal place for all of its {int(full[1]):,} of {int(full[2]):,} {full[0]}"]
    if not over:
        return None
    return FitError(
        f"{tool}: the design must fit the part, not need {', '.join(over)}. "
        "Take a larger part, or fold the design more"
    )


def _inside(workdir: Path, file: Path) -> str:
    """The path relative to ``workdir``, the only one that a WebAssembly tool surely sees."""
    file = (file if file.is_absolute() else workdir / file).resolve()
    if not file.is_file() or not file.is_relative_to(workdir):
        raise ToolError(f"place: the netlist must be a file in {workdir}, not {str(file)!r}")
    return str(file.relative_to(workdir))


def _bring(workdir: Path, file: Path) -> str:
    """The name of a file in ``workdir``; copied there first if it lies outside."""
    file = file if file.is_absolute() or not (workdir / file).exists() else workdir / file
    if not file.is_file():
        raise ToolError(f"place: the pin file must exist, not be missing: {str(file)!r}")
    file = file.resolve()
    if not file.is_relative_to(workdir):
        file = Path(shutil.copyfile(file, workdir / file.name))
    return str(file.relative_to(workdir))
