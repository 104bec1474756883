"""Proofs by Yosys's SAT solver: whatever comes in so many clocks, a stream is what it must be.

tests/rtl/proof_source.v and proof_sink.v say what that is. All inputs are free in every clock, as is rst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.hw import library
from gatewright.hw.design import Memory, Unit
from gatewright.hw.flow import tools
from gatewright.sim.wrapper import literal, write_memories

_WATCHES = Path(__file__).parent / "rtl"

# Element k of what goes out since the last reset is any.
_TOP = """module proof (
    input wire clk,
    input wire rst,
    input wire [{s_bits}-1:0] s_tdata,
    input wire [{ins}-1:0] s_tvalid,
    input wire [{outs}-1:0] m_tready,
    input wire [5:0] any{probe_ports}
);
    reg started = 1'b0;
    reg [5:0] k;
    wire reset = rst || !started;
    wire check = started && !reset;
    wire [{ins}-1:0] s_tready;
    wire [{m_bits}-1:0] m_tdata;
    wire [{outs}-1:0] m_tvalid;
    always @(posedge clk) begin
        started <= 1'b1;
        if (!started) k <= any;
    end
    {module} #({params}) dut (
        .clk(clk), .rst(reset), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));
    {watches}
    always @(posedge clk) if (check) begin
        {more}
    end
endmodule
"""
_SOURCE = """
    wire [5:0] source{n} = {place};
    wire [5:0] taken{n};
    wire arrived{n};
    wire [{bits}-1:0] x{n};
    proof_source #(.BITS({bits}), .COUNT({count}), .LAP({lap})) watch_in{n} (
        .clk(clk), .reset(reset), .valid(s_tvalid[{port}]), .ready(s_tready[{port}]),
        .data(s_tdata[{low} +: {wide}]), .place(source{n}),
        .before({before}), .arrived(arrived{n}), .taken(taken{n}), .x(x{n}));
"""
_SINK = """
    wire [5:0] given{n};
    wire [{bits}-1:0] due{n} = {result};
    proof_sink #(.BITS({bits}), .COUNT({count}), .LAP({lap})) watch_out{n} (
        .clk(clk), .reset(reset), .check(check), .valid(m_tvalid[{n}]), .ready(m_tready[{n}]),
        .data(m_tdata[{low} +: {wide}]), .place(k), .due(due{n}), .arrived({arrived}), .given(given{n}));
