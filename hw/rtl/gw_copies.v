// q holds d in a register for each of N users, where one net to all of them would be slow.
//
// Tools make one register of equal ones; rtl/ecp5 has cells that Yosys leaves alone.
`default_nettype none

module gw_copies #(
    parameter N = 4              // registers
) (
    input  wire         clk,
    input  wire         ce,
    input  wire         d,
    output wire [N-1:0] q
);
    reg [N-1:0] q_q;
    always @(posedge clk) if (ce) q_q <= {N{d}};
    assign q = q_q;
endmodule

`default_nettype wire
