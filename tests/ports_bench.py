"""A bench for units with several streams in or out: each port with idle and stall patterns of its own.

It checks the streaming contract port by port (hw/README.md): valid and data hold until a beat moves, no valid
depends on a ready in the same clock, nor any ready on a valid.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatewright.hw import library
from gatewright.hw.design import Unit
from gatewright.hw.flow import tools
from gatewright.sim.wrapper import literal

_BENCH = """`timescale 1ns/1ns
module bench;
    reg clk = 0;
    reg rst = 1;
    reg [{ins}-1:0] s_tvalid = 0;
    wire [{ins}-1:0] s_tready;
    reg [{in_bits}-1:0] s_tdata = 0;
    wire [{outs}-1:0] m_tvalid;
    reg [{outs}-1:0] m_tready = 0;
    wire [{out_bits}-1:0] m_tdata;
    {module} #({params}) dut (
        .clk(clk), .rst(rst), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));

    reg [{in_bits}-1:0] words [0:{count}-1];
    reg [{ins}-1:0] keep_valid, seen_ready;
    reg [{outs}-1:0] keep_ready, seen_valid, waiting = 0;
    reg [{out_bits}-1:0] held;
    integer sent [0:{ins}-1];
    integer now, k, seed = {seed};

    initial begin
        $readmemh("words.mem", words);
        for (k = 0; k < {ins}; k = k + 1) sent[k] = 0;
        for (now = -4; now < {clocks}; now = now + 1) begin
            rst = now < 0 || now == {reset};
            for (k = 0; k < {ins}; k = k + 1) if (!s_tvalid[k])
                s_tvalid[k] = sent[k] < {count} && $unsigned($random(seed)) % 100 >= {gap};
            for (k = 0; k < {outs}; k = k + 1) m_tready[k] = $unsigned($random(seed)) % 100 >= {stall};
            if (rst) begin
                s_tvalid = 0;
                m_tready = 0;
            end
            {data}
            #1 seen_valid = m_tvalid;
            keep_ready = m_tready;
            m_tready = ~m_tready;
            #1 if (!rst && m_tvalid !== seen_valid) $display("error valid depends on ready at %0d", now);
            m_tready = keep_ready;
            #1 seen_ready = s_tready;
            keep_valid = s_tvalid;
            s_tvalid = ~s_tvalid;
            #1 if (!rst && s_tready !== seen_ready) $display("error ready depends on valid at %0d", now);
            s_tvalid = keep_valid;
            #1;
            {checks}
            if (now == {reset}) begin
                for (k = 0; k < {ins}; k = k + 1) sent[k] = 0;
                waiting = 0;
                $display("reset");
            end else if (!rst) begin
                held = m_tdata;
                waiting = m_tvalid & ~m_tready;
                {moves}
                for (k = 0; k < {ins}; k = k + 1) if (s_tvalid[k] && s_tready[k]) begin
                    $display("in %0d %0d", k, now);
                    sent[k] = sent[k] + 1;
                    keep_valid[k] = 0;
                end
            end
            #4 clk = 1;
            #5 clk = 0;
            s_tvalid = keep_valid;
        end
        $finish;
    end
endmodule
"""


@dataclass(frozen=True)
class PortsTrace:
    """Since the last reset: each output port's words, and the clocks in which beats moved, port by port."""

    words: list[list[int]]
    out_clocks: list[list[int]]
    in_clocks: list[list[int]]


def run_ports(
    unit: Unit,
    params: Mapping[str, int],
    words: Sequence[Sequence[int]],
    in_bits: Sequence[int],
    out_bits: Sequence[int],
    *,
    clocks: int,
    gap: int = 0,
    stall: int = 0,
    seed: int = 1,
    reset: int = -1,
) -> PortsTrace:
    """Drives ``words[k]`` into input k for ``clocks`` clocks.

    Args:
        gap, stall: per cent of the clocks in which an input or output rests.
        reset: clock of a reset after which all inputs start anew.
    """
    assert tuple(params) == unit.params
    text = _BENCH.format(
        module=unit.module, params=", ".join(f".{k}({literal(v)})" for k, v in params.items()),
        ins=len(in_bits), outs=len(out_bits), in_bits=sum(in_bits), out_bits=sum(out_bits),
        count=len(words[0]), clocks=clocks, gap=gap, stall=stall, seed=seed, reset=reset,
        data=_data(in_bits), checks=_checks(out_bits), moves=_moves(out_bits),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="gatewright_") as name:
        folder = Path(name)
        (folder / "bench.v").write_text(text)
        rows = [_row(row, in_bits) for row in zip(*words, strict=True)]
        (folder / "words.mem").write_text("".join(f"{row:x}\n" for row in rows))
        files = [str(library.RTL / f) for f in unit.files]
        command = ["-g2005", "-Wall", "-Wno-timescale", "-s", "bench", "-o", "bench.vvp", "bench.v", *files]
        said = tools.run(tools.find("iverilog"), command, folder).strip()
        assert said == ""
        log = tools.run(tools.find("vvp"), ["-n", "bench.vvp"], folder)
    return _trace(log.splitlines(), len(in_bits), len(out_bits))


def _slices(bits: Sequence[int]) -> list[str]:
    starts = [sum(bits[:k]) for k in range(len(bits))]
    return [f"[{start} +: {width}]" for start, width in zip(starts, bits, strict=True)]


def _row(row: Sequence[int], bits: Sequence[int]) -> int:
    return sum(word << sum(bits[:k]) for k, word in enumerate(row))


def _data(bits: Sequence[int]) -> str:
    """Each port's own beat; X where there is none, so that a unit that looks at it gives itself away."""
    return "\n            ".join(
        f"s_tdata{s} = s_tvalid[{k}] ? words[sent[{k}]] >> {sum(bits[:k])} : {bits[k]}'bx;"
        for k, s in enumerate(_slices(bits))
    )


def _checks(bits: Sequence[int]) -> str:
    return "\n            ".join(
        f'if (waiting[{k}] && (!m_tvalid[{k}] || m_tdata{s} !== held{s})) $display("error {k} not held");'
        for k, s in enumerate(_slices(bits))
    )


def _moves(bits: Sequence[int]) -> str:
    return "\n                ".join(
        f'if (m_tvalid[{k}] && m_tready[{k}]) $display("out {k} %0d %h", now, m_tdata{s});'
        for k, s in enumerate(_slices(bits))
    )


def _trace(log: Sequence[str], ins: int, outs: int) -> PortsTrace:
    errors = [line for line in log if line.startswith("error")]
    assert not errors, errors[:3]
    last = max((n for n, line in enumerate(log) if line == "reset"), default=-1)
    trace = PortsTrace([[] for _ in range(outs)], [[] for _ in range(outs)], [[] for _ in range(ins)])
    for line in log[last + 1 :]:
        match line.split():
            case ["out", port, clock, word]:
                trace.words[int(port)].append(int(word, 16))
                trace.out_clocks[int(port)].append(int(clock))
            case ["in", port, clock]:
                trace.in_clocks[int(port)].append(int(clock))
    return trace
