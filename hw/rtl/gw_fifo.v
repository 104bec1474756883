// First in, first out, first word falls through.
//
//   Holds exactly DEPTH beats: with m_tready low, s_tready drops after DEPTH beats went in.
//   s_tready and m_tvalid are registers, so neither ready nor valid passes through in the same clock.
//   One piece of work: one beat.
//   Interval: 1 clock, whatever the fill (at DEPTH - 1 beats it still takes one and gives one a clock).
//   Latency: 1 clock for DEPTH = 2, else 3 (write, RAM read, output register).
//
// DEPTH = 2 is two registers. Otherwise a RAM feeds a two-stage prefetch, which keeps the slow clock-to-out
// of block RAM off m_tdata; the two stages count as entries, so the RAM needs only DEPTH - 2 words.

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

    reg [BITS-1:0] out_q;
    reg out_valid_q;
    reg ready_q;

    wire push = s_tvalid && ready_q;
    wire out_free = m_tready || !out_valid_q;

    assign s_tready = ready_q;
    assign m_tdata = out_q;
    assign m_tvalid = out_valid_q;

    initial if (DEPTH < 2) $display("gw_fifo: DEPTH must be at least 2, not %0d", DEPTH);

    generate
        if (DEPTH <= 2) begin : two
            // The spare register fills only while the output waits; ready_q low means that it is full.
            reg [BITS-1:0] spare_q;

            always @(posedge clk) begin
                if (out_free) out_q <= ready_q ? s_tdata : spare_q;
                if (ready_q) spare_q <= s_tdata;
                if (rst) begin
                    out_valid_q <= 1'b0;
                    ready_q <= 1'b1;
                end else if (out_free) begin
                    out_valid_q <= push || !ready_q;
                    ready_q <= 1'b1;
                end else if (push) begin
                    ready_q <= 1'b0;
                end
            end
        end else begin : many
            // RAM words: two at least, so that a word is never written while its address is read.
            localparam WORDS = (DEPTH < 4) ? 2 : DEPTH - 2;
            localparam ADDR_BITS = $clog2(WORDS);
            localparam COUNT_BITS = $clog2(DEPTH - 1);
            localparam LAST = WORDS - 1;
            localparam FULL = DEPTH - 2;
            localparam [ADDR_BITS-1:0] LAST_ADDR = LAST[ADDR_BITS-1:0];
            localparam [COUNT_BITS-1:0] FULL_COUNT = FULL[COUNT_BITS-1:0];
            localparam [COUNT_BITS-1:0] ONE_LESS = FULL_COUNT - 1'b1;

            reg [ADDR_BITS-1:0] wr_addr_q;
            reg [ADDR_BITS-1:0] rd_addr_q;
            reg [COUNT_BITS-1:0] count_q;    // beats in the RAM
            reg fetched_q;                   // the RAM's read register holds a beat
            wire [BITS-1:0] fetched;

            wire fetch = (out_free || !fetched_q) && count_q != {COUNT_BITS{1'b0}};
            // More than one beat in the RAM implies that both stages behind it are full, so the RAM's count
            // tells when DEPTH is reached; only DEPTH = 3 has to look at the stages too.
            wire full_ram_d = fetch ? (count_q == FULL_COUNT && push)
                                    : (count_q == FULL_COUNT || (count_q == ONE_LESS && push));
            wire fetched_d = fetch || (fetched_q && !out_free);
            wire out_valid_d = fetched_q || !out_free;
            wire full_d = full_ram_d && (DEPTH > 3 || (fetched_d && out_valid_d));

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
                    out_valid_q <= out_valid_d;
                    fetched_q <= fetched_d;
                    ready_q <= !full_d;
                end
            end
        end
    endgenerate

endmodule

`default_nettype wire
