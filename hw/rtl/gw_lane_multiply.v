// sum = sum_i w[i]*x[i] with the tool's own multipliers, which may be DSP blocks.
//
// Latency 1 + $clog2(SIMD) clocks; a new beat every clock.
`default_nettype none

module gw_lane_multiply #(
    parameter SIMD     = 4,      // products
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 1,      // 1: x is two's complement
    parameter W_BITS   = 8       // bits of w, two's complement
) (
    input  wire                                    clk,
    input  wire                                    ce,
    input  wire [SIMD*X_BITS-1:0]                  x,
    input  wire [SIMD*W_BITS-1:0]                  w,
    output wire [X_BITS+W_BITS+$clog2(SIMD)-1:0]   sum
);
    localparam BITS = X_BITS + W_BITS;

    reg  [SIMD*BITS-1:0] product_q;
    wire                 unused;

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            // The operands keep their own widths, or a DSP block would seem too small.
            wire signed [X_BITS:0]        x_i = {(X_SIGNED != 0) & x[i*X_BITS + X_BITS - 1],
                                                 x[i*X_BITS +: X_BITS]};
            wire signed [W_BITS-1:0]      w_i = w[i*W_BITS +: W_BITS];
            wire signed [X_BITS+W_BITS:0] product = x_i * w_i;
            wire                          unused_top = product[BITS];
            always @(posedge clk) if (ce) product_q[i*BITS +: BITS] <= product[BITS-1:0];
        end
    endgenerate

    gw_adder_tree #(.N(SIMD), .BITS(BITS), .SIGNED(1), .CARRY(0)) tree (
        .clk(clk),
        .ce(ce),
        .terms(product_q),
        .carries({SIMD{1'b0}}),
        .sum(sum),
        .carry_out(unused)
    );
endmodule

`default_nettype wire
