// y is a, CLOCKS enabled clocks later (0: a wire).
`default_nettype none

module gw_delay #(
    parameter BITS   = 8,        // width
    parameter CLOCKS = 1         // delay
) (
    input  wire            clk,
    input  wire            ce,
    input  wire [BITS-1:0] a,
    output wire [BITS-1:0] y
);
    generate
        if (CLOCKS == 0) begin : g_wire
            assign y = a;
            wire unused = &{1'b0, clk, ce};
        end else if (CLOCKS == 1) begin : g_one
            reg [BITS-1:0] line_q;
            always @(posedge clk) if (ce) line_q <= a;
            assign y = line_q;
        end else begin : g_many
            reg [CLOCKS*BITS-1:0] line_q;
            always @(posedge clk) if (ce) line_q <= {line_q[(CLOCKS-1)*BITS-1:0], a};
            assign y = line_q[(CLOCKS-1)*BITS +: BITS];
        end
    endgenerate
endmodule

`default_nettype wire
