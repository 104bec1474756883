// gw_matrix_vector with its weights in a memory outside of it, which other units may share.
`default_nettype none

module gw_matrix_vector_fed #(
    parameter MW        = 4,     // columns: elements of a vector in
    parameter MH        = 4,     // rows: elements of a vector out
    parameter PE        = 2,     // rows at once; divides MH
    parameter SIMD      = 2,     // columns at once; divides MW
    parameter X_BITS    = 4,     // bits of an element in
    parameter X_SIGNED  = 0,     // 1: x is two's complement
    parameter W_BITS    = 4,     // bits of a weight
    parameter LANE      = 1,     // see there
    parameter ACC_BITS  = 16,    // bits of a sum
    parameter ROM_STYLE = 0,     // biases: 2 LUTs, else the tool chooses
    parameter HAS_BIAS  = 0,     // 0: no bias, and BIAS is not read
    parameter GROUPS    = 1,     // matrices, one after the other
    parameter TOP_BIT   = 0,     // 1: one bit of each sum leaves, see there
    parameter BIAS      = ""     // $readmemh file, GROUPS*MH/PE words of PE*ACC_BITS bits
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [SIMD*X_BITS-1:0]  s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*(TOP_BIT != 0 ? 1 : ACC_BITS)-1:0] m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready,
    output wire                    rom_ce,           // the ROM moves with it: a word comes 2 enabled clocks
                                                     // after its address, an only one at once
    output wire [(MW / SIMD * (MH / PE) * GROUPS > 1 ? $clog2(MW / SIMD * (MH / PE) * GROUPS) : 1)-1:0]
                                   weights_addr,
    input  wire [PE*SIMD*W_BITS-1:0] weights_data    // WEIGHTS word of that address
);
    localparam SLOTS = MW / SIMD;
    localparam FOLDS = MH / PE;
    localparam SLOT_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1;
    localparam WORDS = SLOTS * FOLDS * GROUPS;
    localparam ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

    // Clocks from a beat in to: operands at the lanes; the lanes' sum at the accumulator.
    localparam OPERANDS = LANE == 1 ? 4 : 3;
    localparam LANE_CLOCKS = LANE == 3 ? 1 + $clog2((SIMD + 3) / 4)
                           : LANE == 5 ? 3 + $clog2((SIMD + 17) / 18)
                           : LANE == 8 || LANE == 9 ? (LANE == 9 ? (W_BITS + 1) / 2 + 1 : 2) + (SIMD > 2 ? 1 : 0) + (SIMD > 6 ? 1 : 0) + (SIMD > 18 ? 1 : 0)
                               + (SIMD > 54 ? 1 : 0) + (SIMD > 162 ? 1 : 0) + (SIMD > 486 ? 1 : 0)
                               + (SIMD > 1458 ? 1 : 0)
                           : 1 + $clog2(SIMD) + (LANE == 1 ? (W_BITS + 1) / 2 - 1 : 0);
    localparam SUMS = OPERANDS + LANE_CLOCKS;

    // Bits that hold every distance of x and a weight.
    localparam D_BITS = X_BITS > W_BITS ? X_BITS : W_BITS;

    // The lanes' sum, and whether a carry comes with it.
    localparam SUM_BITS = LANE == 2 ? X_BITS + (X_SIGNED != 0 ? 0 : 1) + $clog2(SIMD)
                        : LANE == 3 ? 3 + $clog2((SIMD + 3) / 4)
                        : LANE == 5 ? 5 + $clog2((SIMD + 17) / 18)
                        : LANE == 4 ? W_BITS + $clog2(SIMD)
                        : LANE == 7 || LANE == 8 ? D_BITS + 1 + $clog2(SIMD)
                        : LANE == 9 ? X_BITS + 2 * ((W_BITS + 1) / 2) + $clog2(SIMD)
                        : X_BITS + W_BITS + $clog2(SIMD);

    localparam COUNTS = LANE == 3 || LANE == 5;      // the lanes count equal bits
    localparam HAS_CARRY = LANE == 2 || LANE == 4 || LANE == 6 || LANE == 7 || (LANE == 1 && W_BITS <= 2);

    initial begin
        if (MW % SIMD != 0) $display("gw_matrix_vector: SIMD must divide MW");
        if (MH % PE != 0) $display("gw_matrix_vector: PE must divide MH");
        if (LANE < 0 || LANE > 9) $display("gw_matrix_vector: LANE must be 0 to 9");
        if (LANE == 6 && PE % 2 != 0) $display("gw_matrix_vector: PE must be even for LANE 6");
    end

    // Sequence: slot by slot, row by row. ------------------------------------------------------------
    wire                 ce;
    wire                 fill;                       // the first rows: the vector comes in
    wire                 step;
    wire                 first;                      // of the beats of a sum
    wire                 last;
    wire                 matrices_last;
    wire                 vector_last;
    wire [SLOT_BITS-1:0] slot;
    wire [ADDR_BITS-1:0] addr;

    assign ce = m_tready || !m_tvalid;
    assign s_tready = ce && fill;
    assign step = !fill || s_tvalid;
    assign first = slot == {SLOT_BITS{1'b0}};

    gw_counter #(.COUNT(SLOTS)) slot_counter (
        .clk(clk), .rst(rst), .step(ce && step), .value(slot), .last(last));
    gw_counter #(.COUNT(WORDS)) addr_counter (
        .clk(clk), .rst(rst), .step(ce && step), .value(addr), .last(matrices_last));

    generate
        if (GROUPS == 1 || FOLDS == 1) begin : g_one_matrix
            assign vector_last = matrices_last;
        end else begin : g_matrices
            wire [$clog2(FOLDS)-1:0] unused_fold;
            wire                     last_fold;
            wire                     unused = matrices_last;
            gw_counter #(.COUNT(FOLDS)) fold_counter (
                .clk(clk), .rst(rst), .step(ce && step && last), .value(unused_fold), .last(last_fold));
            assign vector_last = last && last_fold;
        end
        if (FOLDS > 1) begin : g_fill
            reg fill_q;
            always @(posedge clk) begin
                if (rst) fill_q <= 1'b1;
                else if (ce && step && last) fill_q <= vector_last;
            end
            assign fill = fill_q;
        end else begin : g_always_fill
            assign fill = 1'b1;
            wire unused = vector_last;
        end
    endgenerate

    // Flags that travel with a beat: bit k is seen k+1 clocks after it.
    reg [SUMS-1:0] valid_q;
    reg [SUMS-2:0] first_q;
    reg [SUMS-1:0] last_q;
    reg            m_tvalid_q;
    assign m_tvalid = m_tvalid_q;
    always @(posedge clk) begin
        if (rst) begin
            valid_q <= {SUMS{1'b0}};
            m_tvalid_q <= 1'b0;
        end else if (ce) begin
            valid_q <= {valid_q[SUMS-2:0], step};
            m_tvalid_q <= valid_q[SUMS-1] && last_q[SUMS-1];
        end
        if (ce) begin
            first_q <= {first_q[SUMS-3:0], first};
            last_q <= {last_q[SUMS-2:0], last};
        end
    end

    // Operands. ----------------------------------------------------------------------------------------
    wire [SIMD*X_BITS-1:0]    x_buffered;            // after 3 clocks
    wire [SIMD*X_BITS-1:0]    x;                     // after OPERANDS clocks
    wire [PE*SIMD*W_BITS-1:0] w = weights_data;

    gw_lane_buffer #(.BITS(SIMD*X_BITS), .DEPTH(SLOTS), .FOLDS(FOLDS)) buffer (
        .clk(clk), .ce(ce), .step(step), .fill(fill), .slot(slot), .d(s_tdata), .q(x_buffered));
    gw_delay #(.BITS(SIMD*X_BITS), .CLOCKS(OPERANDS - 3)) x_delay (
        .clk(clk), .ce(ce), .a(x_buffered), .y(x));

    assign rom_ce = ce;
    gw_delay #(.BITS(ADDR_BITS), .CLOCKS(OPERANDS - 2)) addr_delay (
        .clk(clk), .ce(ce), .a(addr), .y(weights_addr));

    // Lanes: PE dot products of SIMD elements. -----------------------------------------------------------
    wire [PE*SUM_BITS-1:0] sum;
    wire [PE-1:0]          carry;

    genvar i;
    generate
        if (LANE == 1) begin : g_digit
            // 3x of every element, once for all rows.
            reg [SIMD*(X_BITS+2)-1:0] x3_q;
            for (i = 0; i < SIMD; i = i + 1) begin : g_triple
                wire [X_BITS+1:0] once;
                gw_extend #(.FROM(X_BITS), .TO(X_BITS + 2), .SIGNED(X_SIGNED)) extend (
                    .a(x_buffered[i*X_BITS +: X_BITS]), .y(once));
                always @(posedge clk) begin
                    if (ce) x3_q[i*(X_BITS+2) +: X_BITS+2] <= once + {once[X_BITS:0], 1'b0};
                end
            end
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_digit #(.SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)) dot (
                    .clk(clk), .ce(ce), .x(x), .x3(x3_q), .w(w[i*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]), .carry(carry[i]));
            end
        end else if (LANE == 2) begin : g_sign_w
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_sign #(.SIMD(SIMD), .V_BITS(X_BITS), .V_SIGNED(X_SIGNED)) dot (
                    .clk(clk), .ce(ce), .v(x), .s(w[i*SIMD +: SIMD]),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]), .carry(carry[i]));
            end
        end else if (LANE == 3) begin : g_xnor
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_xnor #(.SIMD(SIMD)) dot (
                    .clk(clk), .ce(ce), .x(x), .w(w[i*SIMD +: SIMD]), .count(sum[i*SUM_BITS +: SUM_BITS]));
                assign carry[i] = 1'b0;
            end
        end else if (LANE == 5) begin : g_xnor6
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_xnor6 #(.SIMD(SIMD)) dot (
                    .clk(clk), .ce(ce), .x(x), .w(w[i*SIMD +: SIMD]), .count(sum[i*SUM_BITS +: SUM_BITS]));
                assign carry[i] = 1'b0;
            end
        end else if (LANE == 4) begin : g_sign_x
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_sign #(.SIMD(SIMD), .V_BITS(W_BITS), .V_SIGNED(1)) dot (
                    .clk(clk), .ce(ce), .v(w[i*SIMD*W_BITS +: SIMD*W_BITS]), .s(x),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]), .carry(carry[i]));
            end
        end else if (LANE == 6) begin : g_pair
            for (i = 0; i < PE; i = i + 2) begin : g_rows
                gw_lane_pair #(.SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)) dots (
                    .clk(clk), .ce(ce), .x(x),
                    .w0(w[i*SIMD*W_BITS +: SIMD*W_BITS]), .w1(w[(i+1)*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum0(sum[i*SUM_BITS +: SUM_BITS]), .sum1(sum[(i+1)*SUM_BITS +: SUM_BITS]),
                    .carry1(carry[i+1]));
                assign carry[i] = 1'b0;
            end
        end else if (LANE == 7) begin : g_adder
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_adder #(
                    .SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .W_SIGNED(X_SIGNED)
                ) distance (
                    .clk(clk), .ce(ce), .x(x), .w(w[i*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]), .carry(carry[i]));
            end
        end else if (LANE == 8) begin : g_minimum
            // Minus the sum of x, once for all rows.
            wire [SIMD*D_BITS-1:0] x_all;
            wire [SUM_BITS-1:0]    less;
            gw_ordered #(.N(SIMD), .FROM(X_BITS), .TO(D_BITS), .SIGNED(X_SIGNED)) ordered (.a(x), .y(x_all));
            gw_minus_sum #(.SIMD(SIMD), .BITS(D_BITS)) minus_sum (
                .clk(clk), .ce(ce), .x(x_all), .less(less));
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_minimum #(.SIMD(SIMD), .BITS(D_BITS), .W_BITS(W_BITS), .W_SIGNED(X_SIGNED)) distance (
                    .clk(clk), .ce(ce), .x(x_all), .w(w[i*SIMD*W_BITS +: SIMD*W_BITS]), .less(less),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]));
                assign carry[i] = 1'b0;
            end
        end else if (LANE == 9) begin : g_booth
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_booth #(.SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)) dot (
                    .clk(clk), .ce(ce), .x(x), .w(w[i*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]));
                assign carry[i] = 1'b0;
            end
        end else begin : g_multiply
            for (i = 0; i < PE; i = i + 1) begin : g_row
                gw_lane_multiply #(.SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS)) dot (
                    .clk(clk), .ce(ce), .x(x), .w(w[i*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[i*SUM_BITS +: SUM_BITS]));
                assign carry[i] = 1'b0;
            end
        end
    endgenerate

    // Sums over slots. ------------------------------------------------------------------------------------
    // Lanes 3 and 5 count equal bits p and want 2p - MW, but a limit for p is as good as one for that.
    localparam DOUBLE = COUNTS && TOP_BIT == 0;
    localparam LEAD = DOUBLE ? 3 : 2;

    gw_accumulator #(
        .PE(PE),
        .SUM_BITS(SUM_BITS),
        .SIGNED(COUNTS || LANE == 9 ? 0 : 1),
        .DOUBLE(DOUBLE ? 1 : 0),
        .CARRY(LANE == 6 ? 2 : HAS_CARRY ? 1 : 0),
        .ACC_BITS(ACC_BITS),
        .ONCE(SLOTS == 1 ? 1 : 0),
        .OFFSET(DOUBLE ? -MW : 0),
        .HAS_BIAS(HAS_BIAS),
        .BIAS_WORDS(FOLDS * GROUPS),
        .ROM_STYLE(ROM_STYLE == 1 ? 0 : ROM_STYLE),
        .TOP_BIT(TOP_BIT),
        .BIAS(BIAS)
    ) sums (
        .clk(clk),
        .rst(rst),
        .ce(ce),
        .soon(valid_q[SUMS-1-LEAD] && first_q[SUMS-1-LEAD]),
        .valid(valid_q[SUMS-1]),
        .next_first(first_q[SUMS-2]),
        .sum(sum),
        .carry(carry),
        .data(m_tdata)
    );
endmodule

`default_nettype wire
