"""Proofs by Yosys's SAT solver: whatever comes in so many clocks, a stream is what it must be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.hw import library
from gatewright.hw.design import Memory, Unit
from gatewright.hw.flow import tools
from gatewright.sim.wrapper import literal, write_memories

# All inputs are free in every clock, rst among them; element k of what comes since the last reset is any.
_STREAM = """module proof (
    input wire clk,
    input wire rst,
    input wire [{in_bits}*{ins}-1:0] s_tdata,
    input wire s_tvalid,
    input wire m_tready,
    input wire [4:0] any
);
    reg started = 1'b0;
    reg [4:0] k;
    wire reset = rst || !started;
    wire s_tready;
    wire [{out_bits}*{outs}-1:0] m_tdata;
    wire m_tvalid;
    {module} #({params}) dut (
        .clk(clk), .rst(reset), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));

    reg [5:0] taken;
    reg [5:0] given;
    reg [{in_bits}-1:0] x;
    reg held;
    reg [{out_bits}*{outs}-1:0] held_data;
    wire [5:0] source = {source};
    wire [5:0] before = {before};
    wire [{out_bits}-1:0] y = {result};
    wire [5:0] in_place = source - taken;
    wire [5:0] out_place = {{1'b0, k}} - given;
    wire [5:0] inside = taken - given;
    always @(posedge clk) begin
        started <= 1'b1;
        if (!started) k <= any;
        held <= !reset && m_tvalid && !m_tready;
        held_data <= m_tdata;
        if (reset) begin
            taken <= 6'd0;
            given <= 6'd0;
        end else begin
            if (s_tvalid && s_tready) begin
                taken <= taken + 6'd{ins};
                if (in_place < 6'd{ins}) x <= s_tdata >> (in_place * {in_bits});
            end
            if (m_tvalid && m_tready) given <= given + 6'd{outs};
        end
        if (started && !reset) begin
            if (held) assert (m_tvalid && m_tdata == held_data);
            if (m_tvalid && out_place < 6'd{outs}) begin
                assert (taken >= before);
                assert (((m_tdata >> (out_place * {out_bits})) & {mask}) == y);
            end
            {more}
        end
    end
endmodule
"""


@dataclass
class Proof:
    """A unit whose element k out is ``result``, an expression of x, element ``source`` in, and of k.

    ``ins`` and ``outs`` are elements a beat; ``before`` elements must have come by then. ``more`` are
    statements beside.
    """

    unit: Unit
    params: Mapping[str, int | str]
    in_bits: int
    out_bits: int
    result: str = "x"
    source: str = "{1'b0, k}"
    before: str = "source + 6'd1"
    ins: int = 1
    outs: int = 1
    more: str = ""
    memories: Mapping[str, Memory] = field(default_factory=dict)

    def text(self) -> str:
        """The Verilog of the proof."""
        params = ", ".join(f".{k}({literal(v)})" for k, v in self.params.items())
        return _STREAM.format(
            in_bits=self.in_bits, out_bits=self.out_bits, ins=self.ins, outs=self.outs, source=self.source,
            before=self.before, result=self.result, more=self.more, module=self.unit.module, params=params,
            mask=(1 << self.out_bits) - 1,
        )  # fmt: skip

    def holds(self, clocks: int, workdir: Path, change: tuple[str, str] | None = None) -> bool:
        """Whether no input of that many clocks breaks the claim; ``change`` is a fault to put into the
        unit's own file, a text and what stands in its place."""
        files = {}
        for name, memory in self.memories.items():
            if memory.per_lane:
                files |= {f"{name}_{i:03d}.mem": (w, memory.bits) for i, w in enumerate(memory.words)}
            else:
                files[name] = (memory.words, memory.bits)
        write_memories(workdir, files)
        texts = {name: (library.RTL / name).read_text() for name in self.unit.files}
        if change is not None:
            own = f"{self.unit.module}.v"
            assert change[0] in texts[own]
            texts[own] = texts[own].replace(*change)
        return holds(self.text(), texts, clocks, workdir)


def holds(text: str, sources: Mapping[str, str], clocks: int, workdir: Path) -> bool:
    """Whether all assertions of module ``proof`` hold for any inputs of that many clocks."""
    for name, source in {**sources, "proof.v": text}.items():
        (workdir / name).write_text(source)
    script = (
        f"read_verilog -formal -defer {' '.join(sources)} proof.v; hierarchy -top proof; proc; flatten; opt; "
        "memory -nomap; memory_map; opt -full; async2sync; chformal -lower; "
        f"sat -verify -prove-asserts -tempinduct-baseonly -maxsteps {clocks} proof"
    )
    try:
        said = tools.run(tools.find("yosys"), ["-p", script], workdir)
    except ToolError as error:
        if "proof did fail" in str(error):
            return False
        raise
    assert "Import proof for assert" in said
    assert f"proved base case for {clocks} steps: SUCCESS" in said
    return True
