// First in, first out, first word falls through.
//
//   Holds exactly DEPTH beats: with m_tready low, s_tready drops after DEPTH beats went in.
//   s_tready and m_tvalid are registers, so neither ready nor valid passes through in the same clock.
//   One piece of work: one beat.
//   Interval: 1 clock, whatever the fill (at DEPTH - 1 beats it still takes one and gives one a clock).
//   Latency: 1 clock for DEPTH 2 and 3, else 3 (write, RAM read, output register).
//
// Up to 3 entries are registers: a path of 3 clocks would fill them and stall. Beyond, a RAM feeds a
// two-stage prefetch, which keeps the slow clock-to-out of block RAM off m_tdata; the two stages count as
// entries, so the RAM needs only DEPTH - 2 words.

`default_nettype none

module gw_fifo #(
    parameter BITS = 8,        // width of tdata
    parameter DEPTH = 16,      // beats it holds, >= 2
    parameter RAM_STYLE = 0    // 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input wire clk,
    input wire rst,
    input wire [BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    reg ready_q;

    wire push = s_tvalid && ready_q;

    assign s_tready = ready_q;

    initial if (DEPTH < 2) $display("gw_fifo: DEPTH must be at least 2, not %0d", DEPTH);

    genvar i;
    generate
        if (DEPTH < 4) begin : few
            localparam SLOTS = (DEPTH == 3) ? 3 : 2;

            // Entry 0 is the output; a beat goes to the first free one. ready_q is the last's "not valid".
            reg [SLOTS*BITS-1:0] data_q;
            reg [SLOTS-2:0] valid_q;

            wire [SLOTS-1:0] valid = {!ready_q, valid_q};
            wire pop = m_tready && valid_q[0];
            wire [SLOTS-1:0] valid_d = (push == pop) ? valid
                                     : push ? {valid[SLOTS-2:0], 1'b1} : {1'b0, valid[SLOTS-1:1]};

            assign m_tdata = data_q[BITS-1:0];
            assign m_tvalid = valid_q[0];

            for (i = 0; i < SLOTS; i = i + 1) begin : entry
                wire [BITS-1:0] next;

                if (i < SLOTS - 1) begin : inner
                    assign next = valid[i+1] ? data_q[(i+1)*BITS +: BITS] : s_tdata;
                end else begin : last
                    assign next = s_tdata;
                end
                always @(posedge clk) if (pop || !valid[i]) data_q[i*BITS +: BITS] <= next;
            end

            always @(posedge clk) begin
                if (rst) begin
                    valid_q <= {(SLOTS-1){1'b0}};
                    ready_q <= 1'b1;
                end else begin
                    valid_q <= valid_d[SLOTS-2:0];
                    ready_q <= !valid_d[SLOTS-1];
                end
            end
        end else begin : many
            localparam WORDS = DEPTH - 2;
            localparam ADDR_BITS = $clog2(WORDS);
            localparam COUNT_BITS = $clog2(WORDS + 1);
            localparam LAST = WORDS - 1;
            localparam FULL = WORDS;
            localparam [ADDR_BITS-1:0] LAST_ADDR = LAST[ADDR_BITS-1:0];
            localparam [COUNT_BITS-1:0] FULL_COUNT = FULL[COUNT_BITS-1:0];
            localparam [COUNT_BITS-1:0] ONE_LESS = FULL_COUNT - 1'b1;

            reg [BITS-1:0] out_q;
            reg out_valid_q;
            reg [ADDR_BITS-1:0] wr_addr_q;
            reg [ADDR_BITS-1:0] rd_addr_q;
            reg [COUNT_BITS-1:0] count_q;    // beats in the RAM
            reg fetched_q;                   // the RAM's read register holds a beat
            wire [BITS-1:0] fetched;

            wire out_free = m_tready || !out_valid_q;
            wire fetch = (out_free || !fetched_q) && count_q != {COUNT_BITS{1'b0}};
            // A beat that stays in the RAM means that both stages behind it are full, so the RAM's count
            // tells when DEPTH is reached.
            wire full_d = fetch ? (count_q == FULL_COUNT && push)
                                : (count_q == FULL_COUNT || (count_q == ONE_LESS && push));

            assign m_tdata = out_q;
            assign m_tvalid = out_valid_q;

            gw_ram #(.BITS(BITS), .DEPTH(WORDS), .RAM_STYLE(RAM_STYLE)) ram (
                .clk(clk),
                .wr_en(push), .wr_addr(wr_addr_q), .wr_data(s_tdata),
                .rd_en(fetch), .rd_addr(rd_addr_q), .rd_data(fetched));

            always @(posedge clk) begin
                if (out_free) out_q <= fetched;
                if (rst) begin
                    wr_addr_q <= {ADDR_BITS{1'b0}};
                    rd_addr_q <= {ADDR_BITS{1'b0}};
                    count_q <= {COUNT_BITS{1'b0}};
                    fetched_q <= 1'b0;
                    out_valid_q <= 1'b0;
                    ready_q <= 1'b1;
                end else begin
                    if (push) wr_addr_q <= (wr_addr_q == LAST_ADDR) ? {ADDR_BITS{1'b0}} : wr_addr_q + 1'b1;
                    if (fetch) rd_addr_q <= (rd_addr_q == LAST_ADDR) ? {ADDR_BITS{1'b0}} : rd_addr_q + 1'b1;
                    if (push && !fetch) count_q <= count_q + 1'b1;
                    if (fetch && !push) count_q <= count_q - 1'b1;
                    out_valid_q <= fetched_q || !out_free;
                    fetched_q <= fetch || (fetched_q && !out_free);
                    ready_q <= !full_d;
                end
            end
        end
    endgenerate

endmodule

`default_nettype wire
