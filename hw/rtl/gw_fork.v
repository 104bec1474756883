// Gives every beat of one stream to N readers, each with a handshake of its own.
//
//   One piece of work: one beat.
//   Interval: 1 clock where all readers are ready; a reader that has its beat waits for the others'.
//   Latency: 1 clock.
//
// Output i is bit i of m_tvalid and m_tready, and bits [i*BITS +: BITS] of m_tdata.

`default_nettype none

module gw_fork #(
    parameter BITS = 8,    // width of a beat
    parameter N = 2        // readers
) (
    input wire clk,
    input wire rst,
    input wire [BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [N*BITS-1:0] m_tdata,
    output wire [N-1:0] m_tvalid,
    input wire [N-1:0] m_tready
);

    reg [BITS-1:0] data_q;
    reg [N-1:0] owed_q;                          // readers that have not taken data_q yet
    wire [N-1:0] left = owed_q & ~m_tready;      // and will not in this clock

    assign s_tready = left == {N{1'b0}};
    assign m_tvalid = owed_q;
    assign m_tdata = {N{data_q}};

    always @(posedge clk) begin
        if (s_tready) data_q <= s_tdata;
        if (rst) owed_q <= {N{1'b0}};
        else owed_q <= s_tready ? {N{s_tvalid}} : left;
    end

endmodule

`default_nettype wire
