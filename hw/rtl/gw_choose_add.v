// sum = (choose ? a : b) + c + carry, modulo 2**BITS: a step of a running sum that may begin anew.
//
// rtl/xilinx and rtl/ecp5 have the choice in the adder's own LUTs.
`default_nettype none

module gw_choose_add #(
    parameter BITS  = 8,         // bits of a number
    parameter CARRY = 1          // 0: carry is 0, and not read
) (
    input  wire            choose,
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    input  wire [BITS-1:0] c,
    input  wire            carry,
    output wire [BITS-1:0] sum
);
    wire [BITS-1:0] base = choose ? a : b;

    generate
        if (CARRY != 0) begin : g_carry
            // One more adder bit below the lowest makes the carry; every tool maps that well.
            wire [BITS:0] total = {c, 1'b1} + {base, carry};
            wire          unused = total[0];
            assign sum = total[BITS:1];
        end else begin : g_plain
            wire unused = carry;
            assign sum = base + c;
        end
    endgenerate
endmodule

`default_nettype wire
