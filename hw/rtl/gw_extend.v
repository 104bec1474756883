// Change of width: keeps the low bits, or extends with the sign (zeros when unsigned). No logic.
`default_nettype none

module gw_extend #(
    parameter FROM   = 4,        // bits of a
    parameter TO     = 8,        // bits of y
    parameter SIGNED = 1         // 1: a is two's complement
) (
    input  wire [FROM-1:0] a,
    output wire [TO-1:0]   y
);
    generate
        if (TO > FROM) begin : g_widen
            assign y = {{(TO - FROM){(SIGNED != 0) & a[FROM-1]}}, a};
        end else if (TO == FROM) begin : g_same
            assign y = a;
        end else begin : g_cut
            assign y = a[TO-1:0];
            wire unused = &{1'b0, a[FROM-1:TO]};
        end
    endgenerate
endmodule

`default_nettype wire
