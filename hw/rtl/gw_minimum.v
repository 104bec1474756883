// The smaller of two unsigned numbers, or either of two equal ones.
//
// rtl/xilinx has it in a LUT of two outputs for each bit.
`default_nettype none

module gw_minimum #(
    parameter BITS = 8
) (
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    output wire [BITS-1:0] y
);
    assign y = a < b ? a : b;
endmodule

`default_nettype wire
