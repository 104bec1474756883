// gw_copies in cells of their own, of which Yosys does not make one.
`default_nettype none

module gw_copies #(
    parameter N = 4
) (
    input  wire         clk,
    input  wire         ce,
    input  wire         d,
    output wire [N-1:0] q
);
    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : g_copy
            TRELLIS_FF #(
                .GSR("DISABLED"), .CEMUX("CE"), .CLKMUX("CLK"), .LSRMUX("LSR"), .REGSET("RESET"),
                .SRMODE("LSR_OVER_CE")
            ) copy (.CLK(clk), .CE(ce), .LSR(1'b0), .DI(d), .Q(q[i]));
        end
    endgenerate
endmodule

`default_nettype wire
