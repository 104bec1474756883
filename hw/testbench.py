"""A test bench to keep: a few frames with their expected outputs, self-checking in any simulator."""

from pathlib import Path

from .design import Design

_BENCH = Path(__file__).parent / "tb" / "gw_testbench.v"

_TOP = """\
`timescale 1ns / 1ps
module testbench;
    gw_testbench #(
        .IN_BITS({in_bits}),
        .IN_COUNT({in_count}),
        .OUT_BITS({out_bits}),
        .OUT_COUNT({out_count})
    ) bench ();
endmodule
"""


def testbench(design: Design, words: list[int], expected: list[int], sources: list[str]) -> dict[str, str]:
    """File name -> text of folder ``tb``, to be run from the folder above it.

    Args:
        words, expected: beats in and out, as ``Stream.pack`` gives them.
        sources: Verilog files of the design in the folder above.
    """
    top = _TOP.format(
        in_bits=design.input.bits,
        in_count=len(words),
        out_bits=design.output.bits,
        out_count=len(expected),
    )
    return {
        "gw_testbench.v": _BENCH.read_text(),
        "testbench.v": top,
        "stimulus.mem": _hex(words, design.input.bits),
        "expected.mem": _hex(expected, design.output.bits),
        "files.f": "".join(f"{s}\n" for s in ["tb/testbench.v", "tb/gw_testbench.v", *sources]),
    }


def _hex(words: list[int], bits: int) -> str:
    return "".join(f"{w:0{-(-bits // 4)}x}\n" for w in words)
