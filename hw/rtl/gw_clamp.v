// y = BIAS + min(max(x, 0), TOP) modulo 2**OUT_BITS, x in two's complement. No clock.
`default_nettype none

module gw_clamp #(
    parameter X_BITS   = 8,      // bits of x
    parameter TOP      = 15,     // the largest count, at least 1
    parameter BIAS     = 0,      // y where the count is 0
    parameter OUT_BITS = 4       // bits of y
) (
    input  wire [X_BITS-1:0]   x,
    output wire [OUT_BITS-1:0] y
);
    localparam COUNT_BITS = $clog2(TOP + 1);
    localparam BITS = X_BITS > COUNT_BITS + 1 ? X_BITS : COUNT_BITS + 2;
    localparam [31:0] TOP_CODE = TOP;
    localparam [31:0] BIAS_CODE = BIAS;

    wire [BITS-1:0]       wide;
    wire                  above;
    wire [COUNT_BITS-1:0] count;
    wire [OUT_BITS-1:0]   count_out;
    wire [OUT_BITS-1:0]   bias;

    gw_extend #(.FROM(X_BITS), .TO(BITS), .SIGNED(1)) extend_x (.a(x), .y(wide));
    generate
        if (TOP + 1 == 1 << COUNT_BITS) begin : g_power
            assign above = wide[BITS-2:COUNT_BITS] != {(BITS - 1 - COUNT_BITS){1'b0}};
        end else begin : g_compare
            assign above = wide[BITS-2:COUNT_BITS] != {(BITS - 1 - COUNT_BITS){1'b0}}
                        || wide[COUNT_BITS-1:0] > TOP_CODE[COUNT_BITS-1:0];
        end
    endgenerate
    assign count = wide[BITS-1] ? {COUNT_BITS{1'b0}} : above ? TOP_CODE[COUNT_BITS-1:0] : wide[COUNT_BITS-1:0];
    gw_extend #(.FROM(COUNT_BITS), .TO(OUT_BITS), .SIGNED(0)) extend_count (.a(count), .y(count_out));
    gw_extend #(.FROM(32), .TO(OUT_BITS), .SIGNED(1)) extend_bias (.a(BIAS_CODE), .y(bias));
    assign y = bias + count_out;
endmodule

`default_nettype wire
