// gw_minimum in BITS LUTs of two outputs, rounded up to even: half of them compare two bits each under a carry
// chain, half of them choose two.
`default_nettype none

module gw_minimum #(
    parameter BITS = 8
) (
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    output wire [BITS-1:0] y
);
    localparam PAIRS = (BITS + 1) / 2;
    localparam CARRIES = (PAIRS + 3) / 4;

    wire [2*PAIRS-1:0]   a_all = {{(2*PAIRS-BITS){1'b0}}, a};
    wire [2*PAIRS-1:0]   b_all = {{(2*PAIRS-BITS){1'b0}}, b};
    wire [2*PAIRS-1:0]   y_all;
    wire [4*CARRIES-1:0] equal;
    wire [4*CARRIES-1:0] less;
    wire [4*CARRIES:0]   carry;
    wire                 choose_a = carry[PAIRS];
    assign carry[0] = 1'b0;
    assign y = y_all[BITS-1:0];

    genvar i;
    generate
        for (i = 0; i < 4 * CARRIES; i = i + 1) begin : g_compare
            if (i < PAIRS) begin : g_pair
                // Inputs b1 a1 b0 a0. Upper half: both equal; lower half: a < b.
                LUT6_2 #(.INIT(64'h0000_9009_0000_4F04)) bits (
                    .I0(a_all[2*i]), .I1(b_all[2*i]), .I2(a_all[2*i+1]), .I3(b_all[2*i+1]), .I4(1'b0),
                    .I5(1'b1), .O6(equal[i]), .O5(less[i]));
            end else begin : g_none
                assign equal[i] = 1'b0;
                assign less[i] = 1'b0;
            end
        end
        for (i = 0; i < CARRIES; i = i + 1) begin : g_carry
            wire [3:0] unused;
            CARRY4 chain (
                .CI(carry[4*i]), .CYINIT(1'b0), .DI(less[4*i +: 4]), .S(equal[4*i +: 4]),
                .CO(carry[4*i+1 +: 4]), .O(unused));
        end
        for (i = 0; i < PAIRS; i = i + 1) begin : g_choose
            // Input 4 set: a1 or a0, else b1 or b0.
            LUT6_2 #(.INIT(64'hF0F0_FF00_AAAA_CCCC)) bits (
                .I0(a_all[2*i]), .I1(b_all[2*i]), .I2(a_all[2*i+1]), .I3(b_all[2*i+1]), .I4(choose_a),
                .I5(1'b1), .O6(y_all[2*i+1]), .O5(y_all[2*i]));
        end
    endgenerate
endmodule

`default_nettype wire
