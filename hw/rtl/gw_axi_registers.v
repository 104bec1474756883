// Control and status of an accelerator: 32-bit registers behind gw_axi_lite (docs/zynq.md has the table).
//
//   word  name           bits
//   0     ID             "gwax"
//   1     VERSION        of this table: major in the upper half, minor in the lower
//   2     DESIGN_ID
//   3     CONTROL        0 start, 1 soft reset (both read 0), 2 TLAST after every frame out
//   4     STATUS         0 busy, 1 done, 2 in reset, 3 an error
//   5     IRQ_ENABLE     0 done, 1 a frame left, 2 an error
//   6     IRQ_STATUS     likewise; writing 1 clears
//   7     FRAMES_WANTED  of the next run; 0 is a run without end
//   8,9   FRAMES_IN, FRAMES_OUT     of this run, whole ones
//   10,11 WORDS_IN, WORDS_OUT       of a frame
//   12    WORD_BYTES     of input words in bits 7..0, of output words in 15..8
//   13,14 CLOCKS         of this run, from the start until the last frame left; reading 13 keeps 14
//   15    ERRORS         0 early, 1 late, 2 partial (gw_axi_stream_in), 3 a start that was refused
//
//   A start takes FRAMES_WANTED and clears counters, errors and done; while busy or in reset it is refused.
//   A core reset stops the run and clears all that a start clears; IRQ_ENABLE, IRQ_STATUS, FRAMES_WANTED and
//   CONTROL stay. The interrupt is a level. Counters wrap.

`default_nettype none

module gw_axi_registers #(
    parameter [31:0] DESIGN_ID = 32'd0,
    parameter IN_BYTES = 4,     // of an input word
    parameter IN_WORDS = 1,     // of an input frame
    parameter OUT_BYTES = 4,    // of an output word
    parameter OUT_WORDS = 1     // of an output frame
) (
    input wire clk,
    input wire bus_rst,
    input wire core_rst,
    input wire write,
    input wire [9:0] write_word,
    input wire [31:0] write_data,
    input wire [3:0] write_bytes,
    input wire read,
    input wire [9:0] read_word,
    output wire [31:0] read_data,
    input wire in_frame,         // a frame came in
    input wire in_early,
    input wire in_late,
    input wire in_partial,
    input wire out_frame,        // a frame left
    output wire in_open,
    output wire in_closing,
    output wire out_close,
    output wire soft_reset,
    output wire irq
);
    localparam [31:0] ID = 32'h67776178;
    localparam [31:0] VERSION = 32'h00010000;
    localparam [31:0] IN_COUNT = IN_WORDS;
    localparam [31:0] OUT_COUNT = OUT_WORDS;
    localparam [31:0] IN_SIZE = IN_BYTES;
    localparam [31:0] OUT_SIZE = OUT_BYTES;

    reg each_q;                    // CONTROL
    reg [2:0] irq_enable_q;
    reg [2:0] irq_status_q;
    reg [31:0] wanted_q;
    reg start_q;
    reg soft_q;
    reg busy_q;
    reg done_q;
    reg endless_q;                 // what the run under way was started with
    reg close_each_q;
    reg [31:0] in_left_q;
    reg [31:0] out_left_q;
    reg [31:0] frames_in_q;
    reg [31:0] frames_out_q;
    reg [63:0] clocks_q;
    reg [31:0] clocks_high_q;
    reg [3:0] errors_q;
    reg irq_q;
    reg [31:0] found;

    wire [31:0] mask = {{8{write_bytes[3]}}, {8{write_bytes[2]}}, {8{write_bytes[1]}}, {8{write_bytes[0]}}};
    wire [31:0] set = write_data & mask;
    wire refused = start_q && (busy_q || core_rst);
    wire begin_run = start_q && !refused;
    wire finish = out_frame && !endless_q && out_left_q == 32'd1;
    wire [3:0] faults = {refused, in_partial, in_late, in_early};
    wire [2:0] events = {faults != 4'd0, out_frame, finish};

    assign in_open = busy_q && (endless_q || in_left_q != 32'd0);
    assign in_closing = !endless_q && in_left_q == 32'd1;
    assign out_close = close_each_q || (!endless_q && out_left_q == 32'd1);
    assign soft_reset = soft_q;
    assign irq = irq_q;
    assign read_data = found;

    always @* begin
        case (read_word)
            10'd0: found = ID;
            10'd1: found = VERSION;
            10'd2: found = DESIGN_ID;
            10'd3: found = {29'd0, each_q, 2'd0};
            10'd4: found = {28'd0, errors_q != 4'd0, core_rst, done_q, busy_q};
            10'd5: found = {29'd0, irq_enable_q};
            10'd6: found = {29'd0, irq_status_q};
            10'd7: found = wanted_q;
            10'd8: found = frames_in_q;
            10'd9: found = frames_out_q;
            10'd10: found = IN_COUNT;
            10'd11: found = OUT_COUNT;
            10'd12: found = {16'd0, OUT_SIZE[7:0], IN_SIZE[7:0]};
            10'd13: found = clocks_q[31:0];
            10'd14: found = clocks_high_q;
            10'd15: found = {28'd0, errors_q};
            default: found = 32'd0;
        endcase
    end

    // What is written.
    always @(posedge clk) begin
        start_q <= write && write_word == 10'd3 && set[0];
        soft_q <= write && write_word == 10'd3 && set[1];
        if (write && write_word == 10'd3 && write_bytes[0]) each_q <= write_data[2];
        if (write && write_word == 10'd5 && write_bytes[0]) irq_enable_q <= write_data[2:0];
        if (write && write_word == 10'd7) wanted_q <= set | (wanted_q & ~mask);
        irq_status_q <= (irq_status_q & ~((write && write_word == 10'd6) ? set[2:0] : 3'd0)) | events;
        irq_q <= (irq_status_q & irq_enable_q) != 3'd0;
        if (read && read_word == 10'd13) clocks_high_q <= clocks_q[63:32];
        if (bus_rst) begin
            start_q <= 1'b0;
            soft_q <= 1'b0;
            each_q <= 1'b0;
            irq_enable_q <= 3'd0;
            irq_status_q <= 3'd0;
            wanted_q <= 32'd1;
            irq_q <= 1'b0;
            clocks_high_q <= 32'd0;
        end
    end

    // The run.
    always @(posedge clk) begin
        if (begin_run) begin
            endless_q <= wanted_q == 32'd0;
            close_each_q <= each_q || wanted_q == 32'd0;
            in_left_q <= wanted_q;
            out_left_q <= wanted_q;
        end else begin
            if (in_frame) in_left_q <= in_left_q - 32'd1;
            if (out_frame) out_left_q <= out_left_q - 32'd1;
        end
        if (core_rst || begin_run) begin
            busy_q <= begin_run;
            done_q <= 1'b0;
            frames_in_q <= 32'd0;
            frames_out_q <= 32'd0;
            clocks_q <= 64'd0;
        end else begin
            if (finish) busy_q <= 1'b0;
            if (finish) done_q <= 1'b1;
            if (in_frame) frames_in_q <= frames_in_q + 32'd1;
            if (out_frame) frames_out_q <= frames_out_q + 32'd1;
            if (busy_q) clocks_q <= clocks_q + 64'd1;
        end
        // A start that is refused in reset is remembered past it.
        errors_q <= (bus_rst || soft_q || begin_run) ? 4'd0 : errors_q | faults;
    end

endmodule

`default_nettype wire
