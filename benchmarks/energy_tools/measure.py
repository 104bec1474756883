"""Transitions in the netlist of one unit while it works on real data, and what its structure says of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewright.errors import ToolError
from gatewright.hw.design import Instance, Stream
from gatewright.hw.flow.synthesize import synthesize
from gatewright.hw.library import closure
from gatewright.sim.energy.streams import outputs_of
from gatewright.sim.energy.words import bits_of
from gatewright.sim.wrapper import literal

from .cells import Netlist
from .settled import Settled

TOP = "measured_unit"
_RESET_CLOCKS = 2
# Clocks without a beat after which a run has failed.
_PATIENCE = 400

_WRAPPER = """`default_nettype none
module {top} (
    input  wire clk,
    input  wire rst,
    input  wire [{in_msb}:0] s_tdata,
    input  wire [{ins}:0] s_tvalid,
    output wire [{ins}:0] s_tready,
    output wire [{out_msb}:0] m_tdata,
    output wire [{outs}:0] m_tvalid,
    input  wire [{outs}:0] m_tready
);
    {module} #(
        {params}
    ) dut (
        .clk(clk), .rst(rst), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tdata(m_tdata),
        .m_tvalid(m_tvalid), .m_tready(m_tready));
endmodule
`default_nettype wire
"""
# Memories in blocks, and all that streams write, are cells that settled.py knows: a bit each.
_BITS = """`default_nettype none
(* blackbox *) module gw_rom_bit (
    input wire clk, input wire ce, input wire [15:0] addr, input wire [255:0] file, input wire [15:0] column,
    output wire q);
endmodule
(* blackbox *) module gw_ram_bit (
    input wire clk, input wire we, input wire [15:0] waddr, input wire d, input wire re,
    input wire [15:0] raddr, output wire q);
endmodule
module gw_rom_block #(parameter BITS = 8, parameter DEPTH = 4, parameter OUT_REG = 1, parameter FILE = "") (
    input wire clk, input wire ce, input wire [$clog2(DEPTH)-1:0] addr, output wire [BITS-1:0] data);
    wire [BITS-1:0] word;
    wire [15:0] place = {{(16-$clog2(DEPTH)){1'b0}}, addr};
    genvar i;
    generate
        for (i = 0; i < BITS; i = i + 1) begin : g_bit
            wire [31:0] column = i;
            gw_rom_bit one (
                .clk(clk), .ce(ce), .addr(place), .file(FILE), .column(column[15:0]), .q(word[i]));
        end
        if (OUT_REG == 1) begin : g_out
            reg [BITS-1:0] data_q;
            always @(posedge clk) if (ce) data_q <= word;
            assign data = data_q;
        end else begin : g_direct
            assign data = word;
        end
    endgenerate
endmodule
`default_nettype wire
"""
_RAM = """`default_nettype none
module gw_ram #(parameter BITS = 8, parameter DEPTH = 16, parameter RAM_STYLE = 0) (
    input wire clk, input wire wr_en, input wire [$clog2(DEPTH)-1:0] wr_addr, input wire [BITS-1:0] wr_data,
    input wire rd_en, input wire [$clog2(DEPTH)-1:0] rd_addr, output wire [BITS-1:0] rd_data);
    wire [15:0] reading = {{(16-$clog2(DEPTH)){1'b0}}, rd_addr};
    wire [15:0] writing = {{(16-$clog2(DEPTH)){1'b0}}, wr_addr};
    genvar i;
    generate
        for (i = 0; i < BITS; i = i + 1) begin : g_bit
            gw_ram_bit one (
                .clk(clk), .we(wr_en), .waddr(writing), .d(wr_data[i]), .re(rd_en), .raddr(reading),
                .q(rd_data[i]));
        end
    endgenerate
endmodule
`default_nettype wire
"""
_ROM_HEAD = "        end else if (STYLE == 1) begin : g_block"
_ROM_BLOCK = """        end else if (STYLE == 1) begin : g_block
            gw_rom_block #(.BITS(BITS), .DEPTH(DEPTH), .OUT_REG(0), .FILE(FILE)) block (
                .clk(clk), .ce(ce), .addr(addr), .data(word));
        end else if (STYLE == 3) begin : g_never"""


@dataclass(frozen=True)
class Case:
    """A unit, the family it is mapped to, and the codes of its inputs (beats, lanes), whole pieces of work;
    ``held`` cases take no part in the fit."""

    name: str
    family: str
    instance: Instance
    inputs: tuple[np.ndarray, ...]
    held: bool = False

    def digest(self) -> str:
        """Changes with whatever decides the netlist or its operands."""
        files = sources(self)
        words = [codes.tobytes() for codes in self.inputs]
        return hashlib.sha256(repr((files, self.family, words)).encode()).hexdigest()


def sources(case: Case) -> dict[str, str]:
    """Verilog and memory files by name."""
    unit = case.instance.unit
    values, memories = dict(case.instance.params), {}
    for name, make in case.instance.memories.items():
        memory = make()
        values[name] = name if memory.per_lane else f"{name}.mem"
        lanes = memory.words if memory.per_lane else (memory.words,)
        for lane, words in enumerate(lanes):
            file = f"{name}_{lane:03d}.mem" if memory.per_lane else f"{name}.mem"
            memories[file] = "".join(f"{word:x}\n" for word in words)
    ins, outs = case.instance.inputs, case.instance.outputs
    text = _WRAPPER.format(
        top=TOP, module=unit.module, in_msb=sum(s.bits for s in ins) - 1, ins=len(ins) - 1,
        out_msb=sum(s.bits for s in outs) - 1, outs=len(outs) - 1,
        params=",\n        ".join(f".{name}({literal(values.get(name, ''))})" for name in unit.params),
    )  # fmt: skip
    library = {name: path.read_text() for name, path in closure([text]).items()}
    return {**library_with_memories(library), f"{TOP}.v": text, **memories}


def library_with_memories(library: Mapping[str, str]) -> dict[str, str]:
    """Library files by name, with memories that settled.py knows in place of block RAM."""
    found = dict(library) | ({"gw_ram.v": _RAM} if "gw_ram.v" in library else {})
    if "gw_rom.v" in found:
        found["gw_rom.v"] = found["gw_rom.v"].replace(_ROM_HEAD, _ROM_BLOCK) + _BITS
    elif "gw_ram.v" in found:
        found["gw_ram.v"] += _BITS
    return found


def mapped(case: Case, folder: Path) -> tuple[Netlist, dict, dict]:
    """The unit's netlist, its module, and resources; made in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in sources(case).items():
        (folder / name).write_text(text)
    verilog = [folder / name for name in sources(case) if name.endswith(".v")]
    dsp = case.instance.params.get("LANE", 0) in (0, 6)
    made = synthesize(folder, TOP, verilog, case.family, dsp=dsp, options=("-nobram",), timeout=900)
    module = json.loads(made.netlist.read_text())["modules"][TOP]
    return Netlist(module), module, {"lut": made.total.lut, "ff": made.total.ff, "dsp": made.total.dsp}


