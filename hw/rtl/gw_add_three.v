// Sum of three unsigned numbers, modulo 2**OUT.
//
// rtl/xilinx has it in one LUT for each bit, under one carry chain.
`default_nettype none

module gw_add_three #(
    parameter BITS = 8,          // bits of a number
    parameter OUT  = 10          // bits of the sum, BITS to BITS + 2
) (
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    input  wire [BITS-1:0] c,
    output wire [OUT-1:0]  sum
);
    wire [BITS+1:0] total = {2'b00, a} + {2'b00, b} + {2'b00, c};
    assign sum = total[OUT-1:0];
    generate
        if (OUT < BITS + 2) begin : g_cut
            wire unused = &{1'b0, total[BITS+1:OUT]};
        end
    endgenerate
endmodule

`default_nettype wire
