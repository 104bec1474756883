"""How the tests of units drive them: gaps, stalls, exact clocks, and a reset in the middle of a frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.hw import library
from gatewright.hw.design import Memory, Unit
from gatewright.hw.flow import tools
from gatewright.sim.rtl import Simulation, compile_rtl
from gatewright.sim.wrapper import literal
from stream_bench import interval, latency, values

# Before the stream that counts: a unit fed with noise for as many clocks, then reset in mid-frame.
_SHELL = """`default_nettype none
module reset_shell (
    input wire clk,
    input wire rst,
    input wire [{in_msb}:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [{out_msb}:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);
    reg [15:0] clock_q;
    reg [{in_msb}:0] noise_q;
    wire early = clock_q < {clocks};
    wire pulse = clock_q == {clocks};
    wire taken;
    wire given;
    assign s_tready = taken && !early && !pulse;
    assign m_tvalid = given && !early && !pulse;
    always @(posedge clk) begin
        noise_q <= rst ? {{{in_bits}{{1'b1}}}} : (noise_q << 1) ^ noise_q ^ {{{in_bits}{{clock_q[0]}}}};
        if (rst) clock_q <= 16'd0;
        else if (early || pulse) clock_q <= clock_q + 16'd1;
    end
    {module} #(
        {params}
    ) dut (
        .clk(clk),
        .rst(rst || pulse),
        .s_tdata(early ? noise_q : s_tdata),
        .s_tvalid(early ? clock_q[1:0] != 2'd2 : s_tvalid && !pulse),
        .s_tready(taken),
        .m_tdata(m_tdata),
        .m_tvalid(given),
        .m_tready(early ? clock_q[2:0] != 3'd5 : m_tready && !pulse)
    );
endmodule
`default_nettype wire
"""


def reset_shell(module: str, params: Mapping, in_bits: int, out_bits: int, clocks: int) -> str:
    """Verilog of module reset_shell: ``module``, fed with noise for ``clocks`` clocks and then reset."""
    values = ",\n        ".join(f".{name}({literal(value)})" for name, value in params.items())
    return _SHELL.format(
        in_msb=in_bits - 1, in_bits=in_bits, out_msb=out_bits - 1, clocks=clocks, module=module, params=values
    )


@dataclass
class Case:
    """A unit with parameters and memories, the words that go in and those that must come out.

    ``beats`` are the output beats of one piece of work.
    """

    unit: Unit
    params: Mapping[str, int | str]
    in_bits: int
    out_bits: int
    words: list[int]
    expected: list[int]
    beats: int
    memories: Mapping[str, Memory] = field(default_factory=dict)

    def files(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """ROM files by the names that ``params`` give them."""
        found = {}
        for name, memory in self.memories.items():
            if memory.per_lane:
                found |= {f"{name}_{i:03d}.mem": (rom, memory.bits) for i, rom in enumerate(memory.words)}
            else:
                found[name] = (memory.words, memory.bits)
        return found

    def build(self, tool: str = "icarus") -> Simulation:
        """The unit alone."""
        assert tuple(self.params) == self.unit.params
        return compile_rtl(
            self.unit.module, self._sources(), self.params, self.in_bits, self.out_bits,
            memories=self.files(), tool=tool,
        )  # fmt: skip

    def build_with_reset(self, clocks: int, workdir) -> Simulation:
        """The unit that has been fed with noise for ``clocks`` and was then reset."""
        shell = workdir / f"shell{clocks}.v"
        shell.write_text(reset_shell(self.unit.module, self.params, self.in_bits, self.out_bits, clocks))
        files = [shell, *self._sources()]
        return compile_rtl("reset_shell", files, {}, self.in_bits, self.out_bits, memories=self.files())

    def _sources(self) -> list:
        return [library.RTL / name for name in self.unit.files]

    def check_clocks(self, simulation: Simulation) -> None:
        """Without gaps or stalls: values, and exactly the latency and interval that the Unit states."""
        trace = simulation.run(self.words, len(self.expected))
        assert trace.words == self.expected
        assert latency(trace) == self.unit.latency(values(self.params))
        assert interval(trace, self.beats) == self.unit.interval(values(self.params))

    def check(self, seed: int = 0) -> None:
        """Values and clocks, then values under gaps and stalls."""
        simulation = self.build()
        self.check_clocks(simulation)
        for gap, stall in ((0.4, 0.4), (0.0, 0.7), (0.6, 0.0)):
            trace = simulation.run(self.words, len(self.expected), gap=gap, stall=stall, seed=seed)
            assert trace.words == self.expected

    def check_reset(self, workdir, clocks: int) -> None:
        """A reset in the middle of work leaves nothing behind."""
        simulation = self.build_with_reset(clocks, workdir)
        assert simulation.run(self.words, len(self.expected), gap=0.2, stall=0.2).words == self.expected

    def needs(self) -> list[int]:
        """The step that each output beat of a piece of work waits for, as the Unit states it."""
        return self.unit.needs(values(self.params)).tolist()

    def lint(self, workdir) -> str:
        """What Verilator's ``-Wall`` says with these parameters."""
        command = ["--lint-only", "-Wall", "--quiet", "--top-module", self.unit.module]
        command += [f"-G{name}={literal(value)}" for name, value in self.params.items()]
        command += [str(path) for path in self._sources()]
        return tools.run(tools.find("verilator"), command, workdir).strip()
