"""VCD files read back, and what FIFOs of a design in Icarus do clock by clock."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatewright.hw.design import Design
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import compile_rtl

# Notes in a VCD file the ports of every FIFO, and the clock.
_DUMP = """
    initial begin
        $dumpfile("rtl.vcd");
        $dumpvars(1, clk, rst);
{fifos}    end
"""


class Vcd:
    """The signals of a file, by scope and name; ``values`` are (time, value) pairs, ascending, None for x."""

    def __init__(self, path: Path):
        head, body = path.read_text().split("$enddefinitions", 1)
        self.timescale = re.search(r"\$timescale\s+(.*?)\s+\$end", head)[1]
        self.values: dict[str, list[tuple[int, int | None]]] = {}
        scopes, codes = [], {}
        for line in re.findall(r"\$(scope|upscope|var)\s*(.*?)\s*\$end", head, re.DOTALL):
            kind, words = line[0], line[1].split()
            if kind == "scope":
                scopes.append(words[1])
            elif kind == "upscope":
                scopes.pop()
            else:
                own = self.values.setdefault(".".join([*scopes, words[3]]), [])
                codes.setdefault(words[2], []).append(own)
        assert not scopes
        now = 0
        for line in body.split("\n")[1:]:
            if line.startswith("#"):
                assert int(line[1:]) >= now
                now = int(line[1:])
            elif line and line[0] in "01xzb":
                value, code = line[1:].split() if line[0] == "b" else (line[0], line[1:])
                for own in codes[code]:
                    own.append((now, int(value, 2) if set(value) <= {"0", "1"} else None))

    def before(self, name: str, times: np.ndarray) -> list[int | None]:
        """A signal's values just before these times."""
        changes = self.values[name]
        found = np.searchsorted([time for time, _ in changes], times) - 1
        return [changes[n][1] if n >= 0 else None for n in found]

    def scope(self, name: str) -> str:
        """The whole name of the only scope that ends in ``name``."""
        (found,) = {key.rpartition(".")[0] for key in self.values if key.split(".")[-2] == name}
        return found


def fifos_in_rtl(design: Design, frames: int, folder: Path) -> dict[str, Mapping[str, np.ndarray]]:
    """Ports of every FIFO in Icarus, one value a clock from the first after reset on, by name and port."""
    names = [i.name for i in design.instances if i.unit.module == "gw_fifo"]
    text = top_level(design, "accelerator")
    body, _, tail = text.rpartition("endmodule")
    dump = _DUMP.format(fifos="".join(f"        $dumpvars(1, {name});\n" for name in names))
    (folder / "accelerator.v").write_text(f"{body}{dump}endmodule{tail}")
    simulation = compile_rtl(
        "accelerator", [folder / "accelerator.v", *closure([text]).values()], {},
        design.input.bits, design.output.bits, memories=memory_files(design), workdir=folder,
    )  # fmt: skip
    stream = design.input
    values = np.random.default_rng(1).integers(0, stream.element.levels, frames * stream.beats * stream.lanes)
    words = stream.pack(stream.element.lo + stream.element.step * values)
    simulation.run(words, frames * design.output.beats)
    vcd = Vcd(folder / "rtl.vcd")
    clk = next(key for key in vcd.values if re.search(r"accelerator\w*\.clk$|\bdut\.clk$", key))
    rises = np.array([time for time, value in vcd.values[clk] if value == 1])
    rst = vcd.before(clk.replace("clk", "rst"), rises)
    rises = rises[[value == 0 for value in rst]]
    ports = ("s_tready", "s_tvalid", "m_tready", "m_tvalid")
    scopes = {name: vcd.scope(name) for name in names}
    return {n: {p: np.array(vcd.before(f"{s}.{p}", rises)) for p in ports} for n, s in scopes.items()}
