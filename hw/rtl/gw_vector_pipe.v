// The handshake of a pipeline that works on vectors of FOLDS beats, beat by beat: its clock enable, its valid
// bits, and which beat of the vector comes next.
//
// Everything in the pipeline moves with ce; what came in a clock with s_tvalid leaves CLOCKS enabled clocks later.
`default_nettype none

module gw_vector_pipe #(
    parameter FOLDS  = 2,        // beats of a vector
    parameter CLOCKS = 2         // stages, at least 2
) (
    input  wire                                        clk,
    input  wire                                        rst,
    input  wire                                        s_tvalid,
    output wire                                        s_tready,
    output wire                                        m_tvalid,
    input  wire                                        m_tready,
    output wire                                        ce,
    output wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0]  fold      // of the beat at the input
);
    reg  [CLOCKS-1:0] valid_q;
    wire              unused_last;

    assign ce = m_tready || !m_tvalid;
    assign s_tready = ce;
    assign m_tvalid = valid_q[CLOCKS-1];
    always @(posedge clk) begin
        if (rst) valid_q <= {CLOCKS{1'b0}};
        else if (ce) valid_q <= {valid_q[CLOCKS-2:0], s_tvalid};
    end

    gw_counter #(.COUNT(FOLDS)) fold_counter (
        .clk(clk), .rst(rst), .step(ce && s_tvalid), .value(fold), .last(unused_last));
endmodule

`default_nettype wire
