// y = m*x + b modulo 2**Y_BITS, with the tool's own multipliers, which may be DSP blocks.
//
// Where x or m is wider than a block's side it is cut in two: an unsigned part of X_LOW (M_LOW) bits, and the rest.
// Each pair of parts has a product and a register of its own, so that no clock has both a multiplier and an
// adder, or two adders.
//
// b comes a clock after x and m. Latency from x 2 clocks, 3 with a cut; a new beat every clock.
`default_nettype none

module gw_multiply_add #(
    parameter X_BITS   = 20,     // bits of x
    parameter X_SIGNED = 1,      // 1: x is two's complement
    parameter X_LOW    = 17,     // bits of x's low part, fewer than X_BITS; 0: x is not cut
    parameter M_BITS   = 24,     // bits of m, two's complement
    parameter M_LOW    = 17,     // bits of m's low part, fewer than M_BITS; 0: m is not cut
    parameter Y_BITS   = 44      // bits of b and y
) (
    input  wire               clk,
    input  wire               ce,
    input  wire [X_BITS-1:0]  x,
    input  wire [M_BITS-1:0]  m,
    input  wire [Y_BITS-1:0]  b,
    output wire [Y_BITS-1:0]  y
);
    localparam X_HIGH = X_BITS - X_LOW;
    localparam M_HIGH = M_BITS - M_LOW;

    // Products of parts, a clock after x and m. ------------------------------------------------------------
    wire [X_HIGH+M_HIGH-1:0] high;
    wire [Y_BITS-1:0]        high_y;
    wire [Y_BITS-1:0]        x_low_y;    // of x's low part and m's high one, not in its place yet; likewise m_low_y
    wire [Y_BITS-1:0]        m_low_y;
    wire [Y_BITS-1:0]        low_y;

    gw_lane_multiply #(.SIMD(1), .X_BITS(X_HIGH), .X_SIGNED(X_SIGNED), .W_BITS(M_HIGH)) multiply_high (
        .clk(clk), .ce(ce), .x(x[X_BITS-1:X_LOW]), .w(m[M_BITS-1:M_LOW]), .sum(high));
    gw_extend #(.FROM(X_HIGH + M_HIGH), .TO(Y_BITS), .SIGNED(1)) extend_high (.a(high), .y(high_y));

    generate
        if (X_LOW > 0) begin : g_x_low
            wire [X_LOW+M_HIGH-1:0] product;
            gw_lane_multiply #(.SIMD(1), .X_BITS(X_LOW), .X_SIGNED(0), .W_BITS(M_HIGH)) multiply (
                .clk(clk), .ce(ce), .x(x[X_LOW-1:0]), .w(m[M_BITS-1:M_LOW]), .sum(product));
            gw_extend #(.FROM(X_LOW + M_HIGH), .TO(Y_BITS), .SIGNED(1)) extend (.a(product), .y(x_low_y));
        end else begin : g_no_x_low
            assign x_low_y = {Y_BITS{1'b0}};
        end
        if (M_LOW > 0) begin : g_m_low
            wire [X_HIGH+M_LOW:0] product;
            gw_lane_multiply #(.SIMD(1), .X_BITS(X_HIGH), .X_SIGNED(X_SIGNED), .W_BITS(M_LOW + 1)) multiply (
                .clk(clk), .ce(ce), .x(x[X_BITS-1:X_LOW]), .w({1'b0, m[M_LOW-1:0]}), .sum(product));
            gw_extend #(.FROM(X_HIGH + M_LOW + 1), .TO(Y_BITS), .SIGNED(1)) extend (.a(product), .y(m_low_y));
        end else begin : g_no_m_low
            assign m_low_y = {Y_BITS{1'b0}};
        end
        if (X_LOW > 0 && M_LOW > 0) begin : g_low
            wire [X_LOW+M_LOW:0] product;
            gw_lane_multiply #(.SIMD(1), .X_BITS(X_LOW), .X_SIGNED(0), .W_BITS(M_LOW + 1)) multiply (
                .clk(clk), .ce(ce), .x(x[X_LOW-1:0]), .w({1'b0, m[M_LOW-1:0]}), .sum(product));
            gw_extend #(.FROM(X_LOW + M_LOW + 1), .TO(Y_BITS), .SIGNED(0)) extend (.a(product), .y(low_y));
        end else begin : g_no_low
            assign low_y = {Y_BITS{1'b0}};
        end
    endgenerate

    // Sums: the highest product and the lowest lie side by side and meet no adder. ----------------------------
    wire [Y_BITS-1:0] ends = (high_y << (X_LOW + M_LOW)) | low_y;
    reg  [Y_BITS-1:0] sum_q;

    always @(posedge clk) if (ce) sum_q <= b + ends;
    generate
        if (X_LOW > 0 || M_LOW > 0) begin : g_cross
            reg [Y_BITS-1:0] cross_q;
            reg [Y_BITS-1:0] y_q;
            always @(posedge clk) if (ce) begin
                cross_q <= (x_low_y << M_LOW) + (m_low_y << X_LOW);
                y_q <= sum_q + cross_q;
            end
            assign y = y_q;
        end else begin : g_whole
            wire unused = &{1'b0, x_low_y, m_low_y};
            assign y = sum_q;
        end
    endgenerate
endmodule

`default_nettype wire
