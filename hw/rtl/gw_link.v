// The link between a UART and an accelerator (docs/uart-protocol.md): requests in, replies out.
// An inference request's payload, IN_BEATS beats padded to whole bytes, fills the frame buffer and goes to the
// accelerator (m_t*) only after its CRC proved right; the OUT_BEATS beats it answers (s_t*) form the reply.
// One piece of work is one frame; one is under way at a time, `busy` says so, and a request meanwhile gets a NAK.
// Interval: the bytes of request and reply on the line, plus the accelerator's latency.
`default_nettype none

module gw_link #(
    // Bits of a beat to the accelerator.
    parameter IN_BITS = 8,
    // Beats of an input frame; IN_BEATS * ceil(IN_BITS / 8) is 1 to 65535.
    parameter IN_BEATS = 1,
    // Bits of a beat from the accelerator.
    parameter OUT_BITS = 8,
    // Beats of an output frame; OUT_BEATS * ceil(OUT_BITS / 8) is 1 to 65535.
    parameter OUT_BEATS = 1,
    // What the information reply calls this design.
    parameter [31:0] DESIGN_ID = 32'd0,
    // Clocks between two bytes of a packet after which it is given up; more than one byte takes on the line.
    parameter TIMEOUT_CLOCKS = 500000
) (
    input wire clk,
    input wire rst,
    input wire [7:0] rx_data,
    input wire rx_valid,
    input wire rx_error,
    output wire [7:0] tx_data,
    output wire tx_valid,
    input wire tx_ready,
    output wire [IN_BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready,
    input wire [OUT_BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire busy
);
    localparam IN_BYTES = ((IN_BITS + 7) / 8) * IN_BEATS;

    reg busy_q;
    reg [7:0] infer_sequence_q;
    wire [15:0] store_index;
    wire [7:0] store_data;
    wire store_valid;
    wire release_frame;
    wire event_valid;
    wire event_info;
    wire [7:0] event_code;
    wire [7:0] packet_sequence;
    wire infer_done;

    assign busy = busy_q;

    always @(posedge clk) begin
        if (infer_done) busy_q <= 1'b0;
        if (release_frame) begin
            busy_q <= 1'b1;
            infer_sequence_q <= packet_sequence;
        end
        if (rst) busy_q <= 1'b0;
    end

    gw_link_rx #(
        .IN_BYTES(IN_BYTES),
        .TIMEOUT_CLOCKS(TIMEOUT_CLOCKS)
    ) receiver (
        .clk(clk),
        .rst(rst),
        .rx_data(rx_data),
        .rx_valid(rx_valid),
        .rx_error(rx_error),
        .busy(busy_q),
        .store_index(store_index),
        .store_data(store_data),
        .store_valid(store_valid),
        .release_frame(release_frame),
        .event_valid(event_valid),
        .event_info(event_info),
        .event_code(event_code),
        .packet_sequence(packet_sequence)
    );

    gw_link_buffer #(
        .IN_BITS(IN_BITS),
        .IN_BEATS(IN_BEATS)
    ) buffer (
        .clk(clk),
        .rst(rst),
        .store_index(store_index),
        .store_data(store_data),
        .store_valid(store_valid),
        .start(release_frame),
        .m_tdata(m_tdata),
        .m_tvalid(m_tvalid),
        .m_tready(m_tready)
    );

    gw_link_tx #(
        .IN_BYTES(IN_BYTES),
        .OUT_BITS(OUT_BITS),
        .OUT_BEATS(OUT_BEATS),
        .DESIGN_ID(DESIGN_ID)
    ) sender (
        .clk(clk),
        .rst(rst),
        .infer_pending(busy_q),
        .infer_sequence(infer_sequence_q),
        .infer_done(infer_done),
        .event_valid(event_valid),
        .event_info(event_info),
        .event_code(event_code),
        .event_sequence(packet_sequence),
        .s_tdata(s_tdata),
        .s_tvalid(s_tvalid),
        .s_tready(s_tready),
        .tx_data(tx_data),
        .tx_valid(tx_valid),
        .tx_ready(tx_ready)
    );
endmodule

`default_nettype wire
