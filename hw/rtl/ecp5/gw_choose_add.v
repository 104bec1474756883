// gw_choose_add in CCU2C cells, of which each half chooses and adds a bit: the carry, if any, and BITS bits.
`default_nettype none

module gw_choose_add #(
    parameter BITS  = 8,
    parameter CARRY = 1
) (
    input  wire            choose,
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    input  wire [BITS-1:0] c,
    input  wire            carry,
    output wire [BITS-1:0] sum
);
    localparam FIRST = CARRY != 0 ? 1 : 0;           // the half with the sum's lowest bit
    localparam CELLS = (FIRST + BITS + 1) / 2;

    // Operand bits of each half: the carry in is made of two equal bits.
    wire [2*CELLS-1:0] a_all;
    wire [2*CELLS-1:0] b_all;
    wire [2*CELLS-1:0] c_all;
    wire [2*CELLS-1:0] chooses;
    wire [2*CELLS-1:0] total;
    wire [CELLS:0]     chain;
    assign chain[0] = 1'b0;
    assign a_all[FIRST +: BITS] = a;
    assign b_all[FIRST +: BITS] = b;
    assign c_all[FIRST +: BITS] = c;
    assign chooses[FIRST +: BITS] = {BITS{choose}};
    assign sum = total[FIRST +: BITS];

    genvar i;
    generate
        if (CARRY != 0) begin : g_carry
            assign {a_all[0], b_all[0], c_all[0], chooses[0]} = {carry, 1'b0, carry, 1'b1};
        end
        if (2 * CELLS > FIRST + BITS) begin : g_spare
            assign {a_all[2*CELLS-1], b_all[2*CELLS-1], c_all[2*CELLS-1], chooses[2*CELLS-1]} = 4'b0000;
        end
        for (i = 0; i < CELLS; i = i + 1) begin : g_cell
            // A ^ (B ? C : D) ^ carry. Where that without its carry is 0, A is the carry out, and the cell makes
            // A of A and B alone, by the four lowest bits of the INIT.
            CCU2C #(
                .INIT0(16'h596A), .INIT1(16'h596A), .INJECT1_0("NO"), .INJECT1_1("NO")
            ) bits (
                .CIN(chain[i]), .COUT(chain[i+1]),
                .A0(c_all[2*i]), .B0(chooses[2*i]), .C0(a_all[2*i]), .D0(b_all[2*i]), .S0(total[2*i]),
                .A1(c_all[2*i+1]), .B1(chooses[2*i+1]), .C1(a_all[2*i+1]), .D1(b_all[2*i+1]),
                .S1(total[2*i+1]));
        end
    endgenerate
endmodule

`default_nettype wire
