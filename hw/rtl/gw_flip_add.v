// sum = (a or ~a) + (b or ~b) + carry: the first level of a sum of absolute values, of which each term is
// complemented as its own bit says.
//
// rtl/ecp5 has it in one LUT for each bit under a carry chain, where the complements cost nothing.
`default_nettype none

module gw_flip_add #(
    parameter BITS = 8           // bits of a term
) (
    input  wire [BITS-1:0] a,
    input  wire            flip_a,
    input  wire [BITS-1:0] b,
    input  wire            flip_b,
    input  wire            carry,
    output wire [BITS:0]   sum
);
    wire [BITS-1:0] a_i = a ^ {BITS{flip_a}};
    wire [BITS-1:0] b_i = b ^ {BITS{flip_b}};
    // One more adder bit below the lowest makes the carry; every tool maps that well.
    wire [BITS+1:0] total = {1'b0, a_i, 1'b1} + {1'b0, b_i, carry};
    wire            unused = total[0];
    assign sum = total[BITS+1:1];
endmodule

`default_nettype wire
