"""From a graph to frames through the UART of a board, and to bitstreams whose timing is met."""

import json
import re

import numpy as np
import pytest

from driver_models import ICEBREAKER, TANG, ULX3S, saved, vector_net
from gatewright import boards
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.driver.compile import Options, compile_model, passed
from gatewright.driver.data import random_data
from gatewright.driver.project import Project
from gatewright.hw import link
from gatewright.hw.flow.tools import find, run

BENCH = """\
`timescale 1ns / 1ps
// Plays script.hex on the UART of board_top and prints the bytes that come back.
module bench;
    localparam real HALF = {half};
    localparam real BIT = {bit};
    reg clk = 0;
    reg line = 1;
    reg [8:0] script [0:4095];
    reg [7:0] got;
    integer at;
    integer i;
    integer j;
    wire uart_tx;
    wire led_ready;
    wire led_busy;
    always #(HALF) clk = !clk;
    board_top dut (.clk_in(clk), .button(1'b{released}), .uart_rx(line), .uart_tx(uart_tx),
        .led_ready(led_ready), .led_busy(led_busy));
    always @(negedge uart_tx) begin
        #(BIT * 1.5);
        for (j = 0; j < 8; j = j + 1) begin got[j] = uart_tx; #(BIT); end
        $display("byte %h", got);
        #(BIT * 0.3);
    end
    initial begin
        $readmemh("script.hex", script);
        #(HALF * 2 * 66000);
        for (at = 0; script[at][8]; at = at + 1) begin
            line = 0; #(BIT);
            for (i = 0; i < 8; i = i + 1) begin line = script[at][i]; #(BIT); end
            line = 1; #(BIT);
            if (script[at + 1] === 9'h0ff) begin #(BIT * {reply_bits}); at = at + 1; end
        end
        $finish;
    end
endmodule
"""

# What a PLL does, for simulation: its output runs at the ratio of the clocks and locks after a while.
PLL = """\
`timescale 1ns / 1ps
module {module} (input wire clk_in, output wire clk_out, output reg locked);
{params}
    reg clk = 0;
    assign clk_out = clk;
    always #({half}) clk = !clk;
    initial begin locked = 0; repeat (50) @(posedge clk_in); locked = 1; end
endmodule
"""


def pll_model(text: str, mhz: float) -> str | None:
    """A behavioural stand-in for the PLL that ``board_top.v`` instantiates, if it does."""
    found = re.search(r"(gw_pll_\w+) #\((.*?)\) pll", text, re.DOTALL)
    if found is None:
        return None
    params = "".join(f"    parameter {name} = 0;\n" for name in re.findall(r"\.(\w+)\(", found[2]))
    return PLL.format(module=found[1], params=params, half=500 / mhz)


def talk(folder, board, mhz: float, packets: list[bytes], reply_bytes: int) -> bytes:
    """Simulates the board with ``packets`` on its UART, each after the last one's reply; what it sends."""
    top = (folder / "board_top.v").read_text()
    model = pll_model(top, mhz)
    bit = int(re.search(r"\.CLOCKS_PER_BIT\((\d+)\)", top)[1]) * 1000 / mhz
    script = "".join("".join(f"{0x100 | b:03x}\n" for b in p) + "0ff\n" for p in packets) + "000\n"
    (folder / "script.hex").write_text(script)
    bench = BENCH.format(
        half=500 / board.clock.mhz,
        bit=bit,
        released=int(board.button.active_low),
        reply_bits=10 * reply_bytes + 60,
    )
    (folder / "bench.v").write_text(bench)
    sources = [p.name for p in sorted(folder.glob("*.v")) if not p.name.startswith("gw_pll_")]
    if model:
        (folder / "pll_model.vl").write_text(model)
        sources.append("pll_model.vl")
    run(find("iverilog"), ["-g2005", "-o", "bench", "-s", "bench", *sources], folder)
    log = run(find("vvp"), ["-n", "bench"], folder, timeout=120).splitlines()
    return bytes(int(line.split()[1], 16) for line in log if line.startswith("byte"))


@pytest.mark.parametrize(
    ("name", "mhz"),
    [
        (ICEBREAKER, 24),  # through a PLL
        pytest.param(ICEBREAKER, None, marks=pytest.mark.slow),
        pytest.param(ULX3S, None, marks=pytest.mark.slow),
        pytest.param(TANG, None, marks=pytest.mark.slow),
    ],
)
def test_frames_through_the_uart_of_a_board(tmp_path, name, mhz):
    """Two frames as packets at the pins of board_top give the reference's integers at its pins."""
    board, graph = boards.load(name), vector_net(5)
    report = compile_model(
        saved(tmp_path, graph), board, tmp_path / "out", Options(until="rtl", clock_mhz=mhz)
    )
    project = Project(tmp_path / "out")
    ports, frames = project.interface(), random_data(graph, 2).frames
    requests = [link.Packet(link.INFO, 1)]
    for number, frame in enumerate(frames):
        words = ports.input.pack(frame[None])
        requests.append(link.Packet(link.INFER, 2 + number, link.pack_frame(words, ports.input.bits)))
    size = link.frame_bytes(ports.output.bits, ports.output.beats)
    heard = talk(project.rtl, board, report["clock_mhz"], [p.encode() for p in requests], size + 20)
    info, *replies = link.Decoder().feed(heard)
    told = link.Information.decode(info.payload)
    assert (info.type, info.sequence) == (link.INFO_REPLY, 1)
    top = (project.rtl / "board_top.v").read_text()
    assert f".DESIGN_ID(32'h{told.design_id:08x})" in top
    assert [(r.type, r.sequence) for r in replies] == [(link.INFER_REPLY, 2), (link.INFER_REPLY, 3)]
    words = [w for r in replies for w in link.unpack_frame(r.payload, ports.output.bits, ports.output.beats)]
    got = ports.output.unpack(words).reshape(2, *graph.outputs[0].type.shape)
    np.testing.assert_array_equal(got, evaluate(graph, frames)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "suffix", "least"),
    [(ULX3S, ".bit", 100_000), (ICEBREAKER, ".bin", 100_000), (TANG, ".fs", 500_000)],
)
def test_a_graph_becomes_a_bitstream(tmp_path, name, suffix, least):
    """A whole compile: equal executors, timing met, resources below the board's, logs and a bitstream."""
    report = compile_model(saved(tmp_path, vector_net()), name, tmp_path / "out")
    out = tmp_path / "out"
    assert passed(report)
    assert report["timing"]["met"] is True
    assert report["timing"]["fmax_mhz"] >= report["timing"]["asked_mhz"] == report["clock_mhz"]
    assert report["resources"]["source"] == "routed"
    total, capacity = report["resources"]["total"], report["board"]["capacity"]
    assert 0 < total["lut"] < capacity["lut"]
    assert report["files"]["bitstream"] == f"accelerator{suffix}"
    assert (out / f"accelerator{suffix}").stat().st_size > least
    assert json.loads((out / "report.json").read_text()) == report
    for place in report["files"].values():
        assert (out / place).exists()
    left = {p.name for p in (out / "build").iterdir()}
    assert not left & {"netlist.json", "routed.config", "routed.asc", "routed.json", "src"}
    assert not [n for n in left if n.endswith(".mem")]
