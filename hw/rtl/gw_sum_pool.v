// The sum of each channel over TAPS pixels, modulo 2**ACC_BITS.
//
//   y[c] = sum over t of x[t][c],  t = 0 .. TAPS-1, c = 0 .. C-1
//
// One piece of work: one window, TAPS*C/PE beats in (all channels of tap 0, then of tap 1, ...), C/PE out.
// Interval: TAPS*C/PE clocks; windows follow each other without a bubble.
// Latency: (TAPS-1)*C/PE + 2 clocks (the first output needs the first beat of the last tap).
`default_nettype none

module gw_sum_pool #(
    parameter TAPS     = 4,      // pixels in a window
    parameter C        = 8,      // channels
    parameter PE       = 4,      // channels a beat; divides C
    parameter X_BITS   = 8,      // bits of an element in
    parameter X_SIGNED = 0,      // 1: x is two's complement
    parameter ACC_BITS = 10      // bits of an element out
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [PE*X_BITS-1:0]    s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*ACC_BITS-1:0]  m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready
);
    localparam FOLD = C / PE;
    localparam FOLD_BITS = FOLD > 1 ? $clog2(FOLD) : 1;
    localparam TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;

    initial if (C % PE != 0) $display("gw_sum_pool: PE must divide C, not %0d and %0d", PE, C);

    reg  [PE*X_BITS-1:0]   x_q;
    reg                    x_valid_q;
    reg  [PE*ACC_BITS-1:0] out_q;
    reg                    out_valid_q;
    wire [PE*ACC_BITS-1:0] partial;
    wire [PE*ACC_BITS-1:0] sum;
    wire [FOLD_BITS-1:0]   unused_fold;
    wire [TAP_BITS-1:0]    tap;
    wire                   last_fold;
    wire                   last_tap;
    wire                   ce = m_tready || !out_valid_q;
    wire                   step = ce && x_valid_q;
    wire                   first_tap = TAPS == 1 || tap == {TAP_BITS{1'b0}};

    assign s_tready = ce;
    assign m_tdata = out_q;
    assign m_tvalid = out_valid_q;

    gw_counter #(.COUNT(FOLD)) fold_counter (
        .clk(clk), .rst(rst), .step(step), .value(unused_fold), .last(last_fold));
    gw_counter #(.COUNT(TAPS)) tap_counter (
        .clk(clk), .rst(rst), .step(step && last_fold), .value(tap), .last(last_tap));

    genvar l;
    generate
        if (TAPS == 1) begin : g_no_store
            assign partial = {(PE*ACC_BITS){1'b0}};
        end else begin : g_store
            gw_turn #(.BITS(PE*ACC_BITS), .FOLD(FOLD)) partials (
                .clk(clk), .rst(rst), .next(ce && s_tvalid), .step(step), .d(sum), .q(partial));
        end
        for (l = 0; l < PE; l = l + 1) begin : g_lane
            wire [ACC_BITS-1:0] x;
            gw_extend #(.FROM(X_BITS), .TO(ACC_BITS), .SIGNED(X_SIGNED)) extend (
                .a(x_q[l*X_BITS +: X_BITS]), .y(x));
            assign sum[l*ACC_BITS +: ACC_BITS] =
                (first_tap ? {ACC_BITS{1'b0}} : partial[l*ACC_BITS +: ACC_BITS]) + x;
        end
    endgenerate

    always @(posedge clk) begin
        if (ce) x_q <= s_tdata;
        if (ce) out_q <= sum;
        if (rst) begin
            x_valid_q <= 1'b0;
            out_valid_q <= 1'b0;
        end else if (ce) begin
            x_valid_q <= s_tvalid;
            out_valid_q <= x_valid_q && last_tap;
        end
    end
endmodule

`default_nettype wire
