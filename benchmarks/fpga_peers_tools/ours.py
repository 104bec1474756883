"""gatewright's side of fpga_peers.py: a network folded to an interval, simulated, and ready to synthesize."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gatewright.boards import load as load_board
from gatewright.boards.schema import Board
from gatewright.compiler.ir.evaluate import evaluate
from gatewright.compiler.passes.pipeline import run as run_passes
from gatewright.driver.execute import simulate
from gatewright.driver.project import Interface
from gatewright.hw.folding import fold
from gatewright.hw.layers import layers
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level
from gatewright.sim.rtl import Trace, compile_rtl

from . import networks

TOP = "accelerator"
# The prices of LUTs, block RAM and DSPs follow from what it has.
BOARD = "tul_pynq_z2"
_ROOM = 16


@dataclass(frozen=True)
class Point:
    """A design on disk: its sources, clocks per inference, and how many frames were equal."""

    sources: tuple[Path, ...]
    clocks: int
    latency: int
    equal: int
    frames: int


def expected(network: dict) -> np.ndarray:
    """The integer graph's outputs, (frames, values)."""
    frames = np.array(network["frames"])
    return evaluate(networks.graph_of(network), frames)[0].reshape(len(frames), -1)


def build(network: dict, interval: int | None, dsp: bool, folder: Path, count: int) -> Point:
    """Fold, write to ``folder``, and simulate ``count`` frames in Verilator.

    Args:
        interval: clocks per frame; None unfolds entirely.
        dsp: whether products may take DSP blocks.
    """
    graph = run_passes(networks.graph_of(network))
    design = fold(network["name"], layers(graph), _board(dsp), interval)
    folder.mkdir(parents=True, exist_ok=True)
    memories = memory_files(design)
    for name, text in memories.items():
        (folder / name).write_text(text)
    top = folder / f"{TOP}.v"
    top.write_text(top_level(design, TOP))
    sources = (*closure([top.read_text()]).values(), top)
    frames = np.array(network["frames"])[:count].reshape(-1, *network["input"])
    simulation = compile_rtl(
        TOP, sources, {}, design.input.bits, design.output.bits, memories=memories, tool="verilator"
    )
    ran = simulate(simulation, Interface(design.input, design.output), graph, frames)
    same = (ran.values.reshape(len(frames), -1) == expected(network)[:count]).all(axis=1)
    return Point(sources, ran.timing.interval_clocks, ran.timing.latency_clocks, int(same.sum()), len(frames))


def _board(dsp: bool) -> Board:
    """A board of BOARD's proportions, on which everything fits."""
    board = load_board(BOARD)
    part = board.part
    larger = replace(
        part, lut=part.lut * _ROOM, ff=part.ff * _ROOM, bram=part.bram * _ROOM, dsp=part.dsp * _ROOM * dsp
    )
    return replace(board, part=larger)


def run_pipeline(
    sources: Sequence[Path], words: list[int], in_bits: int, out_bits: int, stages: int
) -> Trace:
    """A free-running pipeline ``peer(clk, model_inp, model_out)``, ``stages`` registers and one at its end,
    fed a word a clock."""
    text = f"""`default_nettype none
module peer_stream (
    input wire clk, input wire rst,
    input wire [{in_bits - 1}:0] s_tdata, input wire s_tvalid, output wire s_tready,
    output wire [{out_bits - 1}:0] m_tdata, output wire m_tvalid, input wire m_tready
);
    reg [{stages}:0] valid_q;
    always @(posedge clk) valid_q <= rst ? 0 : {{valid_q[{stages - 1}:0], s_tvalid}};
    assign s_tready = 1'b1;
    assign m_tvalid = valid_q[{stages}];
    peer peer (.clk(clk), .model_inp(s_tdata), .model_out(m_tdata));
endmodule
"""
    top = sources[0].parent / "peer_stream.v"
    top.write_text(text)
    simulation = compile_rtl("peer_stream", (*sources, top), {}, in_bits, out_bits, tool="icarus")
    return simulation.run(words, len(words))
