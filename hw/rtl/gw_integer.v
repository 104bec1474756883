// An element's code as two's complement of TO bits, or unsigned of so many where it is that. No logic but an
// inverter for {-1,+1}.
`default_nettype none

module gw_integer #(
    parameter FROM = 4,          // bits of the code
    parameter TO   = 5,          // bits of y
    parameter KIND = 1           // code: 0 unsigned, 1 two's complement, 2 one bit that stands for {-1,+1}
) (
    input  wire [FROM-1:0] a,
    output wire [TO-1:0]   y
);
    generate
        if (KIND == 2) begin : g_sign
            gw_extend #(.FROM(2), .TO(TO), .SIGNED(1)) extend (.a({!a[0], 1'b1}), .y(y));
        end else begin : g_number
            gw_extend #(.FROM(FROM), .TO(TO), .SIGNED(KIND)) extend (.a(a), .y(y));
        end
    endgenerate
endmodule

`default_nettype wire
