// sum + carry = -sum_i |x[i] - w[i]|, a product's place in an adder network: no multiplication.
//
// With p = x - w, a term is p where p is negative, else ~p + 1. The complements are part of the tree's first
// adders, and the ones fill carry inputs; the last of them is left to the caller's accumulator.
// No term but for its one is positive, nor is any sum of them: their highest bits, all 1, are in no adder.
//
// Latency 1 + $clog2(SIMD) clocks; a new beat every clock.
`default_nettype none

module gw_lane_adder #(
    parameter SIMD     = 4,      // terms
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 0,      // 1: x is two's complement
    parameter W_BITS   = 8,      // bits of w
    parameter W_SIGNED = 0,      // 1: w is two's complement
    // Bits of either as the other one's equal: D bits hold every |x - w|. Leave as it is.
    parameter D = X_SIGNED == W_SIGNED ? (X_BITS > W_BITS ? X_BITS : W_BITS)
                : X_SIGNED != 0 ? (X_BITS > W_BITS ? X_BITS : W_BITS + 1)
                : (W_BITS > X_BITS ? W_BITS : X_BITS + 1)
) (
    input  wire                      clk,
    input  wire                      ce,
    input  wire [SIMD*X_BITS-1:0]    x,
    input  wire [SIMD*W_BITS-1:0]    w,
    output wire [D+$clog2(SIMD):0]   sum,       // two's complement, its highest bit is 1
    output wire                      carry
);
    localparam PAIRS = SIMD / 2;
    localparam REST = SIMD - PAIRS;             // terms behind the first adders
    localparam [0:0] SIGNED = X_SIGNED != 0 || W_SIGNED != 0;

    wire [SIMD*D-1:0] p;                        // x - w without its sign
    wire [SIMD-1:0]   flip;                     // it is not negative

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            wire [D-1:0] x_i;
            wire [D-1:0] w_i;
            wire [D-1:0] top = {{(D-1){1'b0}}, SIGNED} << (D - 1);
            reg  [D:0]   p_q;
            gw_extend #(.FROM(X_BITS), .TO(D), .SIGNED(X_SIGNED)) extend_x (
                .a(x[i*X_BITS +: X_BITS]), .y(x_i));
            gw_extend #(.FROM(W_BITS), .TO(D), .SIGNED(W_SIGNED)) extend_w (
                .a(w[i*W_BITS +: W_BITS]), .y(w_i));
            // Inverted highest bits make an order of unsigned numbers of that of signed ones.
            always @(posedge clk) begin
                if (ce) p_q <= {1'b1, x_i ^ top} - {1'b0, w_i ^ top};
            end
            assign p[i*D +: D] = p_q[D-1:0];
            assign flip[i] = p_q[D];
        end

        if (SIMD == 1) begin : g_one
            assign sum = {1'b1, p ^ {D{flip}}};
            assign carry = flip;
        end else begin : g_tree
            wire [REST*(D+1)-1:0] first_d;
            reg  [REST*(D+1)-1:0] first_q;
            reg  [REST-1:0]       ones_q;
            for (i = 0; i < PAIRS; i = i + 1) begin : g_pair
                gw_flip_add #(.BITS(D)) add (
                    .a(p[2*i*D +: D]), .flip_a(flip[2*i]), .b(p[(2*i+1)*D +: D]), .flip_b(flip[2*i+1]),
                    .carry(flip[2*i]), .sum(first_d[i*(D+1) +: D+1]));
                always @(posedge clk) if (ce) ones_q[i] <= flip[2*i+1];
            end
            if (REST > PAIRS) begin : g_odd
                assign first_d[PAIRS*(D+1) +: D+1] = {1'b1, p[(SIMD-1)*D +: D] ^ {D{flip[SIMD-1]}}};
                always @(posedge clk) if (ce) ones_q[PAIRS] <= flip[SIMD-1];
            end
            always @(posedge clk) if (ce) first_q <= first_d;

            gw_adder_tree #(.N(REST), .BITS(D + 1), .SIGNED(2), .CARRY(1)) tree (
                .clk(clk),
                .ce(ce),
                .terms(first_q),
                .carries(ones_q),
                .sum(sum[D+$clog2(SIMD)-1:0]),
                .carry_out(carry)
            );
            assign sum[D+$clog2(SIMD)] = 1'b1;
        end
    endgenerate
endmodule

`default_nettype wire
