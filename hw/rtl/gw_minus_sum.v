// less = -1 - sum_i x[i], of unsigned numbers.
//
// Latency 1 + that of gw_tree_three; a new beat every clock.
`default_nettype none

module gw_minus_sum #(
    parameter SIMD = 4,          // numbers
    parameter BITS = 8           // bits of one
) (
    input  wire                         clk,
    input  wire                         ce,
    input  wire [SIMD*BITS-1:0]         x,
    output wire [BITS+$clog2(SIMD):0]   less       // two's complement
);
    localparam LEVELS = (SIMD > 2 ? 1 : 0) + (SIMD > 6 ? 1 : 0) + (SIMD > 18 ? 1 : 0) + (SIMD > 54 ? 1 : 0)
                      + (SIMD > 162 ? 1 : 0) + (SIMD > 486 ? 1 : 0) + (SIMD > 1458 ? 1 : 0);
    localparam TERM_BITS = BITS + 2 * LEVELS;
    localparam SUM_BITS = BITS + $clog2(SIMD);

    wire [TERM_BITS-1:0] a;
    wire [TERM_BITS-1:0] b;
    wire [SUM_BITS-1:0]  a_i;
    wire [SUM_BITS-1:0]  b_i;
    reg  [SUM_BITS-1:0]  sum_q;

    gw_tree_three #(.N(SIMD), .BITS(BITS)) tree (.clk(clk), .ce(ce), .terms(x), .a(a), .b(b));
    gw_extend #(.FROM(TERM_BITS), .TO(SUM_BITS), .SIGNED(0)) extend_a (.a(a), .y(a_i));
    gw_extend #(.FROM(TERM_BITS), .TO(SUM_BITS), .SIGNED(0)) extend_b (.a(b), .y(b_i));
    always @(posedge clk) if (ce) sum_q <= a_i + b_i;
    assign less = ~{1'b0, sum_q};
endmodule

`default_nettype wire
