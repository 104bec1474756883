// Two rows' sums of products with the same x, two products to a multiplication, which may be a DSP block:
//   sum0 = sum_i w0[i]*x[i],   sum1 + carry1 = sum_i (w1[i] + (w0[i] < 0))*x[i].
//
// (w1*2**K + w0)*x with K = X_BITS + W_BITS holds w0*x in its low K bits, as two's complement, and above them
// w1*x, less 1 where w0*x is negative. That borrow is bit K-1: it goes back as a carry of the second tree.
// Adding a negative w0 takes 1 from the weight above it. Weights come with that done, in their memory, so
// that no adder stands before the multiplier.
// One block takes it whose sides are W_BITS + K and X_BITS, or X_BITS + 1 where x is unsigned.
//
// Latency 1 + $clog2(SIMD) clocks; a new beat every clock.
`default_nettype none

module gw_lane_pair #(
    parameter SIMD     = 4,      // products of each row
    parameter X_BITS   = 4,      // bits of x
    parameter X_SIGNED = 1,      // 1: x is two's complement
    parameter W_BITS   = 4       // bits of a weight, two's complement
) (
    input  wire                                    clk,
    input  wire                                    ce,
    input  wire [SIMD*X_BITS-1:0]                  x,
    input  wire [SIMD*W_BITS-1:0]                  w0,
    input  wire [SIMD*W_BITS-1:0]                  w1,      // each less 1 where that of w0 is negative
    output wire [X_BITS+W_BITS+$clog2(SIMD)-1:0]   sum0,
    output wire [X_BITS+W_BITS+$clog2(SIMD)-1:0]   sum1,
    output wire                                    carry1
);
    localparam K = X_BITS + W_BITS;

    reg  [SIMD*K-1:0] low_q;
    reg  [SIMD*K-1:0] high_q;
    wire [SIMD-1:0]   borrow;
    wire              unused;

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            // The operands keep their own widths, or a DSP block would seem too small.
            wire signed [X_BITS:0]       x_i = {(X_SIGNED != 0) & x[i*X_BITS + X_BITS - 1],
                                                x[i*X_BITS +: X_BITS]};
            wire signed [W_BITS+K-1:0]   pair = {w1[i*W_BITS +: W_BITS],
                                                 {X_BITS{w0[i*W_BITS + W_BITS - 1]}},
                                                 w0[i*W_BITS +: W_BITS]};
            wire signed [2*K:0]          product = x_i * pair;
            wire                         unused_top = product[2*K];
            assign borrow[i] = low_q[i*K + K - 1];
            always @(posedge clk) begin
                if (ce) low_q[i*K +: K] <= product[K-1:0];
                if (ce) high_q[i*K +: K] <= product[2*K-1:K];
            end
        end
    endgenerate

    gw_adder_tree #(.N(SIMD), .BITS(K), .SIGNED(1), .CARRY(0)) tree0 (
        .clk(clk),
        .ce(ce),
        .terms(low_q),
        .carries({SIMD{1'b0}}),
        .sum(sum0),
        .carry_out(unused)
    );
    gw_adder_tree #(.N(SIMD), .BITS(K), .SIGNED(1), .CARRY(1)) tree1 (
        .clk(clk),
        .ce(ce),
        .terms(high_q),
        .carries(borrow),
        .sum(sum1),
        .carry_out(carry1)
    );
endmodule

`default_nettype wire
