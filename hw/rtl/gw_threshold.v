// Counts thresholds: y = BIAS + (k << SHIFT) modulo 2**OUT_BITS, where k is how many of the channel's
// 2**STAGES - 1 ascending thresholds t are reached, x >= t, found by binary search, a pipeline stage each.
//
// One piece of work: one vector of C channels, C/PE beats of PE elements; one beat a clock.
// Interval: C/PE clocks. Latency: 2*STAGES + 1 clocks, 3*STAGES + 1 with ROM_STYLE 1.
//
// Stage j (0 first) of lane l reads {TABLE}_nnn.mem with nnn = j*PE + l in three decimal digits, so
// STAGES*PE is at most 1000. The file has 2**j words for each of the C/PE folds f; word p of fold f is
// threshold number (2*p + 1)*2**(STAGES-1-j) - 1 of channel f*PE + l, where p holds the decisions so far,
// the first as highest bit: the middle threshold of what remains. Its code has x's signedness and
// X_BITS + 1 bits; one that is never reached is the largest x + 1.
`default_nettype none

module gw_threshold #(
    parameter C         = 4,     // channels
    parameter PE        = 2,     // channels at once; divides C
    parameter STAGES    = 2,     // 1 to 16
    parameter X_BITS    = 8,     // bits of an element in
    parameter X_SIGNED  = 1,     // 1: x is two's complement
    parameter OUT_BITS  = 2,     // bits of an element out
    parameter BIAS      = 0,     // y where no threshold is reached
    parameter SHIFT     = 0,     // each threshold counts 2**SHIFT
    parameter ROM_STYLE = 0,     // 0 the tool chooses, 1 block RAM above 64 words, 2 LUTs
    parameter TABLE     = ""     // prefix of the $readmemh files, see above
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [PE*X_BITS-1:0]    s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*OUT_BITS-1:0]  m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready
);
    localparam FOLDS = C / PE;
    localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;
    localparam CLOCKS = STAGES * (ROM_STYLE == 1 ? 3 : 2) + 1;
    localparam [31:0] BIAS_CODE = BIAS;

    initial begin
        if (C % PE != 0) $display("gw_threshold: PE must divide C");
        if (STAGES < 1 || STAGES > 16) $display("gw_threshold: STAGES must be 1 to 16");
        if (STAGES * PE > 1000) $display("gw_threshold: STAGES*PE must be at most 1000");
    end

    // Slot j of each is what stage j reads; slot STAGES is the outcome.
    wire [(STAGES+1)*FOLD_BITS-1:0]  fold;
    wire [(STAGES+1)*PE*X_BITS-1:0]  x;
    wire [(STAGES+1)*PE*STAGES-1:0]  found;
    wire                             ce;
    wire                             unused_ends = &{
        1'b0, fold[STAGES*FOLD_BITS +: FOLD_BITS], x[STAGES*PE*X_BITS +: PE*X_BITS]};

    gw_vector_pipe #(.FOLDS(FOLDS), .CLOCKS(CLOCKS)) pipe (
        .clk(clk), .rst(rst), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tvalid(m_tvalid),
        .m_tready(m_tready), .ce(ce), .fold(fold[FOLD_BITS-1:0]));
    assign x[PE*X_BITS-1:0] = s_tdata;
    assign found[PE*STAGES-1:0] = {(PE*STAGES){1'b0}};

    genvar j;
    genvar l;
    generate
        for (j = 0; j < STAGES; j = j + 1) begin : g_stage
            gw_threshold_stage #(
                .STAGE(j), .STAGES(STAGES), .FOLDS(FOLDS), .PE(PE), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED),
                .ROM_STYLE(ROM_STYLE), .TABLE(TABLE)
            ) stage (
                .clk(clk),
                .ce(ce),
                .fold(fold[j*FOLD_BITS +: FOLD_BITS]),
                .x(x[j*PE*X_BITS +: PE*X_BITS]),
                .found(found[j*PE*STAGES +: PE*STAGES]),
                .next_fold(fold[(j+1)*FOLD_BITS +: FOLD_BITS]),
                .next_x(x[(j+1)*PE*X_BITS +: PE*X_BITS]),
                .next_found(found[(j+1)*PE*STAGES +: PE*STAGES])
            );
        end

        for (l = 0; l < PE; l = l + 1) begin : g_out
            wire [STAGES+SHIFT-1:0] steps;
            wire [OUT_BITS-1:0]     steps_out;
            wire [OUT_BITS-1:0]     bias;
            reg  [OUT_BITS-1:0]     y_q;
            if (SHIFT > 0) begin : g_shift
                assign steps = {found[(STAGES*PE + l)*STAGES +: STAGES], {SHIFT{1'b0}}};
            end else begin : g_no_shift
                assign steps = found[(STAGES*PE + l)*STAGES +: STAGES];
            end
            gw_extend #(.FROM(STAGES + SHIFT), .TO(OUT_BITS), .SIGNED(0)) extend_steps (
                .a(steps), .y(steps_out));
            gw_extend #(.FROM(32), .TO(OUT_BITS), .SIGNED(1)) extend_bias (
                .a(BIAS_CODE), .y(bias));
            always @(posedge clk) if (ce) y_q <= bias + steps_out;
            assign m_tdata[l*OUT_BITS +: OUT_BITS] = y_q;
        end
    endgenerate
endmodule

`default_nettype wire
