// The windows of a 2-D (or 1-D) convolution or pooling, one after the other.
//
//   For each output row oy and column ox, each ky and kx, all C channels of the input pixel
//       row oy*SH - PT + ky*DH,  column ox*SW - PL + kx*DW,
//   or C times PAD_CODE where that lies outside the H x W frame.
//   OH = floor((H + PT + PB - DH*(KH-1) - 1) / SH) + 1, and OW likewise.
//
//   One piece of work: one frame, H*W*C/SIMD beats in, OH*OW*KH*KW*C/SIMD out.
//   Interval: max(H*W, OH*OW*KH*KW) * C/SIMD clocks, frame after frame.
//   Latency: 3 clocks; a frame's first beat out waits for its first beat in, even if it is padding.
//
// A ring of RING beats keeps what later windows still need. Indices count the beats of the stream from the
// start of a frame on, so the ring knows no rows: a read at row y, column x, chunk c has index
// (y*W + x)*C/SIMD + c, padding included, and going from one beat of a window to the next adds one of six
// constants. Three registers follow from that, each updated by adding such a constant, which the loop
// counters, one beat ahead, have put into a register before:
//   rd_addr_q  read index modulo RING
//   ahead_q    beats written beyond the read index; a read of a real pixel waits while it is negative
//   room_q     free beats less one; what lies before the current window's first index is free
// Rows and columns that no window touches are written and then released like the others.

