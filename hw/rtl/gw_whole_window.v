// The windows of a 2-D convolution, each whole in one beat.
//
//   Beat oy*OW + ox out: for each ky and kx, all C channels of the input pixel
//       row oy*SH + ky*DH,  column ox*SW + kx*DW
//   of a frame of H rows of W pixels, a pixel a beat; tap (0, 0) in the low bits.
//   OH = floor((H - DH*(KH-1) - 1) / SH) + 1, and OW likewise. A border, where there is one, is part of the frame.
//
//   One piece of work: one frame, H*W beats in, OH*OW out.
//   Interval: H*W clocks, frame after frame.
//   Latency: DH*(KH-1)*W + DW*(KW-1) + 1 clocks; a window leaves a clock after its last pixel came.
//
// A line memory of DH*W words holds, for each place in DH rows, the pixels above it that later windows need;
// each step reads a place's word, and writes it back with the new pixel put in and the oldest dropped. The
// window itself lies in registers, which move by a pixel a step.

`default_nettype none

module gw_whole_window #(
    parameter H = 8,            // rows of a frame
    parameter W = 8,            // pixels of a row
    parameter PIXEL = 16,       // bits of a pixel, all channels
    parameter KH = 3,           // rows of a window
    parameter KW = 3,           // columns of a window
    parameter SH = 1,           // stride down
    parameter SW = 1,           // stride across
    parameter DH = 1,           // dilation down
    parameter DW = 1,           // dilation across
    parameter RAM_STYLE = 0     // line memory: 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input wire clk,
    input wire rst,
    input wire [PIXEL-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [KH*KW*PIXEL-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    localparam FIRST_ROW = DH * (KH - 1);
    localparam FIRST_COL = DW * (KW - 1);
    localparam OH = (H - FIRST_ROW - 1) / SH + 1;
    localparam OW = (W - FIRST_COL - 1) / SW + 1;
    localparam SPAN = FIRST_COL + 1;              // pixels of a row from a window's first column to its last

    reg valid_q;
    wire in_row;                                  // the pixel at hand is the last of a window's row
    wire in_rows;
    wire last_col;
    wire [KH*PIXEL-1:0] column;                   // the pixel, and those above it: the lowest row on top

    wire ce = m_tready || !valid_q;
    wire step = ce && s_tvalid;

    assign s_tready = ce;
    assign m_tvalid = valid_q;

    initial if (H <= FIRST_ROW || W <= FIRST_COL)
        $display("gw_whole_window: the window must fit the frame, %0d rows of %0d", H, W);

    gw_axis_range #(.N(W), .FIRST(FIRST_COL), .COUNT(OW), .STEP(SW)) columns (
        .clk(clk), .rst(rst), .move(step), .chosen(in_row), .last(last_col));
    wire unused_last;
    gw_axis_range #(.N(H), .FIRST(FIRST_ROW), .COUNT(OH), .STEP(SH)) rows (
        .clk(clk), .rst(rst), .move(step && last_col), .chosen(in_rows), .last(unused_last));

    always @(posedge clk) begin
        if (rst) valid_q <= 1'b0;
        else if (ce) valid_q <= s_tvalid && in_row && in_rows;
    end

    genvar ky;
    genvar kx;
    generate
        if (KH == 1) begin : g_line
            assign column = s_tdata;
        end else begin : g_lines
            localparam PLACES = DH * W;
            wire [(KH-1)*PIXEL-1:0] above;        // the oldest row in the low bits
            assign column = {s_tdata, above};
            gw_line_memory #(.BITS((KH-1)*PIXEL), .PLACES(PLACES), .RAM_STYLE(RAM_STYLE)) memory (
                .clk(clk), .rst(rst), .step(step), .d(column[KH*PIXEL-1:PIXEL]), .q(above));
        end

        for (ky = 0; ky < KH; ky = ky + 1) begin : g_row
            wire [PIXEL-1:0] newest = column[ky*PIXEL +: PIXEL];
            reg [SPAN*PIXEL-1:0] row_q;           // the newest pixel on top
            if (SPAN == 1) begin : g_one
                always @(posedge clk) if (step) row_q <= newest;
            end else begin : g_shift
                always @(posedge clk) if (step) row_q <= {newest, row_q[SPAN*PIXEL-1:PIXEL]};
            end
            for (kx = 0; kx < KW; kx = kx + 1) begin : g_tap
                assign m_tdata[(ky*KW + kx)*PIXEL +: PIXEL] = row_q[kx*DW*PIXEL +: PIXEL];
            end
        end
    endgenerate

endmodule

`default_nettype wire
