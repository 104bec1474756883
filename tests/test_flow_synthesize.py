"""Synthesis: resources in all families, whose cells they are, and errors that name the place."""

import random

import pytest

from gatewright.errors import ToolError
from gatewright.hw import library
from gatewright.hw.design import FAMILIES, Resources
from gatewright.hw.flow.attribute import OTHER, owners
from gatewright.hw.flow.families import FLOWS, cost
from gatewright.hw.flow.synthesize import synthesize

# Two counters, and a ROM and a multiplier in the top itself. Counters read each other through ports, so
# nets have two names; a counter times a ROM word is what Yosys 0.70 loses on xc7 when flattened early.
STAGE = """
module stage #(parameter BITS = 8) (input wire clk, input wire rst, input wire en, output reg [BITS-1:0] q);
    always @(posedge clk) if (rst) q <= 0; else if (en) q <= q + 3;
endmodule
"""
TOP = """
module top (input wire clk, input wire rst, input wire en, output wire [7:0] led);
    wire [7:0] a;
    wire [7:0] b;
    stage #(.BITS(8)) first (.clk(clk), .rst(rst), .en(en), .q(a));
    stage #(.BITS(8)) second (.clk(clk), .rst(rst), .en(a[7]), .q(b));
    reg [7:0] rom [0:1023];
    initial $readmemh("rom.mem", rom);
    reg [7:0] r;
    reg [15:0] p;
    always @(posedge clk) begin
        r <= rom[{b, a[1:0]}];
        p <= a * r;
    end
    assign led = p[15:8] ^ p[7:0];
endmodule
"""


@pytest.fixture
def project(tmp_path):
    """A working folder below /tmp with the ROM, and sources outside it."""
    sources = tmp_path / "lib"
    sources.mkdir()
    (sources / "stage.v").write_text(STAGE)
    (sources / "top.v").write_text(TOP)
    work = tmp_path / "work"
    work.mkdir()
    noise = random.Random(1)
    (work / "rom.mem").write_text("".join(f"{noise.randrange(256):02x}\n" for _ in range(1024)))
    return work, [sources / "stage.v", sources / "top.v"]


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_are_attributed_and_sum_to_the_total(project, family):
    work, files = project
    result = synthesize(work, "top", files, family)
    assert list(result.instances) == ["first", "second", OTHER]
    assert sum(result.instances.values(), Resources()) == result.total
    assert result.uncounted == {}
    assert result.netlist.stat().st_size
    assert result.log.stat().st_size
    first, second, other = result.instances.values()
    assert first.ff == second.ff == 8
    assert 2 <= first.lut <= 10
    assert 2 <= second.lut <= 10
    assert (first.bram, first.dsp, second.bram, second.dsp) == (0, 0, 0, 0)
    assert other.dsp == (0.5 if family == "gowin" else 1)
    # 8 kbit: a block RAM, or on Xilinx, whose blocks are larger, LUTs.
    assert other.bram >= 1 or other.lut > 100


def test_multipliers_can_be_kept_out_of_dsp_blocks(project):
    work, files = project
    soft = synthesize(work, "top", files, "ecp5", dsp=False)
    assert soft.total.dsp == 0
    assert soft.total.lut > 100


def test_more_options_reach_the_synthesis_command(project):
    work, files = project
    result = synthesize(work, "top", files, "ecp5", options=["-nobram"])
    assert result.total.bram == 0
    assert "-nowidelut -nobram" in (work / "synth.ys").read_text()


def test_equal_input_gives_an_equal_netlist(project):
    work, files = project
    netlists = [synthesize(work, "top", files, "ecp5").netlist.read_bytes() for _ in range(2)]
    assert netlists[0] == netlists[1]


def test_a_syntax_error_names_file_and_line(project):
    work, files = project
    files[0].write_text("module stage (\n    input wire clk\n);\n    wire = 1;\nendmodule\n")
    with pytest.raises(
        ToolError, match=r"(?s)^yosys: must exit with 0, not 1\. .*src/stage\.v:4: ERROR: syntax"
    ):
        synthesize(work, "top", files, "ecp5")


def test_a_missing_module_or_memory_file_is_named(project):
    work, files = project
    with pytest.raises(ToolError, match=r"(?s)^yosys: must exit .*ERROR: Module `.*stage' referenced in"):
        synthesize(work, "top", files[1:], "ecp5")
    (work / "rom.mem").unlink()
    with pytest.raises(ToolError, match=r"(?s)^yosys: must exit .*rom\.mem"):
        synthesize(work, "top", files, "ecp5")


