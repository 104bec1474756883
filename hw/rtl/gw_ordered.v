// N codes as unsigned numbers of the same order and distances: two's complement less its least number. No logic
// but an inverter.
`default_nettype none

module gw_ordered #(
    parameter N      = 4,        // codes
    parameter FROM   = 4,        // bits of a code
    parameter TO     = 8,        // bits of a number, at least as many
    parameter SIGNED = 1         // 1: codes are two's complement
) (
    input  wire [N*FROM-1:0] a,
    output wire [N*TO-1:0]   y
);
    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : g_code
            wire [TO-1:0] wide;
            gw_extend #(.FROM(FROM), .TO(TO), .SIGNED(SIGNED)) extend (.a(a[i*FROM +: FROM]), .y(wide));
            assign y[i*TO +: TO] = wide ^ ({{(TO-1){1'b0}}, SIGNED != 0} << (TO - 1));
        end
    endgenerate
endmodule

`default_nettype wire
