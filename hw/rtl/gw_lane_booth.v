// sum = sum_i (w[i]*x[i] + 2**(P-1)), P = X_BITS + 2*ceil(W_BITS/2), in LUTs of six inputs: never a DSP block.
//
// A product is a row for each digit of two bits of the weight; a row picks -2 to 2 times x and adds the rows
// below it in the same LUTs. What is added to each product makes it unsigned, so that three of them share an
// adder.
//
// Latency: one for each digit, 1, and that of gw_tree_three; a new beat every clock.
`default_nettype none

module gw_lane_booth #(
    parameter SIMD     = 4,      // products
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 0,      // 1: x is two's complement
    parameter W_BITS   = 8       // bits of w, two's complement
) (
    input  wire                                                 clk,
    input  wire                                                 ce,
    input  wire [SIMD*X_BITS-1:0]                               x,
    input  wire [SIMD*W_BITS-1:0]                               w,
    output wire [X_BITS+2*((W_BITS+1)/2)+$clog2(SIMD)-1:0]      sum
);
    localparam DIGITS = (W_BITS + 1) / 2;
    localparam P_BITS = X_BITS + 2 * DIGITS;
    localparam LEVELS = (SIMD > 2 ? 1 : 0) + (SIMD > 6 ? 1 : 0) + (SIMD > 18 ? 1 : 0) + (SIMD > 54 ? 1 : 0)
                      + (SIMD > 162 ? 1 : 0) + (SIMD > 486 ? 1 : 0) + (SIMD > 1458 ? 1 : 0);
    localparam TERM_BITS = P_BITS + 2 * LEVELS;
    localparam SUM_BITS = P_BITS + $clog2(SIMD);

    wire [SIMD*P_BITS-1:0] products;
    wire [TERM_BITS-1:0]   a;
    wire [TERM_BITS-1:0]   b;
    wire [SUM_BITS-1:0]    a_i;
    wire [SUM_BITS-1:0]    b_i;
    reg  [SUM_BITS-1:0]    sum_q;

    genvar i;
    genvar d;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_lane
            wire [2*DIGITS-1:0]    w_i;
            wire [DIGITS*P_BITS-1:0] rows;               // slot d: digits 0 to d, in the highest bits
            gw_extend #(.FROM(W_BITS), .TO(2 * DIGITS), .SIGNED(1)) extend (
                .a(w[i*W_BITS +: W_BITS]), .y(w_i));
            wire unused = &{1'b0, rows};
            assign products[i*P_BITS +: P_BITS] = rows[(DIGITS-1)*P_BITS +: P_BITS];
            for (d = 0; d < DIGITS; d = d + 1) begin : g_digit
                localparam DONE = 2 * d;                 // bits that are as they stay
                wire [X_BITS-1:0]      x_d;
                wire [2:0]             digit;
                wire [2:0]             digit_d;
                wire [X_BITS-1:0]      below;
                wire [X_BITS+1:0]      next;
                reg  [X_BITS+1+DONE:0] row_q;
                if (d == 0) begin : g_first
                    assign digit = {w_i[1:0], 1'b0};
                    assign below = {X_BITS{1'b0}};
                    always @(posedge clk) if (ce) row_q <= next;
                end else begin : g_more
                    wire [X_BITS+DONE-1:0] last = rows[(d-1)*P_BITS + P_BITS - X_BITS - DONE +: X_BITS + DONE];
                    assign digit = w_i[2*d-1 +: 3];
                    assign below = last[DONE +: X_BITS];
                    always @(posedge clk) if (ce) row_q <= {next, last[DONE-1:0]};
                end
                gw_delay #(.BITS(X_BITS), .CLOCKS(d)) delay_x (
                    .clk(clk), .ce(ce), .a(x[i*X_BITS +: X_BITS]), .y(x_d));
                gw_delay #(.BITS(3), .CLOCKS(d)) delay_digit (
                    .clk(clk), .ce(ce), .a(digit), .y(digit_d));
                gw_booth_add #(
                    .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .FLIP(d == DIGITS - 1 ? 1 : 0)
                ) add (
                    .x(x_d), .high(digit_d[2]), .middle(digit_d[1]), .low(digit_d[0]), .below(below),
                    .sum(next));
                assign rows[d*P_BITS +: P_BITS] = {row_q, {(P_BITS-X_BITS-2-DONE){1'b0}}};
            end
        end
    endgenerate

    gw_tree_three #(.N(SIMD), .BITS(P_BITS)) tree (.clk(clk), .ce(ce), .terms(products), .a(a), .b(b));
    gw_extend #(.FROM(TERM_BITS), .TO(SUM_BITS), .SIGNED(0)) extend_a (.a(a), .y(a_i));
    gw_extend #(.FROM(TERM_BITS), .TO(SUM_BITS), .SIGNED(0)) extend_b (.a(b), .y(b_i));
    always @(posedge clk) if (ce) sum_q <= a_i + b_i;
    assign sum = sum_q;
endmodule

`default_nettype wire
