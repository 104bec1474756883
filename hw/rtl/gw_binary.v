// Adds or multiplies two streams: with a' = A_FACTOR*a + A_OFFSET and b' alike,
//   y = a' + b' (OP 0)   or   y = a' * b' (OP 1),   modulo 2**OUT_BITS.
//
//   One piece of work: one beat of each input, PE elements.
//   Interval: 1 clock.
//   Latency: 2 clocks, or 3 unless both factors are 1 and both offsets 0.
//
// Input 0 is a, in the low bits of s_tdata; input 1 is b. Each has a register of its own, so neither's ready
// depends on a valid. Where OP is 0, A_TERM and B_TERM may be as few as OUT_BITS, since sums are modular.
`default_nettype none

module gw_binary #(
    parameter OP       = 0,      // 0 sum, 1 product
    parameter PE       = 2,      // elements at once
    parameter A_BITS   = 8,      // bits of an element of a
    parameter A_SIGNED = 1,      // 1: a is two's complement
    parameter A_FACTOR = 1,      // 32 bits, two's complement
    parameter A_OFFSET = 0,      // likewise
    parameter A_TERM   = 9,      // bits of a', two's complement
    parameter B_BITS   = 8,      // the same of b
    parameter B_SIGNED = 1,
    parameter B_FACTOR = 1,
    parameter B_OFFSET = 0,
    parameter B_TERM   = 9,
    parameter OUT_BITS = 10      // bits of an element of y
) (
    input  wire                          clk,
    input  wire                          rst,
    input  wire [PE*(A_BITS+B_BITS)-1:0] s_tdata,
    input  wire [1:0]                    s_tvalid,
    output wire [1:0]                    s_tready,
    output wire [PE*OUT_BITS-1:0]        m_tdata,
    output wire                          m_tvalid,
    input  wire                          m_tready
);
    localparam PLAIN = A_FACTOR == 1 && B_FACTOR == 1 && A_OFFSET == 0 && B_OFFSET == 0;

    reg  [PE*A_BITS-1:0]   a_q;
    reg  [PE*B_BITS-1:0]   b_q;
    reg  [1:0]             full_q;       // a_q, b_q hold an operand
    reg  [PE*OUT_BITS-1:0] y_q;
    reg                    y_valid_q;
    wire [PE*A_TERM-1:0]   a_term;
    wire [PE*B_TERM-1:0]   b_term;
    wire                   term_valid;
    wire [PE*OUT_BITS-1:0] y_d;

    wire ce   = m_tready || !y_valid_q;
    wire both = full_q == 2'b11;

    assign s_tready = ~full_q | {2{ce && both}};
    assign m_tdata = y_q;
    assign m_tvalid = y_valid_q;

    initial if (OP != 0 && OP != 1) $display("gw_binary: OP must be 0 or 1, not %0d", OP);

    always @(posedge clk) begin
        if (s_tready[0]) a_q <= s_tdata[PE*A_BITS-1:0];
        if (s_tready[1]) b_q <= s_tdata[PE*A_BITS +: PE*B_BITS];
        if (ce) y_q <= y_d;
        if (rst) begin
            full_q <= 2'b00;
            y_valid_q <= 1'b0;
        end else begin
            full_q <= (s_tready & s_tvalid) | (~s_tready & full_q);
            if (ce) y_valid_q <= term_valid;
        end
    end

    genvar l;
    generate
        if (PLAIN) begin : g_same_clock
            assign term_valid = both;
        end else begin : g_term_clock
            reg both_q;
            assign term_valid = both_q;
            always @(posedge clk) begin
                if (rst) both_q <= 1'b0;
                else if (ce) both_q <= both;
            end
        end

        for (l = 0; l < PE; l = l + 1) begin : g_lane
            wire [A_TERM-1:0] a;
            wire [B_TERM-1:0] b;

            gw_constant_multiply #(
                .X_BITS(A_BITS), .X_SIGNED(A_SIGNED), .OUT_BITS(A_TERM), .FACTOR(A_FACTOR), .OFFSET(A_OFFSET)
            ) scale_a (.x(a_q[l*A_BITS +: A_BITS]), .y(a));
            gw_constant_multiply #(
                .X_BITS(B_BITS), .X_SIGNED(B_SIGNED), .OUT_BITS(B_TERM), .FACTOR(B_FACTOR), .OFFSET(B_OFFSET)
            ) scale_b (.x(b_q[l*B_BITS +: B_BITS]), .y(b));
            gw_delay #(.BITS(A_TERM), .CLOCKS(PLAIN ? 0 : 1)) a_delay (
                .clk(clk), .ce(ce), .a(a), .y(a_term[l*A_TERM +: A_TERM]));
            gw_delay #(.BITS(B_TERM), .CLOCKS(PLAIN ? 0 : 1)) b_delay (
                .clk(clk), .ce(ce), .a(b), .y(b_term[l*B_TERM +: B_TERM]));

            if (OP == 1) begin : g_product
                wire [A_TERM+B_TERM-1:0] product =
                    $signed(a_term[l*A_TERM +: A_TERM]) * $signed(b_term[l*B_TERM +: B_TERM]);
                gw_extend #(.FROM(A_TERM + B_TERM), .TO(OUT_BITS), .SIGNED(1)) extend_product (
                    .a(product), .y(y_d[l*OUT_BITS +: OUT_BITS]));
            end else begin : g_sum
                wire [OUT_BITS-1:0] a_wide;
                wire [OUT_BITS-1:0] b_wide;
                gw_extend #(.FROM(A_TERM), .TO(OUT_BITS), .SIGNED(1)) extend_a (
                    .a(a_term[l*A_TERM +: A_TERM]), .y(a_wide));
                gw_extend #(.FROM(B_TERM), .TO(OUT_BITS), .SIGNED(1)) extend_b (
                    .a(b_term[l*B_TERM +: B_TERM]), .y(b_wide));
                assign y_d[l*OUT_BITS +: OUT_BITS] = a_wide + b_wide;
            end
        end
    endgenerate
endmodule

`default_nettype wire
