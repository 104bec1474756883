// gw_add_three in one LUT of two outputs for each bit of the operands: its three bits' carry goes to the next
// LUT, which adds it with the others under the carry chain.
`default_nettype none

module gw_add_three #(
    parameter BITS = 8,
    parameter OUT  = 10
) (
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    input  wire [BITS-1:0] c,
    output wire [OUT-1:0]  sum
);
    localparam CARRIES = (OUT + 3) / 4;

    wire [4*CARRIES-1:0] half;               // sum of a bit's operands and the carry of those below it
    wire [4*CARRIES-1:0] below;              // that carry
    wire [4*CARRIES:0]   carry;
    wire [4*CARRIES-1:0] total;
    assign below[0] = 1'b0;
    assign carry[0] = 1'b0;
    assign sum = total[OUT-1:0];

    genvar i;
    generate
        for (i = 0; i < 4 * CARRIES; i = i + 1) begin : g_bit
            if (i < BITS) begin : g_three
                wire majority;
                LUT6_2 #(.INIT(64'h6996_6996_E8E8_E8E8)) bits (
                    .I0(a[i]), .I1(b[i]), .I2(c[i]), .I3(below[i]), .I4(1'b0), .I5(1'b1),
                    .O6(half[i]), .O5(majority));
                if (i + 1 < 4 * CARRIES) begin : g_up
                    assign below[i+1] = majority;
                end
            end else begin : g_top
                assign half[i] = i == BITS ? below[i] : 1'b0;
                if (i + 1 < 4 * CARRIES) begin : g_none
                    assign below[i+1] = 1'b0;
                end
            end
        end
        for (i = 0; i < CARRIES; i = i + 1) begin : g_carry
            CARRY4 chain (
                .CI(carry[4*i]), .CYINIT(1'b0), .DI(below[4*i +: 4]), .S(half[4*i +: 4]),
                .CO(carry[4*i+1 +: 4]), .O(total[4*i +: 4]));
        end
    endgenerate
endmodule

`default_nettype wire
