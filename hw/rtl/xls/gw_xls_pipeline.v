// A function that XLS has made a pipeline of, as a streaming module: a frame is one beat in and one beat out.
//
//   xls_function(clk, x, y) is XLS's own Verilog: y is of the x CLOCKS clocks ago, and nothing stops it. A FIFO
//   takes what comes out, and gw_credit lets in only what the FIFO has room for.
//   One piece of work: one frame. Interval: 1 clock. Latency: CLOCKS + 3 clocks.
`default_nettype none

module gw_xls_pipeline #(
    parameter IN_BITS = 8,     // of x
    parameter OUT_BITS = 8,    // of y
    parameter CLOCKS = 2,      // registers between x and y, at least 2
    parameter ROOM = 6         // entries of the FIFO, CLOCKS + 4 for an interval of 1 clock
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire [IN_BITS-1:0]   s_tdata,
    input  wire                 s_tvalid,
    output wire                 s_tready,
    output wire [OUT_BITS-1:0]  m_tdata,
    output wire                 m_tvalid,
    input  wire                 m_tready
);
    wire [OUT_BITS-1:0] y;
    wire                y_valid;
    wire                unused_ready;    // credit says the same earlier

    gw_credit #(.CLOCKS(CLOCKS), .ROOM(ROOM)) credit (
        .clk(clk), .rst(rst), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tvalid(y_valid),
        .taken(m_tvalid && m_tready));

    xls_function compute (.clk(clk), .x(s_tdata), .y(y));

    gw_fifo #(.BITS(OUT_BITS), .DEPTH(ROOM), .RAM_STYLE(2)) results (
        .clk(clk), .rst(rst), .s_tdata(y), .s_tvalid(y_valid), .s_tready(unused_ready), .m_tdata(m_tdata),
        .m_tvalid(m_tvalid), .m_tready(m_tready));
endmodule

`default_nettype wire
