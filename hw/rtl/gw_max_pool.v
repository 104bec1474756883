// The largest code of each channel over TAPS pixels.
//
//   y[c] = max over t of x[t][c],  t = 0 .. TAPS-1, c = 0 .. C-1
//
//   One piece of work: one window, TAPS*C/PE beats in (all channels of tap 0, then of tap 1, ...), C/PE out.
//   Interval: TAPS*C/PE clocks; windows follow each other without a bubble.
//   Latency: (TAPS-1)*C/PE + 2 clocks (the first output needs the first beat of the last tap).
//
// The C/PE partial maxima come round in order, so they wait in a shift register, or from FOLD_RAM beats on
// in a RAM whose read takes the place of the input register's clock.

`default_nettype none

module gw_max_pool #(
    parameter TAPS = 4,      // pixels in a window
    parameter C = 8,         // channels
    parameter PE = 4,        // channels a beat; divides C
    parameter BITS = 8,      // width of a code
    parameter SIGNED = 0     // 1 when codes are two's complement
) (
    input wire clk,
    input wire rst,
    input wire [PE*BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [PE*BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    localparam FOLD = C / PE;
    localparam FOLD_RAM = 5;
    localparam FOLD_BITS = (FOLD > 1) ? $clog2(FOLD) : 1;
    localparam TAP_BITS = (TAPS > 1) ? $clog2(TAPS) : 1;
    localparam LAST_FOLD = FOLD - 1;
    localparam LAST_TAP = TAPS - 1;

    reg [FOLD_BITS-1:0] fold_q;      // position of the beat in x_q
    reg [TAP_BITS-1:0] tap_q;
    reg [PE*BITS-1:0] x_q;
    reg x_valid_q;
    reg [PE*BITS-1:0] out_q;
    reg out_valid_q;

    wire [PE*BITS-1:0] partial;      // the maximum so far of the channels in x_q
    wire [PE*BITS-1:0] best;

    wire ce = m_tready || !out_valid_q;
    wire step = ce && x_valid_q;
    wire first_tap = TAPS == 1 || tap_q == {TAP_BITS{1'b0}};
    wire last_tap = TAPS == 1 || tap_q == LAST_TAP[TAP_BITS-1:0];
    wire last_fold = FOLD == 1 || fold_q == LAST_FOLD[FOLD_BITS-1:0];

    assign s_tready = ce;
    assign m_tdata = out_q;
    assign m_tvalid = out_valid_q;

    initial if (C % PE != 0) $display("gw_max_pool: PE must divide C, not %0d and %0d", PE, C);

    genvar lane;
    generate
        for (lane = 0; lane < PE; lane = lane + 1) begin : lanes
            wire [BITS-1:0] x = x_q[lane*BITS +: BITS];
            wire [BITS-1:0] old = partial[lane*BITS +: BITS];
            wire larger;

            if (SIGNED != 0) begin : two
                assign larger = $signed(x) > $signed(old);
            end else begin : plain
                assign larger = x > old;
            end
            assign best[lane*BITS +: BITS] = (first_tap || larger) ? x : old;
        end

        if (TAPS == 1) begin : no_store
            wire unused = &{1'b0, step};

            assign partial = {(PE*BITS){1'b0}};
        end else if (FOLD == 1) begin : one
            reg [PE*BITS-1:0] partial_q;

            assign partial = partial_q;

            always @(posedge clk) if (step) partial_q <= best;
        end else if (FOLD < FOLD_RAM) begin : shift
            reg [FOLD*PE*BITS-1:0] partials_q;

            assign partial = partials_q[PE*BITS-1:0];

            always @(posedge clk) if (step) partials_q <= {best, partials_q[FOLD*PE*BITS-1:PE*BITS]};
        end else begin : ram
            reg [FOLD_BITS-1:0] next_q;      // position of the beat at the input

            gw_ram #(.BITS(PE*BITS), .DEPTH(FOLD), .RAM_STYLE(0)) store (
                .clk(clk),
                .wr_en(step), .wr_addr(fold_q), .wr_data(best),
                .rd_en(s_tvalid && ce), .rd_addr(next_q), .rd_data(partial));

            always @(posedge clk) begin
                if (rst) next_q <= {FOLD_BITS{1'b0}};
                else if (s_tvalid && ce)
                    next_q <= (next_q == LAST_FOLD[FOLD_BITS-1:0]) ? {FOLD_BITS{1'b0}} : next_q + 1'b1;
            end
        end
    endgenerate

    always @(posedge clk) begin
        if (ce) x_q <= s_tdata;
        if (ce) out_q <= best;
        if (rst) begin
            fold_q <= {FOLD_BITS{1'b0}};
            tap_q <= {TAP_BITS{1'b0}};
            x_valid_q <= 1'b0;
            out_valid_q <= 1'b0;
        end else if (ce) begin
            x_valid_q <= s_tvalid;
            out_valid_q <= x_valid_q && last_tap;
            if (x_valid_q) begin
                fold_q <= last_fold ? {FOLD_BITS{1'b0}} : fold_q + 1'b1;
                if (last_fold) tap_q <= last_tap ? {TAP_BITS{1'b0}} : tap_q + 1'b1;
            end
        end
    end

endmodule

`default_nettype wire
