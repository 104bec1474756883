// Frame buffer of gw_link: bytes in at any index, and after `start` the whole frame out as beats.
// Beat i is made of bytes i*B to i*B+B-1, B = ceil(IN_BITS / 8), the first in the low bits; padding is dropped.
// One piece of work is one frame: IN_BEATS * (2*B + 1) clocks where nothing stalls; latency 2*B + 1 clocks.
`default_nettype none

module gw_link_buffer #(
    // Bits of a beat.
    parameter IN_BITS = 8,
    // Beats of a frame.
    parameter IN_BEATS = 1
) (
    input wire clk,
    input wire rst,
    input wire [15:0] store_index,
    input wire [7:0] store_data,
    input wire store_valid,
    input wire start,
    output wire [IN_BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);
    localparam BEAT_BYTES = (IN_BITS + 7) / 8;
    localparam BEAT_BITS = 8 * BEAT_BYTES;
    localparam FRAME_BYTES = BEAT_BYTES * IN_BEATS;
    localparam INDEX_BITS = (FRAME_BYTES > 1) ? $clog2(FRAME_BYTES) : 1;
    localparam COUNT_BITS = $clog2(BEAT_BYTES + 1);
    localparam [31:0] LAST_INDEX = FRAME_BYTES - 1;
    localparam [31:0] LAST_BYTE = BEAT_BYTES - 1;
    localparam [1:0] IDLE = 2'd0;
    localparam [1:0] READ = 2'd1;
    localparam [1:0] TAKE = 2'd2;
    localparam [1:0] OFFER = 2'd3;

    reg [7:0] memory [0:FRAME_BYTES-1];
    reg [7:0] byte_q;
    reg [1:0] state_q;
    reg [INDEX_BITS-1:0] index_q;
    reg [COUNT_BITS-1:0] count_q;
    reg last_q;
    reg [BEAT_BITS-1:0] beat_q;
    wire [BEAT_BITS+7:0] shifted;
    wire [BEAT_BITS:0] padded;
    wire [16:0] store_wide;
    wire unused;

    assign shifted = {byte_q, beat_q};
    assign padded = {1'b0, beat_q};
    assign store_wide = {1'b0, store_index};
    assign unused = &{1'b0, padded[BEAT_BITS:IN_BITS], shifted[7:0], store_wide[16:INDEX_BITS]};
    assign m_tdata = padded[IN_BITS-1:0];
    assign m_tvalid = state_q == OFFER;

    always @(posedge clk) begin
        if (store_valid) memory[store_wide[INDEX_BITS-1:0]] <= store_data;
        byte_q <= memory[index_q];
    end

    always @(posedge clk) begin
        case (state_q)
            IDLE: begin
                index_q <= {INDEX_BITS{1'b0}};
                count_q <= {COUNT_BITS{1'b0}};
                if (start) state_q <= READ;
            end
            READ: state_q <= TAKE;
            TAKE: begin
                beat_q <= shifted[BEAT_BITS+7:8];
                last_q <= index_q == LAST_INDEX[INDEX_BITS-1:0];
                index_q <= index_q + 1'b1;
                count_q <= count_q + 1'b1;
                state_q <= (count_q == LAST_BYTE[COUNT_BITS-1:0]) ? OFFER : READ;
            end
            default: if (m_tready) begin
                count_q <= {COUNT_BITS{1'b0}};
                state_q <= last_q ? IDLE : READ;
            end
        endcase
        if (rst) state_q <= IDLE;
    end
endmodule

`default_nettype wire
