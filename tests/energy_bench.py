"""How words on streams are taken from RTL simulation, and small designs with real and random data."""

import itertools
from pathlib import Path

import numpy as np

from gatewright.hw.design import Design, Edge
from gatewright.hw.library import closure
from gatewright.hw.verilog import memory_files, top_level, wires
from gatewright.sim.rtl import compile_rtl

_LOG = "seen_beats.txt"
_MONITOR = """
    integer log_file;
    initial log_file = $fopen("{log}", "w");
    always @(posedge clk) if (!rst) begin
{notes}    end
"""
_NOTE = '        if ({wire}_tvalid && {wire}_tready) $fwrite(log_file, "{number} %h\\n", {wire}_tdata);\n'


def simulated_words(design: Design, words: list[int], beats_out: int, folder: Path) -> dict[Edge, list[int]]:
    """The words of each beat that moves on each edge in Icarus Verilog, for these at the design's input."""
    names = wires(design)
    notes = "".join(_NOTE.format(wire=names[e.source], number=n) for n, e in enumerate(design.edges))
    text = top_level(design, "accelerator")
    body, _, tail = text.rpartition("endmodule")
    (folder / "accelerator.v").write_text(f"{body}{_MONITOR.format(log=_LOG, notes=notes)}endmodule{tail}")
    simulation = compile_rtl(
        "accelerator", [folder / "accelerator.v", *closure([text]).values()], {}, design.input.bits,
        design.output.bits, memories=memory_files(design), workdir=folder,
    )  # fmt: skip
    simulation.run(words, beats_out)
    found: dict[Edge, list[int]] = {edge: [] for edge in design.edges}
    for line in (folder / _LOG).read_text().splitlines():
        number, word = line.split()
        found[design.edges[int(number)]].append(int(word, 16))
    return found


def hamming(words: list[int]) -> int:
    """Bits that change from word to word."""
    return sum((a ^ b).bit_count() for a, b in itertools.pairwise(words))


def packed(codes: np.ndarray, bits: int) -> list[int]:
    """Codes (beats, lanes) as words, lane 0 in the low bits."""
    return [sum(int(code) << (k * bits) for k, code in enumerate(row)) for row in codes]
