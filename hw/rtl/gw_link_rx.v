// Packet receiver of gw_link: hunts for A5 5A, checks type, length and CRC (docs/uart-protocol.md).
// Payload bytes of an inference are written to the frame buffer as they come, unless `busy` was high when the
// header ended; `release_frame` follows only when the CRC is right.
// `event_valid` asks for a reply that is no inference: information, or a NAK with a code.
// Both are high for one clock, one clock after the byte that ends the packet (or the bad header).
// A UART error, an inter-byte timeout and a rejected packet all lead back to the hunt.
`default_nettype none

module gw_link_rx #(
    // Payload bytes of an inference request, 1 to 65535.
    parameter IN_BYTES = 1,
    // Clocks between two bytes of a packet after which it is given up.
    parameter TIMEOUT_CLOCKS = 500000
) (
    input wire clk,
    input wire rst,
    input wire [7:0] rx_data,
    input wire rx_valid,
    input wire rx_error,
    input wire busy,
    output wire [15:0] store_index,
    output wire [7:0] store_data,
    output wire store_valid,
    output wire release_frame,
    output wire event_valid,
    output wire event_info,
    output wire [7:0] event_code,
    output wire [7:0] packet_sequence
);
    localparam [3:0] HUNT = 4'd0;
    localparam [3:0] SYNC = 4'd1;
    localparam [3:0] TYPE = 4'd2;
    localparam [3:0] SEQUENCE = 4'd3;
    localparam [3:0] LENGTH_LOW = 4'd4;
    localparam [3:0] LENGTH_HIGH = 4'd5;
    localparam [3:0] PAYLOAD = 4'd6;
    localparam [3:0] CRC_LOW = 4'd7;
    localparam [3:0] CRC_HIGH = 4'd8;
    localparam [7:0] SYNC_0 = 8'hA5;
    localparam [7:0] SYNC_1 = 8'h5A;
    localparam [7:0] INFO = 8'h01;
    localparam [7:0] INFER = 8'h02;
    localparam [7:0] BAD_CRC = 8'h01;
    localparam [7:0] BAD_LENGTH = 8'h02;
    localparam [7:0] UNKNOWN_TYPE = 8'h03;
    localparam [7:0] BUSY = 8'h04;
    localparam [31:0] FRAME_BYTES = IN_BYTES;
    localparam TIMER_BITS = $clog2(TIMEOUT_CLOCKS + 1);
    localparam [31:0] TIMEOUT = TIMEOUT_CLOCKS;

    reg [3:0] state_q;
    reg [7:0] type_q;
    reg [7:0] sequence_q;
    reg [7:0] low_q;
    reg [15:0] index_q;
    reg [15:0] crc_q;
    reg store_q;
    reg [TIMER_BITS-1:0] timer_q;
    reg release_q;
    reg event_q;
    reg info_q;
    reg [7:0] code_q;
    wire [15:0] crc_next;
    wire [3:0] hunt;
    wire is_info;
    wire is_infer;
    wire length_right;
    wire crc_right;

    initial if (IN_BYTES < 1 || IN_BYTES > 65535) $display("gw_link_rx: IN_BYTES must be 1 to 65535");

    gw_crc16 crc16 (.crc(crc_q), .data(rx_data), .next(crc_next));

    // Whatever rejects a packet, its last byte may be the first of the next one.
    assign hunt = (rx_data == SYNC_0) ? SYNC : HUNT;
    assign is_info = type_q == INFO;
    assign is_infer = type_q == INFER;
    assign length_right = {rx_data, low_q} == (is_infer ? FRAME_BYTES[15:0] : 16'd0);
    assign crc_right = {rx_data, low_q} == crc_q;
    assign store_index = index_q;
    assign store_data = rx_data;
    assign store_valid = rx_valid && (state_q == PAYLOAD) && store_q;
    assign release_frame = release_q;
    assign event_valid = event_q;
    assign event_info = info_q;
    assign event_code = code_q;
    assign packet_sequence = sequence_q;

    always @(posedge clk) begin
        release_q <= 1'b0;
        event_q <= 1'b0;
        timer_q <= (rx_valid || state_q == HUNT) ? TIMEOUT[TIMER_BITS-1:0] : timer_q - 1'b1;
        if (rx_error || timer_q == {TIMER_BITS{1'b0}}) state_q <= HUNT;
        if (rx_valid) begin
            if (state_q != CRC_LOW && state_q != CRC_HIGH) crc_q <= crc_next;
            case (state_q)
                HUNT: state_q <= hunt;
                SYNC: begin
                    crc_q <= 16'hFFFF;
                    state_q <= (rx_data == SYNC_1) ? TYPE : hunt;
                end
                TYPE: begin
                    type_q <= rx_data;
                    // Replies are not for us: a looped-back line must not start an exchange of NAKs.
                    state_q <= rx_data[7] ? hunt : SEQUENCE;
                end
                SEQUENCE: begin
                    sequence_q <= rx_data;
                    state_q <= LENGTH_LOW;
                end
                LENGTH_LOW: begin
                    low_q <= rx_data;
                    state_q <= LENGTH_HIGH;
                end
                LENGTH_HIGH: begin
                    index_q <= 16'd0;
                    store_q <= is_infer && !busy;
                    info_q <= 1'b0;
                    code_q <= (is_info || is_infer) ? BAD_LENGTH : UNKNOWN_TYPE;
                    if ((is_info || is_infer) && length_right) begin
                        state_q <= is_infer ? PAYLOAD : CRC_LOW;
                    end else begin
                        event_q <= 1'b1;
                        state_q <= hunt;
                    end
                end
                PAYLOAD: begin
                    index_q <= index_q + 16'd1;
                    if (index_q == FRAME_BYTES[15:0] - 16'd1) state_q <= CRC_LOW;
                end
                CRC_LOW: begin
                    low_q <= rx_data;
                    state_q <= CRC_HIGH;
                end
                default: begin
                    state_q <= crc_right ? HUNT : hunt;
                    release_q <= crc_right && store_q;
                    event_q <= !(crc_right && store_q);
                    info_q <= crc_right && is_info;
                    code_q <= crc_right ? BUSY : BAD_CRC;
                end
            endcase
        end
        if (rst) begin
            state_q <= HUNT;
            release_q <= 1'b0;
            event_q <= 1'b0;
            timer_q <= TIMEOUT[TIMER_BITS-1:0];
        end
    end
endmodule

`default_nettype wire