def test_names_that_a_script_cannot_hold_are_refused(project, tmp_path):
    work, files = project
    with pytest.raises(ToolError, match=r"^synthesize: a top module must match .*, not 'top; shell ls'$"):
        synthesize(work, "top; shell ls", files, "ecp5")
    with pytest.raises(
        ToolError, match=r"^synthesize: a synthesis option must match .*, not '-run x; exec'$"
    ):
        synthesize(work, "top", files, "ecp5", options=["-run x; exec"])
    (work / "a b.v").write_text(STAGE)
    with pytest.raises(ToolError, match=r"^synthesize: a source path must match .*, not 'a b\.v'$"):
        synthesize(work, "top", ["a b.v"], "ecp5")


def test_bad_arguments_are_refused(project, tmp_path):
    work, files = project
    with pytest.raises(
        ToolError, match=r"^flow: family must be one of ecp5, ice40, gowin, xc7, xcup, not 'max'"
    ):
        synthesize(work, "top", files, "max")
    with pytest.raises(ToolError, match=r"^synthesize: a source must be a file, not '.*/no\.v'$"):
        synthesize(work, "top", [tmp_path / "no.v"], "ecp5")
    (tmp_path / "top.v").write_text("module other; endmodule\n")
    with pytest.raises(
        ToolError, match=r"^synthesize: sources must have different names, not 'top\.v' twice$"
    ):
        synthesize(work, "top", [*files, tmp_path / "top.v"], "ecp5")


@pytest.mark.parametrize(
    ("family", "cell", "expected"),
    [
        ("ecp5", "CCU2C", Resources(lut=2)),
        ("ecp5", "PFUMX", Resources()),
        ("ice40", "SB_DFFESR", Resources(ff=1)),
        ("gowin", "MULT9X9", Resources(dsp=0.5)),
        ("xc7", "RAMB18E1", Resources(bram=0.5)),
        ("xcup", "LUT6", Resources(lut=1)),
        ("xcup", "$scopeinfo", Resources()),
        ("ecp5", "EHXPLLX", None),
    ],
)
def test_cells_cost_what_they_occupy(family, cell, expected):
    assert cost(FLOWS[family], cell) == expected


def test_a_register_named_after_its_reader_belongs_to_its_writer():
    def cell(kind, **pins):
        return {
            "type": kind,
            "connections": {p: bits for p, (_, bits) in pins.items()},
            "port_directions": {p: direction for p, (direction, _) in pins.items()},
        }

    top = {
        "cells": {
            "one": cell("writer", m=("output", [5])),
            "two": cell("reader", s=("input", [5]), m=("output", [6])),
        },
        "netnames": {"wire": {"bits": [5]}, "out": {"bits": [6]}},
    }
    flat = {
        "cells": {
            "ff": cell("FF", D=("input", [11]), Q=("output", [10])),
            "lut": cell("LUT", A=("input", [10]), Z=("output", [11])),
            "next": cell("LUT", A=("input", [10]), Z=("output", [12])),
            "stray": cell("LUT", A=("input", ["1"]), Z=("output", [99])),
        },
        "netnames": {"two.s": {"bits": [10]}, "out": {"bits": [12]}},
    }
    assert owners(top, flat) == {"ff": "one", "lut": "one", "next": "two", "stray": OTHER}


def test_a_register_inside_its_reader_belongs_to_where_it_is_a_register():
    """The connection's own name is gone, and a net of either end is left."""
    top = {
        "cells": {
            "one": {"type": "writer", "connections": {"m": [5]}, "port_directions": {"m": "output"}},
            "two": {"type": "reader", "connections": {"s": [5]}, "port_directions": {"s": "input"}},
        },
        "netnames": {"wire": {"bits": [5]}},
    }
    pins = {"connections": {"D": [11], "Q": [10]}, "port_directions": {"D": "input", "Q": "output"}}
    names = {"two.deep.x": {"bits": [10]}, "one.deep.data_q": {"bits": [10]}}
    assert owners(top, {"cells": {"ff": {"type": "FF", **pins}}, "netnames": names}) == {"ff": "one"}


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_a_family_has_its_own_form_of_a_module(family, tmp_path):
    """A LUT of two outputs for each bit, unless the portable form is asked for."""
    text = """module top (input wire [7:0] a, input wire [7:0] b, output wire [7:0] y);
    gw_minimum #(.BITS(8)) minimum (.a(a), .b(b), .y(y));
endmodule
"""
    found = {}
    for portable in (False, True):
        work = tmp_path / str(portable)
        work.mkdir()
        (work / "top.v").write_text(text)
        files = [work / "top.v", *library.closure([text]).values()]
        found[portable] = synthesize(work, "top", files, family, portable=portable)
    assert found[False].cells["LUT6_2"] == found[False].total.lut == 8
    assert "LUT6_2" not in found[True].cells
    assert found[True].total.lut > 8
