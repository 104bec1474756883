"""What the tests of single stream modules share: compile, lint and map a Unit with given parameters."""

import json
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np

from gatewright.hw import library
from gatewright.hw.design import Resources, Unit
from gatewright.hw.flow import tools
from gatewright.hw.flow.families import cost, flow_for
from gatewright.sim.rtl import Simulation, Trace, compile_rtl


def paths(unit: Unit) -> list[str]:
    """The unit's Verilog files."""
    return [str(library.RTL / name) for name in unit.files]


def build(unit: Unit, params: Mapping, in_bits: int, out_bits: int, tool: str = "icarus") -> Simulation:
    """The unit's module compiled with these parameters."""
    assert tuple(params) == unit.params
    return compile_rtl(unit.module, paths(unit), params, in_bits, out_bits, tool=tool)


def lint(unit: Unit, params: Mapping, workdir) -> str:
    """What Verilator's ``-Wall`` says of the module with these parameters."""
    values = [f"-G{name}={value}" for name, value in params.items()]
    command = ["--lint-only", "-Wall", "--quiet", "--top-module", unit.module, *values, *paths(unit)]
    return tools.run(tools.find("verilator"), command, workdir).strip()


def complaint(unit: Unit, params: Mapping, workdir) -> str:
    """What the module prints at the start of a simulation with parameters that break a rule."""
    values = [f"-P{unit.module}.{name}={value}" for name, value in params.items()]
    command = ["-g2005", "-s", unit.module, "-o", "out.vvp", *values, *paths(unit)]
    tools.run(tools.find("iverilog"), command, workdir)
    return tools.run(tools.find("vvp"), ["-n", "out.vvp"], workdir).strip()


def yosys(unit: Unit, params: Mapping, commands: str, workdir) -> dict:
    """The JSON that ``commands``, which write it to out.json, give for the module."""
    for name in unit.files:
        (workdir / name).write_text((library.RTL / name).read_text())
    # chparam reads no minus sign.
    codes = {name: f"32'd{v % 2**32}" if isinstance(v, int) and v < 0 else v for name, v in params.items()}
    values = " ".join(f"-set {name} {value}" for name, value in codes.items())
    script = f"read_verilog -defer {' '.join(unit.files)}; chparam {values} {unit.module}; {commands}"
    tools.run(tools.find("yosys"), ["-q", "-p", script], workdir)
    return json.loads((workdir / "out.json").read_text())


def mapped(unit: Unit, params: Mapping, family: str, workdir) -> Resources:
    """What Yosys takes for the module on a family."""
    flow = flow_for(family)
    flat = "-flatten" if family in ("xc7", "xcup") else ""
    commands = f"{flow.synth} {flow.no_dsp} {flat} -top {unit.module}; tee -q -o out.json stat -json"
    cells = yosys(unit, params, commands, workdir)["design"]["num_cells_by_type"]
    total = Resources()
    for name, count in cells.items():
        one = cost(flow, name)
        total += Resources(one.lut * count, one.ff * count, one.bram * count, one.dsp * count)
    return total


def pack(codes: np.ndarray, lanes: int, bits: int) -> list[int]:
    """Codes in stream order to tdata words of ``lanes`` elements."""
    rows = np.asarray(codes).reshape(-1, lanes)
    return [sum(int(code) << (i * bits) for i, code in enumerate(row)) for row in rows]


def latency(trace: Trace) -> int:
    """Clocks from the first beat in to the first beat offered."""
    return trace.offered - trace.in_clocks[0]


def interval(trace: Trace, beats: int) -> float:
    """Clocks from one piece of work of ``beats`` output beats to the next, over the last three."""
    ends = trace.out_clocks[beats - 1 :: beats]
    return (ends[-1] - ends[-4]) / 3


def values(params: Mapping) -> SimpleNamespace:
    """Parameters as a Unit's functions take them."""
    return SimpleNamespace(**params)
