"""gw_concat: several streams in turn, whatever order their beats come in."""

import random

import numpy as np
import pytest

from gatewright.hw import library
from gatewright.hw.units.concat import CONCAT
from gatewright.hw.units.fifo import FIFO
from gatewright.sim.rtl import Simulation, compile_rtl
from stream_bench import complaint, interval, latency, mapped, values
from unit_bench import Case

BITS, TURNS, DEPTH = 6, 60, 64

# One stream of (number of the input, beat), dealt out to a FIFO before each input.
SHELL = """`default_nettype none
module concat_shell (
    input wire clk,
    input wire rst,
    input wire [{top}:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [{bits}-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);
    wire [7:0] free;
    wire [{n}-1:0] valid;
    wire [{n}-1:0] ready;
    wire [{n}*{bits}-1:0] data;
    // Ready only where every input has room, so that it depends on no valid.
    assign s_tready = &free[{n}-1:0];
    genvar i;
    generate
        for (i = 0; i < {n}; i = i + 1) begin : g_in
            gw_fifo #(.BITS({bits}), .DEPTH({depth}), .RAM_STYLE(0)) fifo (
                .clk(clk), .rst(rst),
                .s_tdata(s_tdata[{bits}-1:0]),
                .s_tvalid(s_tvalid && s_tready && s_tdata[{top}:{bits}] == i), .s_tready(free[i]),
                .m_tdata(data[i*{bits} +: {bits}]), .m_tvalid(valid[i]), .m_tready(ready[i]));
        end
    endgenerate
    gw_concat #({params}) dut (
        .clk(clk), .rst(rst), .s_tdata(data), .s_tvalid(valid), .s_tready(ready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));
endmodule
`default_nettype wire
"""


def concat(*beats: int) -> dict:
    """Parameters of a gw_concat of so many beats an input."""
    filled = [*beats, *[1] * (8 - len(beats))]
    return {"BITS": BITS, "N": len(beats)} | {f"B{i}": b for i, b in enumerate(filled)}


def build(params: dict, depth: int, workdir) -> Simulation:
    """The unit behind FIFOs of that depth."""
    shell = workdir / f"shell{depth}.v"
    values_ = ", ".join(f".{k}({v})" for k, v in params.items())
    shell.write_text(SHELL.format(top=BITS + 2, bits=BITS, n=params["N"], depth=depth, params=values_))
    files = [shell, *(library.RTL / name for name in {*CONCAT.files, *FIFO.files})]
    return compile_rtl("concat_shell", files, {}, BITS + 3, BITS)


def beats_of(params: dict) -> list[tuple[int, int]]:
    """(input, beat) of TURNS turns in the order in which they must come out."""
    draw = random.Random(str(params))
    sizes = [params[f"B{i}"] for i in range(params["N"])]
    return [
        (i, draw.getrandbits(BITS)) for _ in range(TURNS) for i, size in enumerate(sizes) for _ in range(size)
    ]


def word(beat: tuple[int, int]) -> int:
    return beat[0] << BITS | beat[1]


def jumbled(beats: list[tuple[int, int]], seed: int) -> list[tuple[int, int]]:
    """Beats of different inputs in another order, those of one input in their own, none far from home."""
    draw = np.random.default_rng(seed)
    keys, latest = [], {}
    for place, (source, _) in enumerate(beats):
        latest[source] = max(latest.get(source, -1.0), place + draw.uniform(0, DEPTH / 3))
        keys.append(latest[source])
    return [beats[i] for i in sorted(range(len(beats)), key=lambda i: (keys[i], i))]


SHAPES = [concat(1, 1), concat(3, 1), concat(2, 5, 1), concat(1, 2, 3, 4), concat(4, 1, 1, 7, 2, 1, 3, 2)]
each_shape = pytest.mark.parametrize("params", SHAPES, ids=lambda p: "-".join(map(str, p.values())))


@each_shape
def test_order_whatever_comes_first(params, tmp_path):
    """Inputs that run ahead are held, and each beat comes out once, in its turn."""
    beats, simulation = beats_of(params), build(params, DEPTH, tmp_path)
    for seed, (gap, stall) in enumerate([(0.0, 0.0), (0.5, 0.2), (0.1, 0.6)]):
        sent = jumbled(beats, seed)
        assert sent != beats
        trace = simulation.run([word(b) for b in sent], len(beats), gap=gap, stall=stall, seed=seed)
        assert trace.words == [b for _, b in beats]


@each_shape
def test_interval_and_latency(params, tmp_path):
    """A beat a clock, a clock after it comes; the FIFO before it takes another."""
    beats = beats_of(params)
    trace = build(params, 2, tmp_path).run([word(b) for b in beats], len(beats))
    assert trace.words == [b for _, b in beats]
    assert latency(trace) == FIFO.latency(values({"DEPTH": 2})) + CONCAT.latency(values(params))
    assert interval(trace, len(beats) // TURNS) == CONCAT.interval(values(params))


@each_shape
def test_verilator_has_no_warning(params, tmp_path):
    assert Case(CONCAT, params, 1, 1, [], [], 1).lint(tmp_path) == ""


def test_reset_in_mid_turn(tmp_path):
    """The first input's turn comes after a reset, whoever's it was."""
    bench = tmp_path / "bench.v"
    bench.write_text(RESET_BENCH)
    files = [bench, *(library.RTL / name for name in CONCAT.files)]
    trace = compile_rtl("reset_bench", files, {}, 1, 6).run([0] * 20, 12)
    assert trace.words == [1, 1, 2, 3] * 3


# Inputs that always offer 1 + their own number; the clocks before a reset are dropped.
RESET_BENCH = """`default_nettype none
module reset_bench (
    input wire clk, input wire rst, input wire s_tdata, input wire s_tvalid, output wire s_tready,
    output wire [5:0] m_tdata, output wire m_tvalid, input wire m_tready
);
    reg [3:0] clock_q;
    wire pulse = clock_q == 4'd11;
    wire early = clock_q < 4'd12;
    wire [2:0] ready;
    wire given;
    assign s_tready = !early;
    assign m_tvalid = given && !early && left_q != 5'd0;
    reg [4:0] left_q;
    wire unused = &{s_tdata, s_tvalid, ready};
    always @(posedge clk) begin
        if (rst) clock_q <= 4'd0;
        else if (early) clock_q <= clock_q + 4'd1;
        if (rst) left_q <= 5'd12;
        else if (m_tvalid && m_tready) left_q <= left_q - 5'd1;
    end
    gw_concat #(.BITS(6), .N(3), .B0(2), .B1(1), .B2(1)) dut (
        .clk(clk), .rst(rst || pulse), .s_tdata({6'd3, 6'd2, 6'd1}), .s_tvalid(3'b111), .s_tready(ready),
        .m_tdata(m_tdata), .m_tvalid(given), .m_tready(m_tready || early));
endmodule
`default_nettype wire
"""


def test_too_many_inputs_are_reported(tmp_path):
    assert complaint(CONCAT, concat(1, 1) | {"N": 9}, tmp_path) == "gw_concat: N must be 2 to 8, not 9"


@pytest.mark.parametrize("params", [concat(4, 1, 6), concat(1, 1, 1, 1)], ids=["three", "four"])
def test_resources(params, tmp_path):
    """The Unit's estimate: registers within 10 %, LUTs within 30 % or 10."""
    said, found = CONCAT.resources(values(params), "ecp5"), mapped(CONCAT, params, "ecp5", tmp_path)
    assert said.ff == pytest.approx(found.ff, rel=0.1, abs=1)
    assert said.lut == pytest.approx(found.lut, rel=0.3, abs=10)
