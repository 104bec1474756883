// Packet sender of gw_link (docs/uart-protocol.md): the reply to an inference, information, or a NAK.
// An inference reply takes OUT_BEATS beats from the stream, each as ceil(OUT_BITS / 8) bytes, low bits first,
// padded with zeros; it starts when the first beat is there. `infer_done` is high for one clock with its last byte.
// One event may wait while another packet is sent; a second one takes its place, and the host repeats its request.
// One piece of work is one packet: 8 bytes and the payload.
`default_nettype none

module gw_link_tx #(
    // Payload bytes of an inference request, 1 to 65535, as the information reply states them.
    parameter IN_BYTES = 1,
    // Bits of an output beat.
    parameter OUT_BITS = 8,
    // Beats of an output frame; OUT_BEATS * ceil(OUT_BITS / 8) is at most 65535.
    parameter OUT_BEATS = 1,
    // What the information reply calls this design.
    parameter [31:0] DESIGN_ID = 32'd0
) (
    input wire clk,
    input wire rst,
    input wire infer_pending,
    input wire [7:0] infer_sequence,
    output wire infer_done,
    input wire event_valid,
    input wire event_info,
    input wire [7:0] event_code,
    input wire [7:0] event_sequence,
    input wire [OUT_BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [7:0] tx_data,
    output wire tx_valid,
    input wire tx_ready
);
    localparam BEAT_BYTES = (OUT_BITS + 7) / 8;
    localparam BEAT_BITS = 8 * BEAT_BYTES;
    localparam FRAME_BYTES = BEAT_BYTES * OUT_BEATS;
    localparam COUNT_BITS = $clog2(BEAT_BYTES + 1);
    localparam [31:0] OUT_BYTES = FRAME_BYTES;
    localparam [31:0] REQUEST_BYTES = IN_BYTES;
    localparam [31:0] LAST_BYTE = BEAT_BYTES - 1;
    localparam [7:0] VERSION = 8'h01;
    localparam [15:0] INFO_BYTES = 16'd9;
    localparam [79:0] INFORMATION = {8'd0, DESIGN_ID, OUT_BYTES[15:0], REQUEST_BYTES[15:0], VERSION};
    localparam [2:0] IDLE = 3'd0;
    localparam [2:0] HEADER = 3'd1;
    localparam [2:0] BEAT = 3'd2;
    localparam [2:0] PAYLOAD = 3'd3;
    localparam [2:0] CRC_LOW = 3'd4;
    localparam [2:0] CRC_HIGH = 3'd5;

    reg [2:0] state_q;
    reg waiting_q;
    reg waiting_info_q;
    reg [7:0] waiting_code_q;
    reg [7:0] waiting_sequence_q;
    reg infer_q;
    reg info_q;
    reg [7:0] code_q;
    reg [7:0] sequence_q;
    reg [2:0] header_q;
    reg [15:0] left_q;
    reg [15:0] crc_q;
    reg [BEAT_BITS-1:0] beat_q;
    reg [COUNT_BITS-1:0] count_q;
    reg [3:0] index_q;
    reg [7:0] byte_d;
    wire [15:0] length;
    wire [15:0] crc_next;
    wire [7:0] short_byte;
    wire [BEAT_BITS:0] padded;
    wire moves;
    wire unused;

    initial if (FRAME_BYTES > 65535) $display("gw_link_tx: a frame must be at most 65535 bytes");

    gw_crc16 crc16 (.crc(crc_q), .data(byte_d), .next(crc_next));

    assign length = infer_q ? OUT_BYTES[15:0] : (info_q ? INFO_BYTES : 16'd1);
    assign short_byte = info_q ? INFORMATION[{index_q, 3'd0} +: 8] : code_q;
    assign padded = {{(BEAT_BITS - OUT_BITS + 1) {1'b0}}, s_tdata};
    assign unused = padded[BEAT_BITS];
    assign moves = tx_valid && tx_ready;
    assign tx_data = byte_d;
    assign tx_valid = (state_q != IDLE) && (state_q != BEAT);
    assign s_tready = state_q == BEAT;
    assign infer_done = moves && infer_q && (state_q == CRC_HIGH);

    always @* begin
        case (state_q)
            HEADER: case (header_q)
                3'd0: byte_d = 8'hA5;
                3'd1: byte_d = 8'h5A;
                3'd2: byte_d = infer_q ? 8'h82 : (info_q ? 8'h81 : 8'hFF);
                3'd3: byte_d = sequence_q;
                3'd4: byte_d = length[7:0];
                default: byte_d = length[15:8];
            endcase
            PAYLOAD: byte_d = infer_q ? beat_q[7:0] : short_byte;
            CRC_LOW: byte_d = crc_q[7:0];
            default: byte_d = crc_q[15:8];
        endcase
    end

    always @(posedge clk) begin
        if (state_q == IDLE) begin
            header_q <= 3'd0;
            index_q <= 4'd0;
            infer_q <= !waiting_q;
            info_q <= waiting_info_q;
            code_q <= waiting_code_q;
            sequence_q <= waiting_q ? waiting_sequence_q : infer_sequence;
            if (waiting_q || (infer_pending && s_tvalid)) state_q <= HEADER;
            waiting_q <= 1'b0;
        end
        if (event_valid) begin
            waiting_q <= 1'b1;
            waiting_info_q <= event_info;
            waiting_code_q <= event_code;
            waiting_sequence_q <= event_sequence;
        end
        if (state_q == BEAT && s_tvalid) begin
            beat_q <= padded[BEAT_BITS-1:0];
            count_q <= {COUNT_BITS{1'b0}};
            state_q <= PAYLOAD;
        end
        if (moves) begin
            if (state_q == HEADER) begin
                header_q <= header_q + 3'd1;
                // The sync bytes stay outside the CRC.
                crc_q <= (header_q < 3'd2) ? 16'hFFFF : crc_next;
                left_q <= length;
                if (header_q == 3'd5) state_q <= infer_q ? BEAT : PAYLOAD;
            end
            if (state_q == PAYLOAD) begin
                crc_q <= crc_next;
                beat_q <= beat_q >> 8;
                count_q <= count_q + 1'b1;
                index_q <= index_q + 4'd1;
                left_q <= left_q - 16'd1;
                if (left_q == 16'd1) state_q <= CRC_LOW;
                else if (infer_q && count_q == LAST_BYTE[COUNT_BITS-1:0]) state_q <= BEAT;
            end
            if (state_q == CRC_LOW) state_q <= CRC_HIGH;
            if (state_q == CRC_HIGH) state_q <= IDLE;
        end
        if (rst) begin
            state_q <= IDLE;
            waiting_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
