// count = how many of six bits are set, a clock later.
//
// Each bit of the count is a function of the six, which is one LUT of six inputs. Spelt out as gates: "+"
// would become carry chains.
`default_nettype none

module gw_count_six (
    input  wire       clk,
    input  wire       ce,
    input  wire [5:0] a,
    output wire [2:0] count
);
    // Two full adders; then 1s and 2s of both are added.
    wire       s0 = a[0] ^ a[1] ^ a[2];
    wire       s1 = a[3] ^ a[4] ^ a[5];
    wire       c0 = (a[0] & a[1]) | (a[0] & a[2]) | (a[1] & a[2]);
    wire       c1 = (a[3] & a[4]) | (a[3] & a[5]) | (a[4] & a[5]);
    wire       c2 = s0 & s1;
    reg  [2:0] count_q;
    assign count = count_q;

    always @(posedge clk) begin
        if (ce) count_q <= {(c0 & c1) | (c0 & c2) | (c1 & c2), c0 ^ c1 ^ c2, s0 ^ s1};
    end
endmodule

`default_nettype wire
