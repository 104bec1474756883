// sum = 2 * sum_i min(x[i], w[i]) + less, where w are codes of gw_ordered's numbers. As |x - w| = x + w - 2 * min(x, w), this is
// -sum_i |x[i] - w[i]| where less holds -sum_i (x[i] + w[i]): the x are summed once for all rows, the weights
// beforehand. For LUTs of six inputs: what is left of a term is plain and unsigned, three to an adder.
//
// Latency 2 + that of gw_tree_three, and less comes a clock before sum; a new beat every clock.
`default_nettype none

module gw_lane_minimum #(
    parameter SIMD     = 4,      // terms
    parameter BITS     = 8,      // bits of x
    parameter W_BITS   = 8,      // bits of a weight's code, at most as many
    parameter W_SIGNED = 0       // 1: that is two's complement
) (
    input  wire                         clk,
    input  wire                         ce,
    input  wire [SIMD*BITS-1:0]         x,
    input  wire [SIMD*W_BITS-1:0]       w,
    input  wire [BITS+$clog2(SIMD):0]   less,      // two's complement, as is the sum
    output wire [BITS+$clog2(SIMD):0]   sum
);
    localparam LEVELS = (SIMD > 2 ? 1 : 0) + (SIMD > 6 ? 1 : 0) + (SIMD > 18 ? 1 : 0) + (SIMD > 54 ? 1 : 0)
                      + (SIMD > 162 ? 1 : 0) + (SIMD > 486 ? 1 : 0) + (SIMD > 1458 ? 1 : 0);
    localparam TERM_BITS = BITS + 2 * LEVELS;
    localparam HIGH_BITS = BITS + $clog2(SIMD);      // of the sum, above its lowest

    wire [SIMD*BITS-1:0] w_all;
    wire [SIMD*BITS-1:0] term_d;
    reg  [SIMD*BITS-1:0] term_q;
    wire [TERM_BITS-1:0] a;
    wire [TERM_BITS-1:0] b;
    wire [HIGH_BITS-1:0] a_high;
    wire [HIGH_BITS-1:0] b_high;
    wire [HIGH_BITS-1:0] high;
    reg  [HIGH_BITS:0]   sum_q;

    gw_ordered #(.N(SIMD), .FROM(W_BITS), .TO(BITS), .SIGNED(W_SIGNED)) ordered (.a(w), .y(w_all));

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            gw_minimum #(.BITS(BITS)) minimum (
                .a(x[i*BITS +: BITS]), .b(w_all[i*BITS +: BITS]), .y(term_d[i*BITS +: BITS]));
        end
    endgenerate
    always @(posedge clk) if (ce) term_q <= term_d;

    gw_tree_three #(.N(SIMD), .BITS(BITS)) tree (.clk(clk), .ce(ce), .terms(term_q), .a(a), .b(b));
    gw_extend #(.FROM(TERM_BITS), .TO(HIGH_BITS), .SIGNED(0)) extend_a (.a(a), .y(a_high));
    gw_extend #(.FROM(TERM_BITS), .TO(HIGH_BITS), .SIGNED(0)) extend_b (.a(b), .y(b_high));
    gw_add_three #(.BITS(HIGH_BITS), .OUT(HIGH_BITS)) add (
        .a(a_high), .b(b_high), .c(less[HIGH_BITS:1]), .sum(high));
    always @(posedge clk) if (ce) sum_q <= {high, less[0]};
    assign sum = sum_q;
endmodule

`default_nettype wire
