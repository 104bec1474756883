// Counts 0 to COUNT-1 and over again, one step a clock where step is high.
`default_nettype none

module gw_counter #(
    parameter COUNT = 4          // values; 1 has no registers
) (
    input  wire                                        clk,
    input  wire                                        rst,
    input  wire                                        step,
    output wire [(COUNT > 1 ? $clog2(COUNT) : 1)-1:0]  value,
    output wire                                        last      // value is COUNT-1
);
    generate
        if (COUNT > 1) begin : g_many
            localparam BITS = $clog2(COUNT);
            localparam [31:0] MAX = COUNT - 1;
            reg [BITS-1:0] value_q;
            assign value = value_q;
            assign last = value_q == MAX[BITS-1:0];
            always @(posedge clk) begin
                if (rst) value_q <= {BITS{1'b0}};
                else if (step) value_q <= last ? {BITS{1'b0}} : value_q + 1'b1;
            end
        end else begin : g_one
            assign value = 1'b0;
            assign last = 1'b1;
            wire unused = &{1'b0, clk, rst, step};
        end
    endgenerate
endmodule

`default_nettype wire
