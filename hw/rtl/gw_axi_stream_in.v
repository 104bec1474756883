// From AXI4-Stream to a design's input: WORDS words of BYTES bytes make a beat, BEATS beats a frame.
//
//   The first word holds a beat's low bits; what is above BITS is left out. Words are taken while `open` is
//   high, which must fall in the clock after `frame_end` of the last frame wanted.
//   `early` says that TLAST came inside a frame, `late` that it did not come with the last word of the frame
//   for which `closing` is high, `partial` that a word came with bytes that TKEEP marks as none. All three and
//   frame_end are high in the clock in which the word moves, and the word counts as any other.
//   One piece of work: one frame. Interval: WORDS * BEATS clocks, a word each. Latency: WORDS + 1 clocks from
//   the first word to the first beat, 1 with one word a beat.

`default_nettype none

module gw_axi_stream_in #(
    parameter BYTES = 4,    // of a word: a power of two, so that a DMA's stream has its width
    parameter WORDS = 1,    // words a beat
    parameter BITS = 8,     // of a beat, at most 8 * BYTES * WORDS
    parameter BEATS = 1     // a frame
) (
    input wire clk,
    input wire rst,
    input wire open,
    input wire closing,
    input wire [8*BYTES-1:0] s_tdata,
    input wire [BYTES-1:0] s_tkeep,
    input wire s_tlast,
    input wire s_tvalid,
    output wire s_tready,
    output wire [BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready,
    output wire frame_end,
    output wire early,
    output wire late,
    output wire partial
);
    localparam COUNT = WORDS * BEATS;
    localparam COUNT_BITS = (COUNT > 1) ? $clog2(COUNT) : 1;

    wire room;
    wire move = s_tvalid && s_tready;
    wire [COUNT_BITS-1:0] place;
    wire last;
    wire [8*BYTES-1:0] word;
    wire word_valid;
    wire word_ready;
    wire [8*BYTES*WORDS-1:0] beat;

    assign s_tready = open && room;
    assign m_tdata = beat[BITS-1:0];
    assign frame_end = move && last;
    assign early = move && s_tlast && !last;
    assign late = move && last && closing && !s_tlast;
    assign partial = move && s_tkeep != {BYTES{1'b1}};

    gw_counter #(.COUNT(COUNT)) places (
        .clk(clk), .rst(rst), .step(move), .value(place), .last(last));

    gw_fifo #(.BITS(8*BYTES), .DEPTH(2), .RAM_STYLE(0)) entry (
        .clk(clk), .rst(rst),
        .s_tdata(s_tdata), .s_tvalid(s_tvalid && open), .s_tready(room),
        .m_tdata(word), .m_tvalid(word_valid), .m_tready(word_ready));

    generate
        if (WORDS > 1) begin : g_join
            gw_width_converter #(.BITS(8*BYTES), .IN(1), .OUT(WORDS)) join_words (
                .clk(clk), .rst(rst),
                .s_tdata(word), .s_tvalid(word_valid), .s_tready(word_ready),
                .m_tdata(beat), .m_tvalid(m_tvalid), .m_tready(m_tready));
        end else begin : g_as_is
            assign beat = word;
            assign m_tvalid = word_valid;
            assign word_ready = m_tready;
        end
        if (BITS < 8*BYTES*WORDS) begin : g_padded
            wire unused = &{1'b0, beat[8*BYTES*WORDS-1:BITS]};
        end
    endgenerate

    wire unused_place = &{1'b0, place};

endmodule

`default_nettype wire
