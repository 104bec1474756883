// Product of two matrices that both stream in: y[m][n] = sum_k a[m][k]*b[k][n] modulo 2**ACC_BITS.
//
// Input 0 is A, M rows of K elements, SIMD a beat; input 1 is B, K rows of N elements, PE a beat; PE of a row
// of y leave in a beat. Elements are unsigned (kind 0), two's complement (1), or {-1,+1} in one bit (2).
//
// One piece of work: one pair of matrices, K*N/PE beats of B and M*K/SIMD of A in, M*N/PE out. A whole B comes
// before its A: two halves of a buffer take turns, so that the next B fills one while A meets the other.
// Each row of A is taken in K/SIMD beats and read again for each further PE columns of B.
// Interval: the larger of M*(K/SIMD)*(N/PE) and K*N/PE clocks; the inputs never wait for one another longer
// than that takes.
// Latency, first beat of B in to first beat out: K*N/PE + K/SIMD + 4 + $clog2(SIMD) clocks, and for LANE 1 as
// many more as B has digits of two bits.
//
// LANE: 0 multiply, perhaps in DSP blocks; 1 multiply in LUTs.
`default_nettype none

module gw_matrix_product #(
    parameter M         = 4,     // rows of A
    parameter K         = 4,     // columns of A, rows of B
    parameter N         = 4,     // columns of B
    parameter PE        = 2,     // columns of B at once; divides N
    parameter SIMD      = 2,     // elements of a row of A at once; divides K
    parameter A_BITS    = 4,     // bits of an element of A
    parameter A_KIND    = 1,     // see above
    parameter B_BITS    = 4,     // bits of an element of B
    parameter B_KIND    = 1,     // see above
    parameter LANE      = 1,     // see above
    parameter ACC_BITS  = 16,    // bits of an element out
    parameter RAM_STYLE = 0      // buffer of B: 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input  wire                              clk,
    input  wire                              rst,
    input  wire [PE*B_BITS+SIMD*A_BITS-1:0]  s_tdata,
    input  wire [1:0]                        s_tvalid,
    output wire [1:0]                        s_tready,
    output wire [PE*ACC_BITS-1:0]            m_tdata,
    output wire                              m_tvalid,
    input  wire                              m_tready
);
    localparam SLOTS = K / SIMD;
    localparam FOLDS = N / PE;
    localparam SLOT_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1;
    // Operands as the lanes take them: {-1,+1} in two bits, and all of B in two's complement.
    localparam X_BITS = A_KIND == 2 ? 2 : A_BITS;
    localparam W_BITS = B_KIND == 1 ? B_BITS : B_BITS + 1;
    localparam SUM_BITS = X_BITS + W_BITS + $clog2(SIMD);

    // Clocks from a beat of A to: operands at the lanes; the lanes' sum at the accumulator.
    localparam OPERANDS = LANE == 1 ? 4 : 3;
    localparam SUMS = OPERANDS + 1 + $clog2(SIMD) + (LANE == 1 ? (W_BITS + 1) / 2 - 1 : 0);

    initial begin
        if (K % SIMD != 0) $display("gw_matrix_product: SIMD must divide K, not %0d and %0d", SIMD, K);
        if (N % PE != 0) $display("gw_matrix_product: PE must divide N, not %0d and %0d", PE, N);
        if (LANE < 0 || LANE > 1) $display("gw_matrix_product: LANE must be 0 or 1, not %0d", LANE);
    end

    // Sequence: slot by slot, then the next PE columns, then the next row. -------------------------------
    wire                 ce;
    wire                 whole;                      // B is there
    wire                 fill;                       // the row comes in
    wire                 step;
    wire                 last;                       // of the slots
    wire                 columns_last;
    wire                 rows_last;
    wire [SLOT_BITS-1:0] slot;
    wire                 row_end;
    wire                 matrix_end;

    assign ce = m_tready || !m_tvalid;
    assign s_tready[0] = ce && fill && whole;
    assign step = ce && whole && (!fill || s_tvalid[0]);
    assign row_end = last && columns_last;
    assign matrix_end = row_end && rows_last;

    wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0] unused_fold;
    wire [(M > 1 ? $clog2(M) : 1)-1:0]         unused_row;
    gw_counter #(.COUNT(SLOTS)) slot_counter (.clk(clk), .rst(rst), .step(step), .value(slot), .last(last));
    gw_counter #(.COUNT(FOLDS)) fold_counter (
        .clk(clk), .rst(rst), .step(step && last), .value(unused_fold), .last(columns_last));
    gw_counter #(.COUNT(M)) row_counter (
        .clk(clk), .rst(rst), .step(step && row_end), .value(unused_row), .last(rows_last));

    generate
        if (FOLDS > 1) begin : g_fill
            reg fill_q;
            always @(posedge clk) begin
                if (rst) fill_q <= 1'b1;
                else if (step && last) fill_q <= columns_last;
            end
            assign fill = fill_q;
        end else begin : g_always_fill
            assign fill = 1'b1;
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
            first_q <= {first_q[SUMS-3:0], slot == {SLOT_BITS{1'b0}}};
            last_q <= {last_q[SUMS-2:0], last};
        end
    end

    // Operands. ------------------------------------------------------------------------------------------
    wire [SIMD*A_BITS-1:0]    a_buffered;            // after 3 clocks
    wire [SIMD*A_BITS-1:0]    a;                     // after OPERANDS clocks, as is b
    wire [PE*SIMD*B_BITS-1:0] stored;
    wire [PE*SIMD*B_BITS-1:0] b;
    wire [SIMD*X_BITS-1:0]    x;
    wire [PE*SIMD*W_BITS-1:0] w;

    gw_lane_buffer #(.BITS(SIMD*A_BITS), .DEPTH(SLOTS), .FOLDS(FOLDS)) row (
        .clk(clk), .ce(ce), .step(step), .fill(fill), .slot(slot), .d(s_tdata[SIMD*A_BITS-1:0]),
        .q(a_buffered));
    gw_delay #(.BITS(SIMD*A_BITS), .CLOCKS(OPERANDS - 3)) a_delay (
        .clk(clk), .ce(ce), .a(a_buffered), .y(a));
    gw_matrix_buffer #(
        .SLOTS(SLOTS), .FOLDS(FOLDS), .SIMD(SIMD), .BITS(PE*B_BITS), .RAM_STYLE(RAM_STYLE)
    ) matrix (
        .clk(clk), .rst(rst), .s_tdata(s_tdata[SIMD*A_BITS +: PE*B_BITS]), .s_tvalid(s_tvalid[1]),
        .s_tready(s_tready[1]), .whole(whole), .rd_en(ce), .step(step), .row_end(row_end),
        .matrix_end(matrix_end), .rd_data(stored));
    gw_delay #(.BITS(PE*SIMD*B_BITS), .CLOCKS(OPERANDS - 1)) b_delay (
        .clk(clk), .ce(ce), .a(stored), .y(b));

    // Lanes: PE dot products of SIMD elements. -----------------------------------------------------------
    wire [PE*SUM_BITS-1:0] sum;
    wire [PE-1:0]          carry;

    genvar i;
    genvar j;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_element
            gw_integer #(.FROM(A_BITS), .TO(X_BITS), .KIND(A_KIND)) integer_a (
                .a(a[i*A_BITS +: A_BITS]), .y(x[i*X_BITS +: X_BITS]));
            for (j = 0; j < PE; j = j + 1) begin : g_column
                gw_integer #(.FROM(B_BITS), .TO(W_BITS), .KIND(B_KIND)) integer_b (
                    .a(b[(i*PE+j)*B_BITS +: B_BITS]), .y(w[(j*SIMD+i)*W_BITS +: W_BITS]));
            end
        end
        if (LANE == 1) begin : g_digit
            // 3x of every element, once for all columns.
            reg [SIMD*(X_BITS+2)-1:0] x3_q;
            for (i = 0; i < SIMD; i = i + 1) begin : g_triple
                wire [X_BITS+1:0] once;
                gw_integer #(.FROM(A_BITS), .TO(X_BITS + 2), .KIND(A_KIND)) wide (
                    .a(a_buffered[i*A_BITS +: A_BITS]), .y(once));
                always @(posedge clk) begin
                    if (ce) x3_q[i*(X_BITS+2) +: X_BITS+2] <= once + {once[X_BITS:0], 1'b0};
                end
            end
            for (j = 0; j < PE; j = j + 1) begin : g_dot
                gw_lane_digit #(
                    .SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(A_KIND == 0 ? 0 : 1), .W_BITS(W_BITS)
                ) dot (
                    .clk(clk), .ce(ce), .x(x), .x3(x3_q), .w(w[j*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[j*SUM_BITS +: SUM_BITS]), .carry(carry[j]));
            end
        end else begin : g_multiply
            for (j = 0; j < PE; j = j + 1) begin : g_dot
                gw_lane_multiply #(
                    .SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(A_KIND == 0 ? 0 : 1), .W_BITS(W_BITS)
                ) dot (
                    .clk(clk), .ce(ce), .x(x), .w(w[j*SIMD*W_BITS +: SIMD*W_BITS]),
                    .sum(sum[j*SUM_BITS +: SUM_BITS]));
                assign carry[j] = 1'b0;
            end
        end
    endgenerate

    gw_accumulator #(
        .PE(PE), .SUM_BITS(SUM_BITS), .SIGNED(1), .DOUBLE(0), .CARRY(LANE == 1 && W_BITS <= 2 ? 1 : 0),
        .ACC_BITS(ACC_BITS), .ONCE(SLOTS == 1 ? 1 : 0), .OFFSET(0), .HAS_BIAS(0), .BIAS_WORDS(1),
        .ROM_STYLE(0), .TOP_BIT(0), .BIAS("")
    ) sums (
        .clk(clk), .rst(rst), .ce(ce), .soon(1'b0), .valid(valid_q[SUMS-1]), .next_first(first_q[SUMS-2]),
        .sum(sum), .carry(carry), .data(m_tdata));
endmodule

`default_nettype wire
