// Self-checking test bench for a generated accelerator: drives the words of tb/stimulus.mem as fast as the
// accelerator takes them, compares every output beat with tb/expected.mem, prints PASS or FAIL with counts.
// Run in folder rtl:  iverilog -g2005 -o tb/tb.vvp -c tb/files.f && vvp tb/tb.vvp
`timescale 1ns / 1ps
`default_nettype none

module gw_testbench #(
    parameter IN_BITS = 1,    // width of s_tdata
    parameter IN_COUNT = 1,   // beats to drive
    parameter OUT_BITS = 1,   // width of m_tdata
    parameter OUT_COUNT = 1   // beats to compare
);
    reg clk = 1'b0;
    reg rst = 1'b1;
    reg [IN_BITS-1:0] stimulus [0:IN_COUNT-1];
    reg [OUT_BITS-1:0] expected [0:OUT_COUNT-1];
    integer sent = 0;
    integer received = 0;
    integer wrong = 0;
    integer clocks = 0;
    integer idle = 0;
    wire s_tready;
    wire m_tvalid;
    wire [OUT_BITS-1:0] m_tdata;
    wire s_tvalid = !rst && sent < IN_COUNT;
    wire [IN_BITS-1:0] s_tdata = stimulus[sent < IN_COUNT ? sent : 0];

    accelerator dut (
        .clk(clk),
        .rst(rst),
        .s_tdata(s_tdata),
        .s_tvalid(s_tvalid),
        .s_tready(s_tready),
        .m_tdata(m_tdata),
        .m_tvalid(m_tvalid),
        .m_tready(1'b1)
    );

    always #5 clk = !clk;

    initial begin
        $readmemh("tb/stimulus.mem", stimulus);
        $readmemh("tb/expected.mem", expected);
        repeat (4) @(posedge clk);
        #1 rst = 1'b0;
    end

    always @(posedge clk) begin
        if (!rst) begin
            clocks <= clocks + 1;
            idle <= idle + 1;
            if (s_tvalid && s_tready) begin
                sent <= #1 sent + 1;
                idle <= 0;
            end
            if (m_tvalid) begin
                idle <= 0;
                if (m_tdata !== expected[received]) begin
                    wrong <= wrong + 1;
                    $display("beat %0d: %h, expected %h", received, m_tdata, expected[received]);
                end
                received <= received + 1;
                if (received + 1 == OUT_COUNT) begin
                    if (wrong == 0 && m_tdata === expected[received])
                        $display("PASS: %0d beats equal in %0d clocks", OUT_COUNT, clocks + 1);
                    else
                        $display("FAIL: beats differ");
                    $finish;
                end
            end
            if (idle > 1000000) begin
                $display("FAIL: no beat moved for 1000000 clocks; %0d of %0d came", received, OUT_COUNT);
                $finish;
            end
        end
    end
endmodule

`default_nettype wire
