// The handshake of a pipeline that cannot stop: lets in only as many beats as the FIFO behind it has room for.
//
//   A beat that is let in leaves the pipeline CLOCKS clocks later, when m_tvalid is high for a clock.
//   Beats let in and not yet taken from the FIFO are at most ROOM; s_tready is a register.
//   Where nobody waits, a beat enters every clock if ROOM is at least CLOCKS, the FIFO's latency and 1.
`default_nettype none

module gw_credit #(
    parameter CLOCKS = 2,      // of the pipeline, at least 2
    parameter ROOM = 8         // entries of the FIFO
) (
    input  wire clk,
    input  wire rst,
    input  wire s_tvalid,
    output wire s_tready,
    output wire m_tvalid,      // a beat leaves the pipeline
    input  wire taken          // a beat leaves the FIFO
);
    localparam BITS = $clog2(ROOM + 1);
    localparam [31:0] ALL = ROOM;

    reg  [CLOCKS-1:0] valid_q;
    reg  [BITS-1:0]   left_q;
    reg               ready_q;
    wire              enter = s_tvalid && ready_q;
    wire [BITS-1:0]   left_d = left_q + {{(BITS-1){1'b0}}, taken} - {{(BITS-1){1'b0}}, enter};

    assign s_tready = ready_q;
    assign m_tvalid = valid_q[CLOCKS-1];

    always @(posedge clk) begin
        if (rst) begin
            valid_q <= {CLOCKS{1'b0}};
            left_q <= ALL[BITS-1:0];
            ready_q <= 1'b1;
        end else begin
            valid_q <= {valid_q[CLOCKS-2:0], enter};
            left_q <= left_d;
            ready_q <= left_d != {BITS{1'b0}};
        end
    end
endmodule

`default_nettype wire
