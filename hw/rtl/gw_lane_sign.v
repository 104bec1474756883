// sum + carry = sum_i (s[i] ? v[i] : -v[i]): dot product with {-1,+1}, adders only.
//
// -v = ~v + 1: the complement shares a LUT with nothing else, and the ones fill the tree's carry inputs,
// so that no lane negates in full. The last of them is left to the caller's accumulator.
//
// Latency 1 + $clog2(SIMD) clocks; a new beat every clock.
`default_nettype none

module gw_lane_sign #(
    parameter SIMD     = 4,      // terms
    parameter V_BITS   = 8,      // bits of v
    parameter V_SIGNED = 1       // 1: v is two's complement
) (
    input  wire                                                  clk,
    input  wire                                                  ce,
    input  wire [SIMD*V_BITS-1:0]                                v,
    input  wire [SIMD-1:0]                                       s,
    output wire [V_BITS+(V_SIGNED != 0 ? 0 : 1)+$clog2(SIMD)-1:0] sum,
    output wire                                                  carry
);
    localparam BITS = V_BITS + (V_SIGNED != 0 ? 0 : 1);

    reg [SIMD*BITS-1:0] term_q;
    reg [SIMD-1:0]      minus_q;

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            wire [BITS-1:0] v_i;
            gw_extend #(.FROM(V_BITS), .TO(BITS), .SIGNED(V_SIGNED)) extend (
                .a(v[i*V_BITS +: V_BITS]), .y(v_i));
            always @(posedge clk) if (ce) term_q[i*BITS +: BITS] <= v_i ^ {BITS{~s[i]}};
        end
    endgenerate
    always @(posedge clk) if (ce) minus_q <= ~s;

    gw_adder_tree #(.N(SIMD), .BITS(BITS), .SIGNED(1), .CARRY(1)) tree (
        .clk(clk),
        .ce(ce),
        .terms(term_q),
        .carries(minus_q),
        .sum(sum),
        .carry_out(carry)
    );
endmodule

`default_nettype wire