"""


@dataclass(frozen=True)
class Port:
    """A stream of ``count`` elements of ``bits`` a beat; the proof counts them modulo ``lap``."""

    bits: int
    count: int = 1
    lap: int = 64

    @property
    def wide(self) -> int:
        """Bits of a beat."""
        return self.bits * self.count


@dataclass(frozen=True)
class Element:
    """An element of input ``port``: that at ``place``, an expression of k. An output that depends on it comes
    no earlier than element number ``before`` less one of that input."""

    place: str
    port: int = 0
    before: str = ""


@dataclass
class Proof:
    """A unit whose element k of every output is ``result``, an expression of k and of x0, x1, ...: the input
    elements ``elements``.

    ``more`` are statements beside, which may use taken0 (of element 0's input), given0 (of output 0) and
    ``probes``, registers of the unit by name, with their bits.
    """

    unit: Unit
    params: Mapping[str, int | str]
    ins: Sequence[Port]
    outs: Sequence[Port]
    result: str = "x0"
    elements: Sequence[Element] = (Element("k"),)
    more: str = ""
    memories: Mapping[str, Memory] = field(default_factory=dict)
    probes: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """The Verilog of the proof."""
        watches = []
        lows = [0, *accumulate(port.wide for port in self.ins)]
        for n, e in enumerate(self.elements):
            port = self.ins[e.port]
            watches.append(
                _SOURCE.format(
                    n=n, place=e.place, before=e.before or f"source{n} + 6'd1", bits=port.bits,
                    count=port.count, lap=port.lap, port=e.port, low=lows[e.port], wide=port.wide,
                )
            )  # fmt: skip
        arrived = " && ".join(f"arrived{n}" for n in range(len(self.elements)))
        low = 0
        for n, port in enumerate(self.outs):
            watches.append(
                _SINK.format(
                    n=n, result=self.result, bits=port.bits, count=port.count, lap=port.lap, low=low,
                    wide=port.wide, arrived=arrived,
                )
            )  # fmt: skip
            low += port.wide
        return _TOP.format(
            s_bits=lows[-1], m_bits=low, ins=len(self.ins), outs=len(self.outs), module=self.unit.module,
            params=", ".join(f".{k}({literal(v)})" for k, v in self.params.items()), more=self.more,
            watches="".join(watches),
            probe_ports="".join(f",\n    input wire [{bits}-1:0] {n}" for n, bits in self.probes.items()),
        )  # fmt: skip

    def holds(self, clocks: int, workdir: Path, change: tuple[str, str] | None = None) -> bool:
        """Whether no input of that many clocks breaks the claim; ``change`` is a fault to put into the
        unit, a text that one of its files has and what stands in its place."""
        return self._run(clocks, workdir, change, False)

    def holds_forever(self, workdir: Path, change: tuple[str, str] | None = None) -> bool:
        """Whether no input of any length breaks the claim, by induction over one clock: ``more`` must say
        what ties the unit's state to what has come and gone."""
        return self._run(2, workdir, change, True)

    def _run(self, clocks: int, workdir: Path, change: tuple[str, str] | None, forever: bool) -> bool:
        files = {}
        for name, memory in self.memories.items():
            if memory.per_lane:
                files |= {f"{name}_{i:03d}.mem": (w, memory.bits) for i, w in enumerate(memory.words)}
            else:
                files[name] = (memory.words, memory.bits)
        write_memories(workdir, files)
        texts = {name: (library.RTL / name).read_text() for name in self.unit.files}
        if change is not None:
            texts = with_fault(texts, *change)
        texts |= {f"{w}.v": (_WATCHES / f"{w}.v").read_text() for w in ("proof_source", "proof_sink")}
        return holds(self.text(), texts, clocks, workdir, forever, tuple(self.probes))


def with_fault(texts: Mapping[str, str], right: str, wrong: str) -> dict[str, str]:
    """Sources where ``wrong`` stands for ``right``, which is in one file."""
    (own,) = [name for name, text in texts.items() if right in text]
    return {**texts, own: texts[own].replace(right, wrong)}


def holds(
    text: str,
    sources: Mapping[str, str],
    clocks: int,
    workdir: Path,
    forever: bool = False,
    probes: Sequence[str] = (),
    cells: str = "",
) -> bool:
    """Whether all assertions of module ``proof`` hold for any inputs of that many clocks, or ``forever``: in
    any state in which they have held for that many clocks, they hold in the next. ``cells`` is a file of
    Yosys's with models of a family's cells."""
    for name, source in {**sources, "proof.v": text}.items():
        (workdir / name).write_text(source)
    # A probe is an input until here, so nothing else drives it.
    connect = "".join(f"delete -input proof/w:{p}; connect -nounset -set {p} dut.{p}; " for p in probes)
    steps = "-tempinduct" if forever else "-tempinduct-baseonly"
    script = (
        (f"read_verilog -overwrite +/{cells}; " if cells else "")
        + f"read_verilog -formal -defer {' '.join(sources)} proof.v; hierarchy -top proof; proc; flatten; "
        f"{connect}opt; memory -nomap; memory_map; opt -full; async2sync; chformal -lower; "
        f"sat -verify -prove-asserts {steps} -maxsteps {clocks} proof"
    )
    try:
        said = tools.run(tools.find("yosys"), ["-p", script], workdir)
    except ToolError as error:
        if "proof did fail" in str(error):
            return False
        raise
    assert "Import proof for assert" in said
    proved = "Induction step proven: SUCCESS" if forever else f"proved base case for {clocks} steps: SUCCESS"
    assert proved in said
    return True
