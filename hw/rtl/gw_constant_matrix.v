// Matrix times vector, all at once, with constant weights: the sums of a graph of adders, each with a register.
//
//   y[j] = offset[j] +- (value[j] << shift[j]) modulo 2**SUM_BITS; with CLAMP,
//   y[j] = BIAS + min(max(that >>> SHIFT, 0), TOP) modulo 2**OUT_BITS, where SUM_BITS holds every sum.
//
// One piece of work: one vector, one beat in, one beat out. Interval: 1 clock.
// Latency: 1 + DEPTH + OFFSETS + CLAMP clocks.
//
// All values lie in one vector of registers, which the two tables cut up. First the inputs, as they came 1 clock
// ago, 2 clocks ago, and so on to 1 + INPUT_KEEP. Then each value of SUMS, as it is and as it was up to KEEP
// clocks ago, each in BITS bits, the latest lowest. An operand is 28 bits: where its lowest bit lies (16), its
// bits (6), whether they are two's complement (1), how far it is shifted left (5), the first field lowest.
// SUMS, 84 bits each, lowest first: operand a, operand b, where the value lies (16), BITS (6), KEEP (5), and
// whether b is subtracted (1). OUTPUTS, 64 bits each: an operand (no bits: zero), whether it is subtracted (1),
// 3 idle bits, the offset (32, two's complement). Above both tables stands a digit 4, so that a literal, signed or
// not, always has its full width.
`default_nettype none

module gw_constant_matrix #(
    parameter MW         = 2,    // elements of a vector in
    parameter MH         = 1,    // elements of a vector out
    parameter X_BITS     = 4,    // bits of an element in
    parameter COUNT      = 1,    // sums
    parameter DEPTH      = 1,    // most sums one after the other, at least 1
    parameter INPUT_KEEP = 0,    // clocks for which inputs are kept
    parameter BUS_BITS   = 13,   // registers of all values, at most 65536
    parameter SUM_BITS   = 5,    // bits of an element out, before CLAMP
    parameter OFFSETS    = 0,    // 1: a stage for offsets and subtraction; 0: OUTPUTS has none
    parameter CLAMP      = 0,    // 1: a stage that shifts and clamps; 0: OUT_BITS is SUM_BITS
    parameter SHIFT      = 0,    // places shifted right, fewer than SUM_BITS
    parameter TOP        = 1,    // the largest count, at least 1
    parameter BIAS       = 0,    // y where the count is 0
    parameter OUT_BITS   = 5,    // bits of an element out
    parameter [(COUNT > 0 ? COUNT*84 : 28)+3:0] SUMS = 88'h4005000800400040040000,
    parameter [MH*64+3:0] OUTPUTS = 68'h40000000000050008
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [MW*X_BITS-1:0]    s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [MH*OUT_BITS-1:0]  m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready
);
    localparam IN_BITS = MW * X_BITS;
    localparam LOW = CLAMP != 0 ? SHIFT : 0;         // bits of a sum that are shifted out
    localparam CLOCKS = 1 + DEPTH + OFFSETS + CLAMP;

    initial begin
        if (BUS_BITS > 65536) $display("gw_constant_matrix: BUS_BITS must be at most 65536");
        if (CLAMP != 0 && SHIFT >= SUM_BITS) $display("gw_constant_matrix: SHIFT must be less than SUM_BITS");
        if (CLAMP == 0 && OUT_BITS != SUM_BITS) $display("gw_constant_matrix: OUT_BITS must be SUM_BITS");
    end

    wire ce;
    wire unused_fold;
    gw_vector_pipe #(.FOLDS(1), .CLOCKS(CLOCKS)) pipe (
        .clk(clk), .rst(rst), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tvalid(m_tvalid),
        .m_tready(m_tready), .ce(ce), .fold(unused_fold));

    // Values. --------------------------------------------------------------------------------------------
    reg [BUS_BITS-1:0] values_q;

    genvar i;
    generate
        for (i = 0; i <= INPUT_KEEP; i = i + 1) begin : g_input
            if (i == 0) begin : g_new
                always @(posedge clk) if (ce) values_q[IN_BITS-1:0] <= s_tdata;
            end else begin : g_kept
                always @(posedge clk) if (ce) values_q[i*IN_BITS +: IN_BITS] <= values_q[(i-1)*IN_BITS +: IN_BITS];
            end
        end
        for (i = 0; i < COUNT; i = i + 1) begin : g_sum
            localparam [83:0] CODE = SUMS[i*84 +: 84];
            localparam integer A_AT = {16'd0, CODE[15:0]};
            localparam integer A_BITS = {26'd0, CODE[21:16]};
            localparam integer A_SHIFT = {27'd0, CODE[27:23]};
            localparam integer B_AT = {16'd0, CODE[43:28]};
            localparam integer B_BITS = {26'd0, CODE[49:44]};
            localparam integer B_SHIFT = {27'd0, CODE[55:51]};
            localparam integer AT = {16'd0, CODE[71:56]};
            localparam integer BITS = {26'd0, CODE[77:72]};
            localparam integer KEEP = {27'd0, CODE[82:78]};

            localparam integer A_PAD = BITS - A_BITS - A_SHIFT;
            localparam integer B_PAD = BITS - B_BITS - B_SHIFT;

            // Operands are read where they are used: through wires of their own, simulators would pass on every
            // change of any value to all of them.
            always @(posedge clk) begin
                if (ce) begin
                    if (CODE[83]) begin
                        values_q[AT +: BITS] <=
                              {{A_PAD{CODE[22] & values_q[A_AT + A_BITS - 1]}}, values_q[A_AT +: A_BITS],
                               {A_SHIFT{1'b0}}}
                            - {{B_PAD{CODE[50] & values_q[B_AT + B_BITS - 1]}}, values_q[B_AT +: B_BITS],
                               {B_SHIFT{1'b0}}};
                    end else begin
                        values_q[AT +: BITS] <=
                              {{A_PAD{CODE[22] & values_q[A_AT + A_BITS - 1]}}, values_q[A_AT +: A_BITS],
                               {A_SHIFT{1'b0}}}
                            + {{B_PAD{CODE[50] & values_q[B_AT + B_BITS - 1]}}, values_q[B_AT +: B_BITS],
                               {B_SHIFT{1'b0}}};
                    end
                end
            end
            if (KEEP > 0) begin : g_keep
                always @(posedge clk) if (ce) values_q[AT + BITS +: KEEP*BITS] <= values_q[AT +: KEEP*BITS];
            end
        end
    endgenerate

    // Results. -------------------------------------------------------------------------------------------
    generate
        for (i = 0; i < MH; i = i + 1) begin : g_output
            localparam [63:0] CODE = OUTPUTS[i*64 +: 64];
            localparam integer AT = {16'd0, CODE[15:0]};
            localparam integer BITS = {26'd0, CODE[21:16]};
            localparam integer PLACES = {27'd0, CODE[27:23]};
            wire [SUM_BITS-1:0] value;
            wire [SUM_BITS-1:0] sum;

            if (BITS == 0) begin : g_zero
                assign value = {SUM_BITS{1'b0}};
            end else begin : g_value
                wire [BITS+PLACES-1:0] shifted = {values_q[AT +: BITS], {PLACES{1'b0}}};
                gw_extend #(.FROM(BITS + PLACES), .TO(SUM_BITS), .SIGNED(CODE[22])) extend (
                    .a(shifted), .y(value));
            end

            if (OFFSETS != 0) begin : g_offset
                wire [SUM_BITS-1:0] offset;
                gw_extend #(.FROM(32), .TO(SUM_BITS), .SIGNED(1)) extend_offset (
                    .a(CODE[63:32]), .y(offset));
                if (CODE[28]) begin : g_minus
                    reg [SUM_BITS-1:0] sum_q;
                    always @(posedge clk) if (ce) sum_q <= offset - value;
                    assign sum = sum_q;
                end else if (LOW > 0) begin : g_high
                    // Of the bits that are shifted out only the carry counts: a few LUTs instead of an adder.
                    wire [LOW:0]           carry;
                    wire [SUM_BITS-LOW:0]  total = {value[SUM_BITS-1:LOW], 1'b1} + {offset[SUM_BITS-1:LOW], carry[LOW]};
                    wire                   unused = total[0];
                    reg  [SUM_BITS-LOW-1:0] sum_q;
                    genvar k;
                    assign carry[0] = 1'b0;
                    for (k = 0; k < LOW; k = k + 1) begin : g_carry
                        assign carry[k+1] = offset[k] ? value[k] | carry[k] : value[k] & carry[k];
                    end
                    always @(posedge clk) if (ce) sum_q <= total[SUM_BITS-LOW:1];
                    assign sum = {sum_q, {LOW{1'b0}}};
                end else begin : g_plus
                    reg [SUM_BITS-1:0] sum_q;
                    always @(posedge clk) if (ce) sum_q <= value + offset;
                    assign sum = sum_q;
                end
            end else begin : g_as_is
                assign sum = value;
            end

            if (CLAMP != 0) begin : g_clamp
                reg  [OUT_BITS-1:0] y_q;
                wire [OUT_BITS-1:0] y;
                gw_clamp #(.X_BITS(SUM_BITS - SHIFT), .TOP(TOP), .BIAS(BIAS), .OUT_BITS(OUT_BITS)) clamp (
                    .x(sum[SUM_BITS-1:SHIFT]), .y(y));
                always @(posedge clk) if (ce) y_q <= y;
                assign m_tdata[i*OUT_BITS +: OUT_BITS] = y_q;
                if (SHIFT > 0) begin : g_cut
                    wire unused_low = &{1'b0, sum[SHIFT-1:0]};
                end
            end else begin : g_sum
                assign m_tdata[i*OUT_BITS +: OUT_BITS] = sum;
            end
        end
    endgenerate
endmodule

`default_nettype wire
