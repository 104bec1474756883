// A tensor with a border: on each of three axes BEFORE and AFTER beats of one element around the N that come in.
// Axis 0 is the fastest, counted in beats.
//
// One piece of work: one tensor, N0*N1*N2 beats in, the product of (BEFORE + N + AFTER) over the axes out.
// Interval: the beats out.
// Latency: 2 clocks; a tensor's first beat out waits for its first beat in, even if it is border.
`default_nettype none

module gw_pad #(
    parameter BITS     = 8,      // width of an element
    parameter LANES    = 1,      // elements a beat
    parameter PAD_CODE = 0,      // code of each element of the border, BITS bits
    parameter N0       = 8,      // beats of an axis in
    parameter BEFORE0  = 0,      // border before them
    parameter AFTER0   = 0,      // border behind them
    parameter N1       = 1,
    parameter BEFORE1  = 0,
    parameter AFTER1   = 0,
    parameter N2       = 1,
    parameter BEFORE2  = 0,
    parameter AFTER2   = 0
) (
    input  wire                   clk,
    input  wire                   rst,
    input  wire [LANES*BITS-1:0]  s_tdata,
    input  wire                   s_tvalid,
    output wire                   s_tready,
    output wire [LANES*BITS-1:0]  m_tdata,
    output wire                   m_tvalid,
    input  wire                   m_tready
);
    reg  [LANES*BITS-1:0] x_q;
    reg                   x_valid_q;
    reg  [LANES*BITS-1:0] data_q;
    reg                   valid_q;
    reg                   first_q;                   // the beat to write is a tensor's first
    wire [2:0]            chosen;
    wire [2:0]            last;
    wire                  real_beat = &chosen;
    wire                  ready = x_valid_q || (!real_beat && !first_q);
    wire                  ce = m_tready || !valid_q;
    wire                  move0 = ce && ready;
    wire                  move1 = move0 && last[0];
    wire                  move2 = move1 && last[1];

    assign s_tready = !x_valid_q || (ce && real_beat);
    assign m_tdata = data_q;
    assign m_tvalid = valid_q;

    gw_axis_range #(.N(BEFORE0 + N0 + AFTER0), .FIRST(BEFORE0), .COUNT(N0), .STEP(1)) axis0 (
        .clk(clk), .rst(rst), .move(move0), .chosen(chosen[0]), .last(last[0]));
    gw_axis_range #(.N(BEFORE1 + N1 + AFTER1), .FIRST(BEFORE1), .COUNT(N1), .STEP(1)) axis1 (
        .clk(clk), .rst(rst), .move(move1), .chosen(chosen[1]), .last(last[1]));
    gw_axis_range #(.N(BEFORE2 + N2 + AFTER2), .FIRST(BEFORE2), .COUNT(N2), .STEP(1)) axis2 (
        .clk(clk), .rst(rst), .move(move2), .chosen(chosen[2]), .last(last[2]));

    always @(posedge clk) begin
        if (s_tready) x_q <= s_tdata;
        if (ce) data_q <= real_beat ? x_q : {LANES{PAD_CODE[BITS-1:0]}};
        if (rst) begin
            x_valid_q <= 1'b0;
            valid_q <= 1'b0;
            first_q <= 1'b1;
        end else begin
            if (s_tready) x_valid_q <= s_tvalid;
            if (ce) valid_q <= ready;
            if (move0) first_q <= &last;
        end
    end
endmodule

`default_nettype wire
