// The loop nest of a window generator: which loop the beat at hand ends.
//
//   level 0: a further chunk of the same pixel follows; 1: the next kx; 2: the next ky; 3: the next ox;
//   4: the next oy; 5: the next frame. One step a clock where step is high.
//   release_input is high where the step is one that may release input: all of levels 3 to 5, but only in the
//   first FREE_COLS windows of a row and the first FREE_ROWS rows (level 5 always).

`default_nettype none

module gw_window_loops #(
    parameter CH = 2,           // beats a pixel
    parameter KW = 3,           // columns of a window
    parameter KH = 3,           // rows of a window
    parameter OW = 8,           // windows a row
    parameter OH = 8,           // rows of windows
    parameter FREE_COLS = 8,    // 1 .. OW
    parameter FREE_ROWS = 8     // 1 .. OH
) (
    input wire clk,
    input wire rst,
    input wire step,
    output wire [2:0] level,
    output wire release_input
);

    localparam C_LEFT = CH - 1;
    localparam KX_LEFT = KW - 1;
    localparam KY_LEFT = KH - 1;
    localparam OX_LEFT = OW - 1;
    localparam OY_LEFT = OH - 1;
    localparam COLS_KEPT = OW - FREE_COLS;
    localparam ROWS_KEPT = OH - FREE_ROWS;
    localparam C_BITS = (CH > 1) ? $clog2(CH) : 1;
    localparam KX_BITS = (KW > 1) ? $clog2(KW) : 1;
    localparam KY_BITS = (KH > 1) ? $clog2(KH) : 1;
    // Where something is kept, the count has room for a value beyond the one it is compared with.
    localparam COLS = (COLS_KEPT > 0) ? OW + 1 : OW;
    localparam ROWS = (ROWS_KEPT > 0) ? OH + 1 : OH;
    localparam OX_BITS = (COLS > 1) ? $clog2(COLS) : 1;
    localparam OY_BITS = (ROWS > 1) ? $clog2(ROWS) : 1;

    reg [C_BITS-1:0] c_left_q;
    reg [KX_BITS-1:0] kx_left_q;
    reg [KY_BITS-1:0] ky_left_q;
    reg [OX_BITS-1:0] ox_left_q;
    reg [OY_BITS-1:0] oy_left_q;

    wire last_c = CH == 1 || c_left_q == {C_BITS{1'b0}};
    wire last_kx = last_c && (KW == 1 || kx_left_q == {KX_BITS{1'b0}});
    wire last_ky = last_kx && (KH == 1 || ky_left_q == {KY_BITS{1'b0}});
    wire last_ox = last_ky && (OW == 1 || ox_left_q == {OX_BITS{1'b0}});
    wire last_oy = last_ox && (OH == 1 || oy_left_q == {OY_BITS{1'b0}});
    wire early_rows = oy_left_q > ROWS_KEPT[OY_BITS-1:0];
    wire early_cols = ox_left_q > COLS_KEPT[OX_BITS-1:0]
                   && (early_rows || oy_left_q == ROWS_KEPT[OY_BITS-1:0]);

    assign level = !last_c ? 3'd0 : !last_kx ? 3'd1 : !last_ky ? 3'd2 : !last_ox ? 3'd3
                 : !last_oy ? 3'd4 : 3'd5;
    assign release_input = last_oy || (last_ox ? early_rows : last_ky && early_cols);

    always @(posedge clk) begin
        if (rst) begin
            c_left_q <= C_LEFT[C_BITS-1:0];
            kx_left_q <= KX_LEFT[KX_BITS-1:0];
            ky_left_q <= KY_LEFT[KY_BITS-1:0];
            ox_left_q <= OX_LEFT[OX_BITS-1:0];
            oy_left_q <= OY_LEFT[OY_BITS-1:0];
        end else if (step) begin
            c_left_q <= last_c ? C_LEFT[C_BITS-1:0] : c_left_q - 1'b1;
            if (last_c) kx_left_q <= last_kx ? KX_LEFT[KX_BITS-1:0] : kx_left_q - 1'b1;
            if (last_kx) ky_left_q <= last_ky ? KY_LEFT[KY_BITS-1:0] : ky_left_q - 1'b1;
            if (last_ky) ox_left_q <= last_ox ? OX_LEFT[OX_BITS-1:0] : ox_left_q - 1'b1;
            if (last_ox) oy_left_q <= last_oy ? OY_LEFT[OY_BITS-1:0] : oy_left_q - 1'b1;
        end
    end

endmodule

`default_nettype wire
