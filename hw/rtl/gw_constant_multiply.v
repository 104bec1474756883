// y = FACTOR*x + OFFSET modulo 2**OUT_BITS, by shifts and one adder for each signed digit of FACTOR.
//
// No clock. The digits are the non-adjacent form, the fewest: with 3F = F + 2F, digit i is +1 where bit i+1
// of 3F is set and that of F is not, -1 where it is the other way round.
`default_nettype none

module gw_constant_multiply #(
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 1,      // 1: x is two's complement
    parameter OUT_BITS = 12,     // bits of y
    parameter FACTOR   = 1,      // 32 bits, two's complement
    parameter OFFSET   = 0       // likewise
) (
    input  wire [X_BITS-1:0]   x,
    output wire [OUT_BITS-1:0] y
);
    localparam [31:0] FACTOR_CODE = FACTOR;
    localparam [33:0] ONCE = {{2{FACTOR_CODE[31]}}, FACTOR_CODE};
    localparam [33:0] THRICE = ONCE + {ONCE[32:0], 1'b0};
    localparam [33:0] PLUS = THRICE & ~ONCE;
    localparam [33:0] MINUS = ONCE & ~THRICE;
    // Digits beyond the factor's are 0, those from OUT_BITS on add nothing; a slot for each would make
    // simulators copy all slots at every change.
    localparam MOST = $clog2(FACTOR < 0 ? -FACTOR : FACTOR) + 1;
    localparam DIGITS = MOST < OUT_BITS ? MOST : OUT_BITS;
    localparam [31:0] OFFSET_CODE = OFFSET;

    wire [OUT_BITS-1:0]            wide;
    wire [(DIGITS+1)*OUT_BITS-1:0] sums;     // slot i: the digits below i, and the offset

    wire                           unused = &{1'b0, wide};       // by a factor that has no digits here

    gw_extend #(.FROM(X_BITS), .TO(OUT_BITS), .SIGNED(X_SIGNED)) extend_x (.a(x), .y(wide));
    gw_extend #(.FROM(32), .TO(OUT_BITS), .SIGNED(1)) extend_offset (
        .a(OFFSET_CODE), .y(sums[OUT_BITS-1:0]));
    assign y = sums[DIGITS*OUT_BITS +: OUT_BITS];

    genvar i;
    generate
        for (i = 0; i < DIGITS; i = i + 1) begin : g_digit
            wire [OUT_BITS-1:0] below = sums[i*OUT_BITS +: OUT_BITS];
            if (PLUS[i+1]) begin : g_plus
                assign sums[(i+1)*OUT_BITS +: OUT_BITS] = below + (wide << i);
            end else if (MINUS[i+1]) begin : g_minus
                assign sums[(i+1)*OUT_BITS +: OUT_BITS] = below - (wide << i);
            end else begin : g_none
                assign sums[(i+1)*OUT_BITS +: OUT_BITS] = below;
            end
        end
    endgenerate
endmodule

`default_nettype wire