def measured(case: Case, folder: Path) -> dict:
    """Transitions by class in the unit's netlist from its first beat to its last, and its clocks.

    Raises:
        ToolError: the netlist's outputs are not those that the unit's model has, or none come.
    """
    netlist, module, used = mapped(case, folder)
    roms = {
        name: [int(line, 16) for line in text.split()]
        for name, text in sources(case).items() if name.endswith(".mem")
    }  # fmt: skip
    run = Settled(netlist, roms)
    models = outputs_of(case.instance, list(case.inputs))
    ends = (case.instance.inputs, case.inputs), (case.instance.outputs, models)
    clocks = stream_through(run, module, case.name, *ends)
    return {"transitions": run.counts(), "clocks": clocks, **used}


# Streams of a side, and the codes that move on each.
Side = tuple[Sequence[Stream], Sequence[np.ndarray]]


def stream_through(run: Settled, module: Mapping, name: str, given: Side, expected: Side) -> int:
    """Drive all inputs whenever they are taken, take all outputs, compare them; clocks that it took.

    Raises:
        ToolError: an output is not the expected one, or none comes any more.
    """
    ports = {port: each["bits"] for port, each in module["ports"].items()}
    (ins, codes), (outs, models) = given, expected
    words = [bits_of(x, s.element.bits) for x, s in zip(codes, ins, strict=True)]
    wanted = [bits_of(y, s.element.bits) for y, s in zip(models, outs, strict=True)]
    at, came = [0] * len(ins), [0] * len(outs)
    starts = np.cumsum([0, *(s.bits for s in ins)])
    ends = np.cumsum([0, *(s.bits for s in outs)])
    run.clock({ports["rst"][0]: 1, **dict.fromkeys(ports["m_tready"], 1)})
    for _ in range(_RESET_CLOCKS):
        run.clock({})
    run.clock({ports["rst"][0]: 0, **_offered(ports, words, at, starts)})
    run.counting = True
    clocks, quiet = 0, 0
    while any(n < len(w) for n, w in zip(came, wanted, strict=True)):
        quiet += 1
        for k, word in enumerate(wanted):
            if run.bit(ports["m_tvalid"][k]) and came[k] < len(word):
                got = [run.bit(net) for net in ports["m_tdata"][ends[k] : ends[k + 1]]]
                if got != word[came[k]].tolist():
                    raise ToolError(f"energy: beat {came[k]} of {name} must be the model's, not another")
                came[k], quiet = came[k] + 1, 0
        for k, word in enumerate(words):
            if at[k] < len(word) and run.bit(ports["s_tready"][k]):
                at[k], quiet = at[k] + 1, 0
        run.clock(_offered(ports, words, at, starts))
        clocks += 1
        if quiet > _PATIENCE:
            raise ToolError(f"energy: {name} must go on, not stand still after beat {came} of outputs")
    return clocks


def _offered(ports: Mapping, words: list[np.ndarray], at: list[int], starts: np.ndarray) -> dict[int, int]:
    """What the inputs show: the next word of each, or its last one, not valid."""
    shown = {}
    for k, stream in enumerate(words):
        shown[ports["s_tvalid"][k]] = int(at[k] < len(stream))
        word = stream[min(at[k], len(stream) - 1)]
        shown |= dict(zip(ports["s_tdata"][starts[k] : starts[k + 1]], word.tolist(), strict=True))
    return shown
