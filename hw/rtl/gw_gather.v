// Beats of a block in another order, perhaps some several times or not at all.
//
//   out beat (i4, i3, i2, i1, i0), i0 fastest, is in beat START + sum over k of STRIDE_k * i_k, i_k = 0 .. N_k-1
//
// Loops are given by the jumps between neighbouring beats out: Jk is what the address grows by where loop k
// counts on and all loops below it start over, Jk = STRIDE_k - sum over j < k of STRIDE_j * (N_j - 1).
//
// One piece of work: one block, IN beats in, N0*N1*N2*N3*N4 beats out. Transposes, channel shuffles, blocks of
// pixels that become channels and back, and repeated pixels are such orders.
// Interval: the larger of the two; one half of a double buffer is read while the other is written.
// Latency: IN + 2 clocks.
`default_nettype none

module gw_gather #(
    parameter BITS      = 8,     // width of a beat
    parameter IN        = 16,    // beats of a block in
    parameter START     = 0,     // the first beat that is read
    parameter N0        = 16,    // counts of the loops, the innermost first
    parameter N1        = 1,
    parameter N2        = 1,
    parameter N3        = 1,
    parameter N4        = 1,
    parameter J0        = 1,     // jumps, perhaps negative
    parameter J1        = 1,
    parameter J2        = 1,
    parameter J3        = 1,
    parameter J4        = 1,
    parameter RAM_STYLE = 0      // 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [BITS-1:0]  s_tdata,
    input  wire             s_tvalid,
    output wire             s_tready,
    output wire [BITS-1:0]  m_tdata,
    output wire             m_tvalid,
    input  wire             m_tready
);
    localparam WORDS = 2 * IN;
    localparam ADDR_BITS = $clog2(WORDS);
    localparam [31:0] OTHER_START = IN + START;
    localparam [31:0] FIRST = START;
    localparam [31:0] JUMP0 = J0;
    localparam [31:0] JUMP1 = J1;
    localparam [31:0] JUMP2 = J2;
    localparam [31:0] JUMP3 = J3;
    localparam [31:0] JUMP4 = J4;
    localparam IN_BITS = IN > 1 ? $clog2(IN) : 1;

    initial if (START < 0 || START >= IN) $display("gw_gather: START must lie in the block, not %0d", START);

    reg  [1:0]           full_q;                     // which halves hold a whole block
    // Writing.
    reg                  wr_half_q;
    reg  [ADDR_BITS-1:0] wr_addr_q;
    wire [IN_BITS-1:0]   unused_position;
    wire                 wr_last;
    wire                 write = s_tvalid && s_tready;
    // Reading.
    reg                  running_q;                  // jump_q and last_q hold
    reg                  rd_half_q;
    reg  [ADDR_BITS-1:0] rd_addr_q;
    reg  [ADDR_BITS-1:0] jump_q;                     // from the beat to read to the next
    reg                  last_q;                     // the beat to read is the block's last
    reg                  read_valid_q;
    reg  [BITS-1:0]      out_q;
    reg                  out_valid_q;
    wire [BITS-1:0]      stored;
    wire                 ce = m_tready || !out_valid_q;
    wire                 ready = running_q && full_q[rd_half_q];
    wire                 read = ready && ce;
    wire                 step = read || !running_q;
    wire                 rd_end = read && last_q;
    wire                 wr_end = write && wr_last;

    assign s_tready = !full_q[wr_half_q];
    assign m_tdata = out_q;
    assign m_tvalid = out_valid_q;

    gw_counter #(.COUNT(IN)) position (
        .clk(clk), .rst(rst), .step(write), .value(unused_position), .last(wr_last));
    gw_ram #(.BITS(BITS), .DEPTH(WORDS), .RAM_STYLE(RAM_STYLE)) buffer (
        .clk(clk),
        .wr_en(write), .wr_addr(wr_addr_q), .wr_data(s_tdata),
        .rd_en(ce), .rd_addr(rd_addr_q), .rd_data(stored));

    // The loops run one beat ahead of the reading.
    wire [4:0] last;
    wire       step1 = step && last[0];
    wire       step2 = step1 && last[1];
    wire       step3 = step2 && last[2];
    wire       step4 = step3 && last[3];
    wire [(N0 > 1 ? $clog2(N0) : 1)-1:0] unused0;
    wire [(N1 > 1 ? $clog2(N1) : 1)-1:0] unused1;
    wire [(N2 > 1 ? $clog2(N2) : 1)-1:0] unused2;
    wire [(N3 > 1 ? $clog2(N3) : 1)-1:0] unused3;
    wire [(N4 > 1 ? $clog2(N4) : 1)-1:0] unused4;
    gw_counter #(.COUNT(N0)) loop0 (.clk(clk), .rst(rst), .step(step), .value(unused0), .last(last[0]));
    gw_counter #(.COUNT(N1)) loop1 (.clk(clk), .rst(rst), .step(step1), .value(unused1), .last(last[1]));
    gw_counter #(.COUNT(N2)) loop2 (.clk(clk), .rst(rst), .step(step2), .value(unused2), .last(last[2]));
    gw_counter #(.COUNT(N3)) loop3 (.clk(clk), .rst(rst), .step(step3), .value(unused3), .last(last[3]));
    gw_counter #(.COUNT(N4)) loop4 (.clk(clk), .rst(rst), .step(step4), .value(unused4), .last(last[4]));

    always @(posedge clk) begin
        if (step) begin
            jump_q <= !last[0] ? JUMP0[ADDR_BITS-1:0]
                    : !last[1] ? JUMP1[ADDR_BITS-1:0]
                    : !last[2] ? JUMP2[ADDR_BITS-1:0]
                    : !last[3] ? JUMP3[ADDR_BITS-1:0] : JUMP4[ADDR_BITS-1:0];
            last_q <= &last;
        end
        if (ce) out_q <= stored;
        if (rst) begin
            running_q <= 1'b0;
            full_q <= 2'b00;
            wr_half_q <= 1'b0;
            wr_addr_q <= {ADDR_BITS{1'b0}};
            rd_half_q <= 1'b0;
            rd_addr_q <= FIRST[ADDR_BITS-1:0];
            read_valid_q <= 1'b0;
            out_valid_q <= 1'b0;
        end else begin
            running_q <= 1'b1;
            // A half is never filled and emptied in the same clock.
            full_q[0] <= (full_q[0] || (wr_end && !wr_half_q)) && !(rd_end && !rd_half_q);
            full_q[1] <= (full_q[1] || (wr_end && wr_half_q)) && !(rd_end && rd_half_q);
            if (wr_end) wr_half_q <= !wr_half_q;
            if (write) wr_addr_q <= wr_end && wr_half_q ? {ADDR_BITS{1'b0}} : wr_addr_q + 1'b1;
            if (rd_end) rd_half_q <= !rd_half_q;
            if (rd_end) rd_addr_q <= rd_half_q ? FIRST[ADDR_BITS-1:0] : OTHER_START[ADDR_BITS-1:0];
            else if (read) rd_addr_q <= rd_addr_q + jump_q;
            if (ce) begin
                read_valid_q <= ready;
                out_valid_q <= read_valid_q;
            end
        end
    end
endmodule

`default_nettype wire
