// Depthwise convolution of windows: each channel has K filters of its own.
//
//   acc[c*K + k] = bias[c*K + k] + sum over t of w[t][c*K + k] * x[t][c]  modulo 2**ACC_BITS,
//   t = 0 .. TAPS-1, c = 0 .. C-1, k = 0 .. K-1
//
// One piece of work: one window, TAPS*C/PE beats of PE channels in (all channels
// of tap 0, then of tap 1, ...), C/PE beats of PE*K sums out.
// Interval: TAPS*C/PE clocks; windows follow each other without a bubble.
// Latency: (TAPS-1)*C/PE + 3 + L clocks, where L is the lane's: 1, or (W_BITS+1)/2 for LANE 1.
//
// WEIGHTS word t*(C/PE)+f: for o = 0 .. PE*K-1 the code of w[t][f*PE*K + o] at bit o*W_BITS. BIAS word f: PE*K
// codes of ACC_BITS. Element 0 is in the lowest bits.
//
// LANE: 0 multiply, perhaps in DSP blocks; 1 multiply in LUTs; 2 weights {-1,+1}; 3 both {-1,+1};
// 4 x {-1,+1}. W_BITS is 1 for lanes 2 and 3, X_BITS is 1 for lanes 3 and 4.
`default_nettype none

module gw_depthwise #(
    parameter TAPS      = 9,     // pixels in a window
    parameter C         = 8,     // channels in
    parameter K         = 1,     // filters of a channel
    parameter PE        = 2,     // channels at once; divides C
    parameter X_BITS    = 8,     // bits of an element in
    parameter X_SIGNED  = 0,     // 1: x is two's complement
    parameter W_BITS    = 4,     // bits of a weight
    parameter LANE      = 0,     // see above
    parameter ACC_BITS  = 16,    // bits of an element out
    parameter ROM_STYLE = 0,     // weights: 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter HAS_BIAS  = 0,     // 0: no bias, and BIAS is not read
    parameter WEIGHTS   = "",    // $readmemh file, TAPS*C/PE words of PE*K*W_BITS bits
    parameter BIAS      = ""     // $readmemh file, C/PE words of PE*K*ACC_BITS bits
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire [PE*X_BITS-1:0]      s_tdata,
    input  wire                      s_tvalid,
    output wire                      s_tready,
    output wire [PE*K*ACC_BITS-1:0]  m_tdata,
    output wire                      m_tvalid,
    input  wire                      m_tready
);
    localparam FOLD = C / PE;
    localparam FOLD_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
    localparam TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;
    localparam WORDS = TAPS * FOLD;
    localparam ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam LANES = PE * K;
    // Clocks from a beat in to its products.
    localparam PRODUCTS = 2 + (LANE == 1 ? (W_BITS + 1) / 2 : 1);
    localparam V_BITS = LANE == 4 ? W_BITS : LANE == 3 ? 2 : X_BITS;
    localparam P_BITS = LANE == 4 || LANE == 3 ? V_BITS
                      : LANE == 2 ? X_BITS + (X_SIGNED != 0 ? 0 : 1) : X_BITS + W_BITS;
    localparam HAS_CARRY = LANE >= 2 || (LANE == 1 && W_BITS <= 2);

    initial begin
        if (C % PE != 0) $display("gw_depthwise: PE must divide C");
        if (LANE < 0 || LANE > 4) $display("gw_depthwise: LANE must be 0 to 4");
    end

    wire ce;
    wire step;                                       // the products of a beat are added
    assign ce = m_tready || !m_tvalid;
    assign s_tready = ce;

    // Bit k is high k+1 clocks after a beat.
    reg [PRODUCTS-1:0] valid_q;
    reg                m_tvalid_q;
    assign m_tvalid = m_tvalid_q;
    assign step = ce && valid_q[PRODUCTS-1];

    // Operands, 2 clocks after the beat. -----------------------------------------------------------------
    wire [ADDR_BITS-1:0]     addr;
    wire                     unused_addr;
    wire [PE*X_BITS-1:0]     x_early;
    wire [PE*X_BITS-1:0]     x;
    wire [LANES*W_BITS-1:0]  w;

    gw_counter #(.COUNT(WORDS)) addr_counter (
        .clk(clk), .rst(rst), .step(ce && s_tvalid), .value(addr), .last(unused_addr));
    gw_rom #(.BITS(LANES*W_BITS), .DEPTH(WORDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(WEIGHTS)) weights (
        .clk(clk), .ce(ce), .addr(addr), .data(w));
    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(1)) early_delay (.clk(clk), .ce(ce), .a(s_tdata), .y(x_early));
    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(1)) x_delay (.clk(clk), .ce(ce), .a(x_early), .y(x));

    // Products. --------------------------------------------------------------------------------------------
    wire [LANES*P_BITS-1:0] product;
    wire [LANES-1:0]        carry;

    genvar i;
    genvar k;
    generate
        for (i = 0; i < PE; i = i + 1) begin : g_channel
            wire [X_BITS-1:0] x_i = x[i*X_BITS +: X_BITS];
            wire [X_BITS+1:0] x3;
            if (LANE == 1) begin : g_triple
                wire [X_BITS+1:0] once;
                reg  [X_BITS+1:0] x3_q;
                gw_extend #(.FROM(X_BITS), .TO(X_BITS + 2), .SIGNED(X_SIGNED)) extend (
                    .a(x_early[i*X_BITS +: X_BITS]), .y(once));
                always @(posedge clk) if (ce) x3_q <= once + {once[X_BITS:0], 1'b0};
                assign x3 = x3_q;
            end else begin : g_no_triple
                assign x3 = {(X_BITS + 2){1'b0}};
                wire unused = &{1'b0, x3};
            end
            for (k = 0; k < K; k = k + 1) begin : g_filter
                localparam O = i * K + k;
                wire [W_BITS-1:0] w_o = w[O*W_BITS +: W_BITS];
                if (LANE == 0) begin : g_multiply
                    gw_lane_multiply #(
                        .SIMD(1), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)
                    ) lane (.clk(clk), .ce(ce), .x(x_i), .w(w_o), .sum(product[O*P_BITS +: P_BITS]));
                    assign carry[O] = 1'b0;
                end else if (LANE == 1) begin : g_digit
                    gw_lane_digit #(.SIMD(1), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)) lane (
                        .clk(clk), .ce(ce), .x(x_i), .x3(x3), .w(w_o),
                        .sum(product[O*P_BITS +: P_BITS]), .carry(carry[O]));
                end else begin : g_sign
                    wire [V_BITS-1:0] v;
                    if (LANE == 2) begin : g_of_x
                        assign v = x_i;
                    end else if (LANE == 3) begin : g_of_one
                        assign v = {!x_i[0], 1'b1};
                    end else begin : g_of_w
                        assign v = w_o;
                    end
                    gw_lane_sign #(.SIMD(1), .V_BITS(V_BITS), .V_SIGNED(LANE == 2 ? X_SIGNED : 1)) lane (
                        .clk(clk), .ce(ce), .v(v), .s(LANE == 4 ? x_i[0] : w_o[0]),
                        .sum(product[O*P_BITS +: P_BITS]), .carry(carry[O]));
                end
            end
        end
    endgenerate

    // Start values: the bias, two clocks from its ROM. ------------------------------------------------------
    wire [LANES*ACC_BITS-1:0] start;
    generate
        if (HAS_BIAS != 0) begin : g_bias
            wire [FOLD_BITS-1:0] fold;
            wire                 unused;
            gw_counter #(.COUNT(FOLD)) fold_counter (
                .clk(clk), .rst(rst), .step(ce && valid_q[PRODUCTS-3]), .value(fold), .last(unused));
            gw_rom #(
                .BITS(LANES*ACC_BITS), .DEPTH(FOLD), .STYLE(ROM_STYLE == 1 ? 0 : ROM_STYLE), .OUT_REG(1),
                .FILE(BIAS)
            ) biases (.clk(clk), .ce(ce), .addr(fold), .data(start));
        end else begin : g_no_bias
            assign start = {(LANES*ACC_BITS){1'b0}};
        end
    endgenerate

    // Sums. --------------------------------------------------------------------------------------------------
    reg  [LANES*ACC_BITS-1:0] out_q;
    wire [LANES*ACC_BITS-1:0] partial;
    wire [LANES*ACC_BITS-1:0] sum;
    wire [FOLD_BITS-1:0]      unused_fold;
    wire [TAP_BITS-1:0]       tap;
    wire                      last_fold;
    wire                      last_tap;
    wire                      first_tap = TAPS == 1 || tap == {TAP_BITS{1'b0}};

    assign m_tdata = out_q;
    gw_counter #(.COUNT(FOLD)) sum_fold_counter (
        .clk(clk), .rst(rst), .step(step), .value(unused_fold), .last(last_fold));
    gw_counter #(.COUNT(TAPS)) tap_counter (
        .clk(clk), .rst(rst), .step(step && last_fold), .value(tap), .last(last_tap));

    generate
        if (TAPS == 1) begin : g_no_store
            assign partial = {(LANES*ACC_BITS){1'b0}};
        end else begin : g_store
            gw_turn #(.BITS(LANES*ACC_BITS), .FOLD(FOLD)) partials (
                .clk(clk), .rst(rst), .next(ce && valid_q[PRODUCTS-2]), .step(step), .d(sum), .q(partial));
        end
        for (i = 0; i < LANES; i = i + 1) begin : g_sum
            wire [ACC_BITS-1:0] base = first_tap ? start[i*ACC_BITS +: ACC_BITS]
                                                 : partial[i*ACC_BITS +: ACC_BITS];
            wire [ACC_BITS-1:0] addend;
            gw_extend #(.FROM(P_BITS), .TO(ACC_BITS), .SIGNED(1)) extend (
                .a(product[i*P_BITS +: P_BITS]), .y(addend));
            if (HAS_CARRY) begin : g_carry
                wire [ACC_BITS:0] total = {base, 1'b1} + {addend, carry[i]};
                wire              unused = total[0];
                assign sum[i*ACC_BITS +: ACC_BITS] = total[ACC_BITS:1];
            end else begin : g_plain
                wire unused = carry[i];
                assign sum[i*ACC_BITS +: ACC_BITS] = base + addend;
            end
        end
    endgenerate

    always @(posedge clk) begin
        if (ce) out_q <= sum;
        if (rst) begin
            valid_q <= {PRODUCTS{1'b0}};
            m_tvalid_q <= 1'b0;
        end else if (ce) begin
            valid_q <= {valid_q[PRODUCTS-2:0], s_tvalid};
            m_tvalid_q <= valid_q[PRODUCTS-1] && last_tap;
        end
    end
endmodule

`default_nettype wire