`default_nettype none

module gw_sliding_window #(
    parameter H = 8,            // rows of a frame
    parameter W = 8,            // columns of a frame
    parameter C = 4,            // channels
    parameter SIMD = 2,         // channels a beat; divides C
    parameter BITS = 8,         // width of an element
    parameter KH = 3,           // rows of a window
    parameter KW = 3,           // columns of a window
    parameter SH = 1,           // stride down
    parameter SW = 1,           // stride across
    parameter DH = 1,           // dilation down: rows from one ky to the next
    parameter DW = 1,           // dilation across
    parameter PT = 1,           // padding at the top
    parameter PL = 1,           // padding on the left
    parameter PB = 1,           // padding at the bottom
    parameter PR = 1,           // padding on the right
    parameter PAD_CODE = 0,     // code of each padded element, BITS bits
    parameter RAM_STYLE = 0     // ring: 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input wire clk,
    input wire rst,
    input wire [SIMD*BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [SIMD*BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    localparam OH = (H + PT + PB - DH * (KH - 1) - 1) / SH + 1;
    localparam OW = (W + PL + PR - DW * (KW - 1) - 1) / SW + 1;

    // Everything below counts beats: a pixel is CH of them, a row ROW.
    localparam CH = C / SIMD;
    localparam ROW = W * CH;

    // Index steps from one beat to the next: within a pixel, then to the next kx, ky, ox, oy and frame.
    localparam NEXT_C = 1;
    localparam NEXT_KX = DW * CH - (CH - 1);
    localparam NEXT_KY = DH * ROW - (KW - 1) * DW * CH - (CH - 1);
    localparam NEXT_OX = SW * CH - (KH - 1) * DH * ROW - (KW - 1) * DW * CH - (CH - 1);
    localparam NEXT_OY = NEXT_OX + SH * ROW - OW * SW * CH;
    localparam NEXT_FRAME = NEXT_OY + H * ROW - OH * SH * ROW;

    // What a finished window, row of windows and frame releases. Each is >= 0, so the release never runs
    // back; where large padding would make it (windows beyond the right or lower edge), it stops at
    // FREE_COLS windows of a row and FREE_ROWS rows, and LAG is what stays behind for the while.
    localparam LOW = (SH < H) ? SH : H;
    localparam COLS = LOW * W / SW + 1;
    localparam FREE_COLS = (OW < COLS) ? OW : COLS;
    localparam ROWS = (H * W - (FREE_COLS - 1) * SW) / (SH * W) + 1;
    localparam FREE_ROWS = (OH < ROWS) ? OH : ROWS;
    localparam FREE_OX = SW * CH;
    localparam FREE_OY = SH * ROW - (FREE_COLS - 1) * SW * CH;
    localparam FREE_FRAME = H * ROW - (FREE_ROWS - 1) * SH * ROW - (FREE_COLS - 1) * SW * CH;
    localparam LAG = (OW - FREE_COLS) * SW * CH + (OH - FREE_ROWS) * SH * ROW;

    // The ring, in beats. A window spans SPAN beats (LEAD: its padding before the frame). To keep the
    // interval, a write must also get ahead while a window waits for its release: REACH is how far beyond
    // its first index a window reads, less the clocks that pass before it does, and BURST the largest
    // release. Where writing takes longer than reading at every level (columns, rows, frame), a window's
    // own time is enough; where the levels differ, MIXED evens them out. tests/rtl/test_sliding_window.py
    // checks the sum against a clock-by-clock model over thousands of shapes.
    localparam LEAD = PT * ROW + PL * CH;
    localparam WINDOW = (KH - 1) * DH * ROW + (KW - 1) * DW * CH + CH;
    localparam SPAN = (WINDOW > LEAD) ? WINDOW : LEAD + 1;
    localparam DOWN = (DH * W > KW) ? (KH - 1) * (DH * W - KW) * CH : 0;
    localparam ACROSS = DOWN + (KW - 1) * (DW - 1) * CH;
    localparam REACH = (ACROSS > LEAD) ? ACROSS : LEAD;
    localparam BURST_OX = (OW > 1) ? FREE_OX : 0;
    localparam BURST_OY = (OH > 1 && FREE_OY > BURST_OX) ? FREE_OY : BURST_OX;
    localparam BURST = (FREE_FRAME > BURST_OY) ? FREE_FRAME : BURST_OY;
    localparam PIXEL_READ = KH * KW * CH;
    localparam ROW_READ = OW * PIXEL_READ;
    localparam LAST_OX = SH * ROW - (OW - 1) * SW * CH;
    localparam LAST_OY = H * ROW - (OH - 1) * SH * ROW;
    localparam SLOW_WRITE = PIXEL_READ <= SW * CH && PIXEL_READ <= LAST_OX
                         && ROW_READ <= SH * ROW && ROW_READ <= LAST_OY;
    localparam MIXED_OX = (SW * CH > PIXEL_READ && PIXEL_READ > LAST_OX) ? PIXEL_READ - LAST_OX : 0;
    localparam MIXED_OY = (SH * ROW > ROW_READ && ROW_READ > LAST_OY) ? ROW_READ - LAST_OY : 0;
    localparam QUICK = REACH + BURST + MIXED_OX + MIXED_OY;
    localparam AHEAD = (QUICK > SPAN + MIXED_OX + MIXED_OY) ? QUICK : SPAN + MIXED_OX + MIXED_OY;
    localparam RING = (SLOW_WRITE ? SPAN + PIXEL_READ : AHEAD) + LAG + 4;

    // Widths. INDEX bounds the distance of any two indices that are compared.
    localparam INDEX = RING + (H + PT + PB + 1) * ROW + (PL + PR + 1) * CH;
    localparam INDEX_BITS = $clog2(INDEX + 1) + 1;
    localparam ADDR_BITS = $clog2(RING);
    localparam Y_BITS = $clog2(H + PT + PB + 1) + 1;
    localparam X_BITS = $clog2(W + PL + PR + 1) + 1;

    // A frame's first beat waits for index 0, whatever its own, so the steps to and from it differ.
    localparam TO_FIRST = NEXT_FRAME + LEAD;
    localparam FROM_FIRST = ((CH > 1) ? NEXT_C : (KW > 1) ? NEXT_KX : (KH > 1) ? NEXT_KY
                          : (OW > 1) ? NEXT_OX : (OH > 1) ? NEXT_OY : TO_FIRST) - LEAD;
    localparam JUMP_C = ((NEXT_C % RING) + RING) % RING;
    localparam JUMP_KX = ((NEXT_KX % RING) + RING) % RING;
    localparam JUMP_KY = ((NEXT_KY % RING) + RING) % RING;
    localparam JUMP_OX = ((NEXT_OX % RING) + RING) % RING;
    localparam JUMP_OY = ((NEXT_OY % RING) + RING) % RING;
    localparam JUMP_FRAME = ((NEXT_FRAME % RING) + RING) % RING;
    localparam START_ADDR = (RING - LEAD % RING) % RING;
    localparam START_AHEAD = -1;
    localparam START_ROOM = RING - 1 - LEAD;
    localparam LAST_ADDR = RING - 1;

    // Coordinates move with ky, ox and oy (rows) and with kx, ky, ox and oy (columns).
    localparam X_KY = -(KW - 1) * DW;
    localparam X_OX = SW + X_KY;
    localparam X_OY = X_KY - (OW - 1) * SW;
    localparam Y_OX = -(KH - 1) * DH;
    localparam Y_OY = SH + Y_OX;
    localparam Y_FRAME = Y_OX - (OH - 1) * SH;
    localparam START_X = -PL;
    localparam START_Y = -PT;

    // Steps from the beat to read to the one after it; running_q is low in the clock that makes the first.
    reg running_q;
    reg start_q;                         // the loops are at a frame's first beat
    reg [INDEX_BITS-1:0] next_q;
    reg [INDEX_BITS-1:0] release_q;
    reg [ADDR_BITS-1:0] jump_q;
    reg [X_BITS-1:0] x_step_q;
    reg [Y_BITS-1:0] y_step_q;
    reg last_q;                          // the beat to read is a frame's last

    // The beat to read.
    reg [X_BITS-1:0] x_q;                // two's complement, so that a negative one is beyond W
    reg [Y_BITS-1:0] y_q;
    reg pad_q;                           // it is padding
    reg first_q;                         // it is a frame's first
    reg [ADDR_BITS-1:0] rd_addr_q;
    reg [ADDR_BITS-1:0] wr_addr_q;
    reg [INDEX_BITS-1:0] ahead_q;        // two's complement
    reg [INDEX_BITS-1:0] room_q;         // two's complement: -1 when full
    reg read_valid_q;
    reg read_pad_q;
    reg [SIMD*BITS-1:0] out_q;
    reg out_valid_q;

    wire [SIMD*BITS-1:0] stored;
    wire [2:0] level;
    wire release_input;
    wire [X_BITS-1:0] x_d = x_q + x_step_q;
    wire [Y_BITS-1:0] y_d = y_q + y_step_q;
    wire ready = !ahead_q[INDEX_BITS-1] || (pad_q && !first_q);
    wire ce = m_tready || !out_valid_q;
    wire read = ready && ce && running_q;
    wire step = read || !running_q;
    wire write = s_tvalid && s_tready;
    wire [ADDR_BITS:0] sum = {1'b0, rd_addr_q} + {1'b0, jump_q};
    wire [ADDR_BITS:0] wrapped = sum - RING[ADDR_BITS:0];

    wire [INDEX_BITS-1:0] next = start_q ? FROM_FIRST[INDEX_BITS-1:0]
                               : (level == 3'd0) ? NEXT_C[INDEX_BITS-1:0]
                               : (level == 3'd1) ? NEXT_KX[INDEX_BITS-1:0]
                               : (level == 3'd2) ? NEXT_KY[INDEX_BITS-1:0]
                               : (level == 3'd3) ? NEXT_OX[INDEX_BITS-1:0]
                               : (level == 3'd4) ? NEXT_OY[INDEX_BITS-1:0] : TO_FIRST[INDEX_BITS-1:0];
    wire [ADDR_BITS-1:0] jump = (level == 3'd0) ? JUMP_C[ADDR_BITS-1:0]
                            : (level == 3'd1) ? JUMP_KX[ADDR_BITS-1:0]
                            : (level == 3'd2) ? JUMP_KY[ADDR_BITS-1:0]
                            : (level == 3'd3) ? JUMP_OX[ADDR_BITS-1:0]
                            : (level == 3'd4) ? JUMP_OY[ADDR_BITS-1:0] : JUMP_FRAME[ADDR_BITS-1:0];
    wire [X_BITS-1:0] x_step = (level == 3'd0) ? {X_BITS{1'b0}}
                             : (level == 3'd1) ? DW[X_BITS-1:0]
                             : (level == 3'd2) ? X_KY[X_BITS-1:0]
                             : (level == 3'd3) ? X_OX[X_BITS-1:0] : X_OY[X_BITS-1:0];
    wire [Y_BITS-1:0] y_step = (level == 3'd0 || level == 3'd1) ? {Y_BITS{1'b0}}
                             : (level == 3'd2) ? DH[Y_BITS-1:0]
                             : (level == 3'd3) ? Y_OX[Y_BITS-1:0]
                             : (level == 3'd4) ? Y_OY[Y_BITS-1:0] : Y_FRAME[Y_BITS-1:0];

    wire [INDEX_BITS-1:0] released = !release_input ? {INDEX_BITS{1'b0}}
                                   : (level == 3'd3) ? FREE_OX[INDEX_BITS-1:0]
                                   : (level == 3'd4) ? FREE_OY[INDEX_BITS-1:0] : FREE_FRAME[INDEX_BITS-1:0];

    assign s_tready = !room_q[INDEX_BITS-1];
    assign m_tdata = out_q;
    assign m_tvalid = out_valid_q;

    initial if (C % SIMD != 0) $display("gw_sliding_window: SIMD must divide C, not %0d and %0d", SIMD, C);
    initial if (H + PT + PB <= DH * (KH - 1) || W + PL + PR <= DW * (KW - 1))
        $display("gw_sliding_window: the window must fit the padded frame, %0d rows of %0d",
                 H + PT + PB, W + PL + PR);

    gw_ram #(.BITS(SIMD*BITS), .DEPTH(RING), .RAM_STYLE(RAM_STYLE)) ring (
        .clk(clk),
        .wr_en(write), .wr_addr(wr_addr_q), .wr_data(s_tdata),
        .rd_en(ce), .rd_addr(rd_addr_q), .rd_data(stored));

    gw_window_loops #(
        .CH(CH), .KW(KW), .KH(KH), .OW(OW), .OH(OH), .FREE_COLS(FREE_COLS), .FREE_ROWS(FREE_ROWS)
    ) loops (.clk(clk), .rst(rst), .step(step), .level(level), .release_input(release_input));

    always @(posedge clk) begin
        if (ce) begin
            read_pad_q <= pad_q;
            out_q <= read_pad_q ? {SIMD{PAD_CODE[BITS-1:0]}} : stored;
        end
        if (rst) begin
            read_valid_q <= 1'b0;
            out_valid_q <= 1'b0;
        end else if (ce) begin
            read_valid_q <= ready;
            out_valid_q <= read_valid_q;
        end
    end

    always @(posedge clk) begin
        if (step) begin
            next_q <= next;
            release_q <= released;
            jump_q <= jump;
            x_step_q <= x_step;
            y_step_q <= y_step;
            last_q <= level == 3'd5;
        end
        if (rst) begin
            running_q <= 1'b0;
            start_q <= 1'b1;
        end else if (step) begin
            running_q <= 1'b1;
            start_q <= level == 3'd5;
        end
    end

    always @(posedge clk) begin
        if (rst) begin
            x_q <= START_X[X_BITS-1:0];
            y_q <= START_Y[Y_BITS-1:0];
            pad_q <= PT + PL > 0;
            first_q <= 1'b1;
            rd_addr_q <= START_ADDR[ADDR_BITS-1:0];
        end else if (read) begin
            x_q <= x_d;
            y_q <= y_d;
            pad_q <= (PT + PB > 0 && y_d >= H[Y_BITS-1:0]) || (PL + PR > 0 && x_d >= W[X_BITS-1:0]);
            first_q <= last_q;
            rd_addr_q <= wrapped[ADDR_BITS] ? sum[ADDR_BITS-1:0] : wrapped[ADDR_BITS-1:0];
        end
    end

    always @(posedge clk) begin
        if (rst) begin
            wr_addr_q <= {ADDR_BITS{1'b0}};
            ahead_q <= START_AHEAD[INDEX_BITS-1:0];
            room_q <= START_ROOM[INDEX_BITS-1:0];
        end else begin
            if (write) wr_addr_q <= (wr_addr_q == LAST_ADDR[ADDR_BITS-1:0]) ? {ADDR_BITS{1'b0}}
                                                                            : wr_addr_q + 1'b1;
            ahead_q <= ahead_q - (read ? next_q : {INDEX_BITS{1'b0}}) + {{(INDEX_BITS-1){1'b0}}, write};
            room_q <= room_q + (read ? release_q : {INDEX_BITS{1'b0}})
                    - {{(INDEX_BITS-1){1'b0}}, write};
        end
    end

endmodule

`default_nettype wire
