// gw_flip_add in CCU2C cells, of which each half complements and adds a bit of both terms: the carry, BITS bits,
// and the carry out of them.
`default_nettype none

module gw_flip_add #(
    parameter BITS = 8
) (
    input  wire [BITS-1:0] a,
    input  wire            flip_a,
    input  wire [BITS-1:0] b,
    input  wire            flip_b,
    input  wire            carry,
    output wire [BITS:0]   sum
);
    localparam CELLS = (BITS + 3) / 2;

    // Operand bits of each half: the carry in is made of two equal bits, the carry out is the sum of none.
    wire [2*CELLS-1:0] a_all = {{(2*CELLS-BITS-1){1'b0}}, a, carry};
    wire [2*CELLS-1:0] b_all = {{(2*CELLS-BITS-1){1'b0}}, b, carry};
    wire [2*CELLS-1:0] flips_a = {{(2*CELLS-BITS-1){1'b0}}, {BITS{flip_a}}, 1'b0};
    wire [2*CELLS-1:0] flips_b = {{(2*CELLS-BITS-1){1'b0}}, {BITS{flip_b}}, 1'b0};
    wire [2*CELLS-1:0] total;
    wire [CELLS:0]     chain;
    wire               unused = &{1'b0, total[0], chain[CELLS]};
    assign chain[0] = 1'b0;
    assign sum = total[BITS+1:1];

    genvar i;
    generate
        for (i = 0; i < CELLS; i = i + 1) begin : g_cell
            // A ^ B ^ C ^ D ^ carry; where the four are even, A ^ B is the carry out.
            CCU2C #(
                .INIT0(16'h6996), .INIT1(16'h6996), .INJECT1_0("NO"), .INJECT1_1("NO")
            ) bits (
                .CIN(chain[i]), .COUT(chain[i+1]),
                .A0(a_all[2*i]), .B0(flips_a[2*i]), .C0(b_all[2*i]), .D0(flips_b[2*i]), .S0(total[2*i]),
                .A1(a_all[2*i+1]), .B1(flips_a[2*i+1]), .C1(b_all[2*i+1]), .D1(flips_b[2*i+1]),
                .S1(total[2*i+1]));
        end
        if (2 * CELLS > BITS + 2) begin : g_spare
            wire unused_top = total[2*CELLS-1];
        end
    endgenerate
endmodule

`default_nettype wire
