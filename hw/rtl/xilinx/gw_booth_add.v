// gw_booth_add in one LUT of six inputs for each bit of the sum, under a carry chain.
`default_nettype none

module gw_booth_add #(
    parameter X_BITS   = 8,
    parameter X_SIGNED = 0,
    parameter FLIP     = 0
) (
    input  wire [X_BITS-1:0] x,
    input  wire              high,
    input  wire              middle,
    input  wire              low,
    input  wire [X_BITS-1:0] below,
    output wire [X_BITS+1:0] sum
);
    localparam BITS = X_BITS + 2;
    localparam CARRIES = (BITS + 3) / 4;

    wire [BITS:0]        once = {{2{(X_SIGNED != 0) & x[X_BITS-1]}}, x, 1'b0};
    wire [4*CARRIES-1:0] base = {{(4*CARRIES-X_BITS){below[X_BITS-1]}}, below};
    wire [4*CARRIES-1:0] half;
    wire [4*CARRIES:0]   carry;
    wire [4*CARRIES-1:0] total;
    assign sum = total[BITS-1:0];
    assign carry[0] = 1'b0;

    genvar i;
    generate
        for (i = 0; i < 4 * CARRIES; i = i + 1) begin : g_bit
            if (i < BITS) begin : g_add
                // The multiple's bit of x, high, middle and low, with that of below; the last one inverted.
                LUT6 #(.INIT(FLIP != 0 && i == BITS - 1 ? 64'hFC5A_5A30_03A5_A5CF : 64'h03A5_A5CF_FC5A_5A30)) bits (
                    .I0(once[i+1]), .I1(once[i]), .I2(high), .I3(middle), .I4(low), .I5(base[i]), .O(half[i]));
            end else begin : g_none
                assign half[i] = 1'b0;
            end
        end
        for (i = 0; i < CARRIES; i = i + 1) begin : g_carry
            CARRY4 chain (
                .CI(carry[4*i]), .CYINIT(i == 0 ? high : 1'b0), .DI(base[4*i +: 4]), .S(half[4*i +: 4]),
                .CO(carry[4*i+1 +: 4]), .O(total[4*i +: 4]));
        end
    endgenerate
endmodule

`default_nettype wire
