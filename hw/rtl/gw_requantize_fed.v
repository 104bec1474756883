// gw_requantize with factors and offsets in memories outside of it, which other units may share.
`default_nettype none

module gw_requantize_fed #(
    parameter C         = 4,     // channels
    parameter PE        = 2,     // channels at once; divides C
    parameter X_BITS    = 16,    // bits of an element in
    parameter X_SIGNED  = 1,     // 1: x is two's complement
    parameter X_LOW     = 0,     // LANE 0: bits of x's low part, see gw_multiply_add; 0: x is not cut
    parameter M_BITS    = 8,     // bits of a factor, two's complement
    parameter M_LOW     = 0,     // LANE 0: likewise of a factor's
    parameter ACC_BITS  = 24,    // bits of m*x + b, two's complement; more than SHIFT
    parameter SHIFT     = 8,     // places shifted right
    parameter TOP       = 255,   // the largest count, at least 1
    parameter BIAS      = 0,     // y where the count is 0
    parameter OUT_BITS  = 8,     // bits of an element out
    parameter D_BITS    = 0,     // bits of a drop, fewer than ACC_BITS; 0: no knee
    parameter KNEE      = 0,     // the count that the knee is in
    parameter LANE      = 0,     // 0 the tool's multiplier, perhaps a DSP block; 1 multiply in LUTs
    parameter ROM_STYLE = 0,     // 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter DROPS     = ""     // $readmemh file, C/PE words of PE*D_BITS bits; unused without D_BITS
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [PE*X_BITS-1:0]    s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*OUT_BITS-1:0]  m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready,
    output wire                    rom_ce,           // both ROMs move with it: a word comes 2 enabled clocks
                                                     // after its address, at once where C = PE
    output wire [(C > PE ? $clog2(C / PE) : 1)-1:0] factors_addr,
    input  wire [PE*M_BITS-1:0]    factors_data,     // FACTORS word of that address
    output wire [(C > PE ? $clog2(C / PE) : 1)-1:0] offsets_addr,
    input  wire [PE*ACC_BITS-1:0]  offsets_data      // OFFSETS word of that address
);
    localparam FOLDS = C / PE;
    localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;
    localparam LEAD = FOLDS > 1 ? 2 : 1;
    localparam CUT = LANE != 1 && (X_LOW > 0 || M_LOW > 0) ? 1 : 0;
    // Clocks from a beat in to its product, or the parts of it, which its offset then meets; and to their sum.
    localparam PRODUCT = LEAD + (LANE == 1 ? (M_BITS + 1) / 2 : 1);
    localparam SUM = PRODUCT + CUT + 1;
    localparam HAS_KNEE = D_BITS > 0;
    localparam CLOCKS = SUM + 1 + (HAS_KNEE ? 1 : 0);
    localparam K_BITS = $clog2(TOP + 1);
    localparam V_BITS = ACC_BITS - SHIFT > K_BITS + 1 ? ACC_BITS - SHIFT : K_BITS + 2;
    localparam [31:0] KNEE_CODE = KNEE;
    localparam [63:0] MIDDLE = {31'd0, KNEE_CODE, 1'b1} << (SHIFT > 0 ? SHIFT - 1 : 0);
    localparam [31:0] TOP_CODE = TOP;
    localparam [31:0] BIAS_CODE = BIAS;

    initial begin
        if (C % PE != 0) $display("gw_requantize: PE must divide C");
        if (ACC_BITS <= SHIFT) $display("gw_requantize: ACC_BITS must be more than SHIFT");
        if (D_BITS > 0 && SHIFT < 1) $display("gw_requantize: SHIFT must be at least 1 with D_BITS");
        if (TOP < 1) $display("gw_requantize: TOP must be at least 1");
    end

    wire                 ce;
    wire [FOLD_BITS-1:0] fold;
    gw_vector_pipe #(.FOLDS(FOLDS), .CLOCKS(CLOCKS)) pipe (
        .clk(clk), .rst(rst), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tvalid(m_tvalid),
        .m_tready(m_tready), .ce(ce), .fold(fold));

    // Operands, LEAD clocks after the beat; offsets when its product is there. ---------------------------
    wire [FOLD_BITS-1:0]    late_fold;
    wire [PE*X_BITS-1:0]    x_early;
    wire [PE*X_BITS-1:0]    x;
    wire [PE*M_BITS-1:0]    m;
    wire [PE*ACC_BITS-1:0]  b;

    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(LEAD - 1)) early_delay (
        .clk(clk), .ce(ce), .a(s_tdata), .y(x_early));
    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(1)) x_delay (
        .clk(clk), .ce(ce), .a(x_early), .y(x));
    assign rom_ce = ce;
    assign factors_addr = fold;
    assign m = factors_data;
    gw_delay #(.BITS(FOLD_BITS), .CLOCKS(PRODUCT - 2)) fold_delay (
        .clk(clk), .ce(ce), .a(fold), .y(late_fold));
    assign offsets_addr = late_fold;
    assign b = offsets_data;

    localparam DROP_BITS = HAS_KNEE ? D_BITS : 1;
    wire [PE*DROP_BITS-1:0] d;                       // the clock before p is summed
    generate
        if (HAS_KNEE) begin : g_drops
            wire [FOLD_BITS-1:0] drop_fold;
            gw_delay #(.BITS(FOLD_BITS), .CLOCKS(CUT)) drop_delay (
                .clk(clk), .ce(ce), .a(late_fold), .y(drop_fold));
            gw_rom #(.BITS(PE*D_BITS), .DEPTH(FOLDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(DROPS)) drops (
                .clk(clk), .ce(ce), .addr(drop_fold), .data(d));
        end else begin : g_no_drops
            assign d = {PE{1'b0}};
        end
    endgenerate

    genvar l;
    generate
        for (l = 0; l < PE; l = l + 1) begin : g_lane
            wire [ACC_BITS-1:0] offset = b[l*ACC_BITS +: ACC_BITS];
            wire [ACC_BITS-1:0] sum;

            if (LANE == 1) begin : g_digit
                wire [X_BITS+M_BITS-1:0] product;
                wire [ACC_BITS-1:0]      product_acc;
                wire                     carry;
                wire [X_BITS+1:0]        once;
                reg  [X_BITS+1:0]        x3_q;
                reg  [ACC_BITS-1:0]      sum_q;
                gw_extend #(.FROM(X_BITS), .TO(X_BITS + 2), .SIGNED(X_SIGNED)) extend_x (
                    .a(x_early[l*X_BITS +: X_BITS]), .y(once));
                always @(posedge clk) if (ce) x3_q <= once + {once[X_BITS:0], 1'b0};
                gw_lane_digit #(.SIMD(1), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(M_BITS)) multiply (
                    .clk(clk), .ce(ce), .x(x[l*X_BITS +: X_BITS]), .x3(x3_q), .w(m[l*M_BITS +: M_BITS]),
                    .sum(product), .carry(carry));
                gw_extend #(.FROM(X_BITS + M_BITS), .TO(ACC_BITS), .SIGNED(1)) extend_product (
                    .a(product), .y(product_acc));
                if (M_BITS <= 2) begin : g_carry     // of the only digit
                    wire [ACC_BITS:0] total = {offset, 1'b1} + {product_acc, carry};
                    wire              unused = total[0];
                    always @(posedge clk) if (ce) sum_q <= total[ACC_BITS:1];
                end else begin : g_no_carry
                    wire unused = carry;
                    always @(posedge clk) if (ce) sum_q <= offset + product_acc;
                end
                assign sum = sum_q;
            end else begin : g_multiply
                gw_multiply_add #(
                    .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .X_LOW(X_LOW), .M_BITS(M_BITS), .M_LOW(M_LOW),
                    .Y_BITS(ACC_BITS)
                ) multiply (
                    .clk(clk), .ce(ce), .x(x[l*X_BITS +: X_BITS]), .m(m[l*M_BITS +: M_BITS]), .b(offset),
                    .y(sum));
            end

            wire [ACC_BITS-1:0] p;
            if (HAS_KNEE) begin : g_knee
                reg [ACC_BITS-1:0] lowered_q;
                reg [ACC_BITS-1:0] p_q;
                always @(posedge clk) if (ce) begin
                    lowered_q <= MIDDLE[ACC_BITS-1:0]
                               - {{(ACC_BITS-DROP_BITS){1'b0}}, d[l*DROP_BITS +: DROP_BITS]};
                    p_q <= sum + (sum[ACC_BITS-1] ? lowered_q : MIDDLE[ACC_BITS-1:0]);
                end
                assign p = p_q;
            end else begin : g_line
                wire unused_d = d[l*DROP_BITS];
                assign p = sum;
            end

            // Shifted and clamped.
            wire [V_BITS-1:0]   shifted;
            wire                above;
            wire [K_BITS-1:0]   count;
            wire [OUT_BITS-1:0] count_out;
            wire [OUT_BITS-1:0] bias;
            reg  [OUT_BITS-1:0] y_q;
            gw_extend #(.FROM(ACC_BITS - SHIFT), .TO(V_BITS), .SIGNED(1)) extend_shifted (
                .a(p[ACC_BITS-1:SHIFT]), .y(shifted));
            if (SHIFT > 0) begin : g_cut
                wire unused_low = &{1'b0, p[SHIFT-1:0]};
            end
            if (TOP + 1 == 1 << K_BITS) begin : g_power
                assign above = shifted[V_BITS-2:K_BITS] != {(V_BITS - 1 - K_BITS){1'b0}};
            end else begin : g_compare
                assign above = shifted[V_BITS-2:K_BITS] != {(V_BITS - 1 - K_BITS){1'b0}}
                            || shifted[K_BITS-1:0] > TOP_CODE[K_BITS-1:0];
            end
            assign count = shifted[V_BITS-1] ? {K_BITS{1'b0}}
                         : above ? TOP_CODE[K_BITS-1:0] : shifted[K_BITS-1:0];
            gw_extend #(.FROM(K_BITS), .TO(OUT_BITS), .SIGNED(0)) extend_count (
                .a(count), .y(count_out));
            gw_extend #(.FROM(32), .TO(OUT_BITS), .SIGNED(1)) extend_bias (
                .a(BIAS_CODE), .y(bias));
            always @(posedge clk) if (ce) y_q <= bias + count_out;
            assign m_tdata[l*OUT_BITS +: OUT_BITS] = y_q;
        end
    endgenerate
endmodule

`default_nettype wire
