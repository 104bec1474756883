// Part of a tensor: passes the beats that lie, on each of three axes, among COUNT that are STEP apart from FIRST
// on, and drops the others. Axis 0 is the fastest, counted in beats.
//
// One piece of work: one tensor, N0*N1*N2 beats in, COUNT0*COUNT1*COUNT2 beats out.
// Interval: N0*N1*N2 clocks.
// Latency: (FIRST2*N1 + FIRST1)*N0 + FIRST0 + 1 clocks, the beats before the first that passes among them.
`default_nettype none

module gw_slice #(
    parameter BITS   = 8,        // width of a beat
    parameter N0     = 8,        // elements of an axis
    parameter FIRST0 = 0,        // the first that passes
    parameter COUNT0 = 8,        // how many pass
    parameter STEP0  = 1,        // from one to the next
    parameter N1     = 1,
    parameter FIRST1 = 0,
    parameter COUNT1 = 1,
    parameter STEP1  = 1,
    parameter N2     = 1,
    parameter FIRST2 = 0,
    parameter COUNT2 = 1,
    parameter STEP2  = 1
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
    reg  [BITS-1:0] data_q;
    reg             valid_q;
    wire [2:0]      chosen;
    wire [2:0]      last;
    wire            ce = m_tready || !valid_q;
    wire            move0 = ce && s_tvalid;
    wire            move1 = move0 && last[0];
    wire            move2 = move1 && last[1];
    wire            unused = last[2];

    assign s_tready = ce;
    assign m_tdata = data_q;
    assign m_tvalid = valid_q;

    gw_axis_range #(.N(N0), .FIRST(FIRST0), .COUNT(COUNT0), .STEP(STEP0)) axis0 (
        .clk(clk), .rst(rst), .move(move0), .chosen(chosen[0]), .last(last[0]));
    gw_axis_range #(.N(N1), .FIRST(FIRST1), .COUNT(COUNT1), .STEP(STEP1)) axis1 (
        .clk(clk), .rst(rst), .move(move1), .chosen(chosen[1]), .last(last[1]));
    gw_axis_range #(.N(N2), .FIRST(FIRST2), .COUNT(COUNT2), .STEP(STEP2)) axis2 (
        .clk(clk), .rst(rst), .move(move2), .chosen(chosen[2]), .last(last[2]));

    always @(posedge clk) begin
        if (ce) data_q <= s_tdata;
        if (rst) valid_q <= 1'b0;
        else if (ce) valid_q <= s_tvalid && (&chosen);
    end
endmodule

`default_nettype wire
