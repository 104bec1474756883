"""Icarus Verilog: a test bench in Verilog that plays patterns, checks the protocol and sees X and Z."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ToolError
from ..hw.flow import tools
from .wrapper import PATTERN_CLOCKS, PROBE_CLOCKS, RESET_CLOCKS, WRAPPER, Outcome, Ports, Stimulus

# One pass of the loop is one clock: inputs change while clk is low, all ports are sampled just before
# the rising edge. s_tdata is X while s_tvalid is low, so a design that looks at it gives itself away.
_BENCH = """`timescale 1ns/1ns
module gw_bench;
    reg clk = 0;
    reg rst = 1;
    reg [{in_bits}-1:0] s_tdata = 0;
    reg s_tvalid = 0;
    wire s_tready;
    wire [{out_bits}-1:0] m_tdata;
    wire m_tvalid;
    reg m_tready = 0;

    {wrapper} wrapper (
        .clk(clk), .rst(rst),
        .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));

    reg gap [0:{pattern}-1];
    reg stall [0:{pattern}-1];
    reg [{in_bits}-1:0] word;
    reg [{out_bits}-1:0] held;
    reg have = 0;
    reg waiting = 0;
    reg probe_valid;
    reg probe_ready;
    integer words, outputs, max_clocks, idle_clocks, drain;
    integer now = 0, sent = 0, seen = 0, moved = 0, offered = -1, last = -1;
    integer in_file, inputs_file, outputs_file, status_file, got;
    reg [20*8-1:0] reason;

    task finish(input [20*8-1:0] why);
        if (reason == 0) reason = why;
    endtask

    initial begin
        reason = 0;
        got = $value$plusargs("words=%d", words) + $value$plusargs("outputs=%d", outputs)
            + $value$plusargs("max_clocks=%d", max_clocks) + $value$plusargs("idle_clocks=%d", idle_clocks)
            + $value$plusargs("drain=%d", drain);
        $readmemb("gap.txt", gap);
        $readmemb("stall.txt", stall);
        in_file = $fopen("words.txt", "r");
        inputs_file = $fopen("inputs.txt", "w");
        outputs_file = $fopen("outputs.txt", "w");
        repeat ({reset}) begin
            #5 clk = 1;
            #5 clk = 0;
        end
        rst = 0;
        while (reason == 0) begin
            if (!have && sent < words && !gap[now % {pattern}]) begin
                got = $fscanf(in_file, "%h", word);
                have = 1;
            end
            s_tdata = have ? word : {in_bits}'bx;
            if (now < {probe}) begin
                s_tvalid = !have;
                m_tready = stall[now % {pattern}];
                #1 probe_valid = m_tvalid;
                m_tready = !m_tready;
                #1 probe_ready = s_tready;
                s_tvalid = have;
            end
            s_tvalid = have;
            m_tready = !stall[now % {pattern}];
            #1;
            if (s_tready === 1'bx || s_tready === 1'bz) finish("x_ready");
            if (m_tvalid === 1'bx || m_tvalid === 1'bz) finish("x_valid");
            if (m_tvalid && ^m_tdata === 1'bx) finish("x_data");
            if (waiting && !m_tvalid) finish("dropped");
            if (waiting && m_tdata !== held) finish("changed");
            if (now < {probe} && probe_valid !== m_tvalid) finish("valid_on_ready");
            if (now < {probe} && probe_ready !== s_tready) finish("ready_on_valid");
            if (m_tvalid && seen == outputs) finish("surplus");
            if (m_tvalid && offered < 0) offered = now;
            if (reason == 0) begin
                if (s_tvalid && s_tready) begin
                    $fwrite(inputs_file, "%0d\\n", now);
                    have = 0;
                    sent = sent + 1;
                    moved = now;
                end
                if (m_tvalid && m_tready) begin
                    $fwrite(outputs_file, "%0d %h\\n", now, m_tdata);
                    seen = seen + 1;
                    moved = now;
                    last = now;
                end
                waiting = m_tvalid && !m_tready;
                held = m_tdata;
                if (seen == outputs) begin
                    if (now - last >= drain) finish("done");
                end else if (now + 1 >= max_clocks) finish("limit");
                else if (now - moved >= idle_clocks) finish("idle");
            end
            if (reason == 0) begin
                #4 clk = 1;
                #5 clk = 0;
                now = now + 1;
            end
        end
        status_file = $fopen("status.txt", "w");
        $fwrite(status_file, "%0s %0d %0d\\n", reason, now, offered);
        $fclose(status_file);
        $finish;
    end
endmodule
"""


def compile_icarus(
    workdir: Path, wrapper_file: str, files: Sequence[Path], ports: Ports, native: bool | None
) -> None:
    """Compiles design and bench to ``workdir/bench.vvp``.

    Raises:
        ToolError: the Verilog is wrong, or the stream widths do not match the ports.
    """
    bench = _BENCH.format(
        in_bits=ports.in_bits, out_bits=ports.out_bits, wrapper=WRAPPER,
        pattern=PATTERN_CLOCKS, probe=PROBE_CLOCKS, reset=RESET_CLOCKS,
    )  # fmt: skip
    (workdir / "bench.v").write_text(bench)
    iverilog = tools.find("iverilog", native)
    sources = ["bench.v", wrapper_file, *map(str, files)]
    said = tools.run(
        iverilog, ["-g2005", "-Wportbind", "-s", "gw_bench", "-o", "bench.vvp", *sources], workdir
    )
    misfits = [line for line in said.splitlines() if line.startswith(wrapper_file) and "expects" in line]
    if misfits:
        raise ToolError(
            f"iverilog: streams must have the widths of the ports (in_bits {ports.in_bits}, out_bits "
            f"{ports.out_bits}), not others:\n" + "\n".join(misfits)
        )


def run_icarus(
    workdir: Path, ports: Ports, stimulus: Stimulus, native: bool | None, timeout: float | None
) -> Outcome:
    """One simulation of what ``compile_icarus`` made.

    Raises:
        ToolError: vvp failed or took longer than ``timeout`` seconds.
    """
    (workdir / "words.txt").write_text("".join(f"{word:x}\n" for word in stimulus.words))
    (workdir / "gap.txt").write_text("\n".join(stimulus.gap) + "\n")
    (workdir / "stall.txt").write_text("\n".join(stimulus.stall) + "\n")
    (workdir / "status.txt").unlink(missing_ok=True)
    arguments = {
        "words": len(stimulus.words),
        "outputs": stimulus.out_count,
        "max_clocks": stimulus.max_clocks,
        "idle_clocks": stimulus.idle_clocks,
        "drain": stimulus.drain,
    }
    plus = [f"+{name}={value}" for name, value in arguments.items()]
    said = tools.run(tools.find("vvp", native), ["-n", "bench.vvp", *plus], workdir, timeout=timeout)
    if not (workdir / "status.txt").exists():
        raise ToolError(f"vvp: must finish the bench, not stop early. It says:\n{tools.excerpt(said)}")
    reason, clock, offered = (workdir / "status.txt").read_text().split()
    in_clocks = [int(line) for line in (workdir / "inputs.txt").read_text().split()]
    moved = [line.split() for line in (workdir / "outputs.txt").read_text().splitlines()]
    return Outcome(
        reason=reason,
        clock=int(clock),
        offered=int(offered) if int(offered) >= 0 else None,
        words=[int(data, 16) for _, data in moved],
        in_clocks=in_clocks,
        out_clocks=[int(at) for at, _ in moved],
    )
