// sum = below + digit * x with digit = low + middle - 2*high, which is -2 to 2: a row of a multiplier whose
// digits are two bits of a weight and the bit below them. FLIP inverts the highest bit of the sum.
//
// Sums fit their bits in a multiplier, where below is a quarter of the row below, rounded down.
// rtl/xilinx has it in one LUT for each bit of the sum.
`default_nettype none

module gw_booth_add #(
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 0,      // 1: x is two's complement
    parameter FLIP     = 0       // see above
) (
    input  wire [X_BITS-1:0] x,
    input  wire              high,
    input  wire              middle,
    input  wire              low,
    input  wire [X_BITS-1:0] below,     // two's complement
    output wire [X_BITS+1:0] sum         // two's complement
);
    wire [X_BITS+1:0] once = {{2{(X_SIGNED != 0) & x[X_BITS-1]}}, x};
    wire [X_BITS+1:0] twice = {once[X_BITS:0], 1'b0};
    wire [X_BITS+1:0] multiple = middle ^ low ? once : high ^ middle ? twice : {(X_BITS+2){1'b0}};
    wire [X_BITS+1:0] term = multiple ^ {(X_BITS+2){high}};
    wire [X_BITS+2:0] total = {{2{below[X_BITS-1]}}, below, 1'b1} + {term, high};
    wire              unused = total[0];
    assign sum = {total[X_BITS+2] ^ (FLIP != 0), total[X_BITS+1:1]};
endmodule

`default_nettype wire
