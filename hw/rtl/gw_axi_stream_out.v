// From a design's output to AXI4-Stream: a beat leaves as WORDS words of BYTES bytes, BEATS beats a frame.
//
//   The first word holds a beat's low bits; what is above BITS is 0. TKEEP marks all bytes, since a frame is
//   whole words. TLAST comes with the last word of a frame for which `close` is high; `close` may change only
//   in the clock after frame_end, which is high where the last word of a frame moves.
//   One piece of work: one frame. Interval: WORDS * BEATS clocks, a word each. Latency: 1 clock, 2 with several
//   words a beat.

`default_nettype none

module gw_axi_stream_out #(
    parameter BYTES = 4,    // of a word: a power of two, so that a DMA's stream has its width
    parameter WORDS = 1,    // words a beat
    parameter BITS = 8,     // of a beat, at most 8 * BYTES * WORDS
    parameter BEATS = 1     // a frame
) (
    input wire clk,
    input wire rst,
    input wire close,
    input wire [BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [8*BYTES-1:0] m_tdata,
    output wire [BYTES-1:0] m_tkeep,
    output wire m_tlast,
    output wire m_tvalid,
    input wire m_tready,
    output wire frame_end
);
    localparam COUNT = WORDS * BEATS;
    localparam COUNT_BITS = (COUNT > 1) ? $clog2(COUNT) : 1;
    localparam WIDE = 8 * BYTES * WORDS;

    wire [WIDE-1:0] beat;
    wire [8*BYTES-1:0] word;
    wire word_valid;
    wire word_ready;
    wire [COUNT_BITS-1:0] place;
    wire last;

    assign m_tkeep = {BYTES{1'b1}};
    assign m_tlast = last && close;
    assign frame_end = m_tvalid && m_tready && last;

    gw_counter #(.COUNT(COUNT)) places (
        .clk(clk), .rst(rst), .step(m_tvalid && m_tready), .value(place), .last(last));

    generate
        if (BITS < WIDE) begin : g_padded
            assign beat = {{(WIDE-BITS){1'b0}}, s_tdata};
        end else begin : g_full
            assign beat = s_tdata;
        end
        if (WORDS > 1) begin : g_split
            gw_width_converter #(.BITS(8*BYTES), .IN(WORDS), .OUT(1)) split_beats (
                .clk(clk), .rst(rst),
                .s_tdata(beat), .s_tvalid(s_tvalid), .s_tready(s_tready),
                .m_tdata(word), .m_tvalid(word_valid), .m_tready(word_ready));
        end else begin : g_as_is
            assign word = beat;
            assign word_valid = s_tvalid;
            assign s_tready = word_ready;
        end
    endgenerate

    gw_fifo #(.BITS(8*BYTES), .DEPTH(2), .RAM_STYLE(0)) leave (
        .clk(clk), .rst(rst),
        .s_tdata(word), .s_tvalid(word_valid), .s_tready(word_ready),
        .m_tdata(m_tdata), .m_tvalid(m_tvalid), .m_tready(m_tready));

    wire unused_place = &{1'b0, place};

endmodule

`default_nettype wire
