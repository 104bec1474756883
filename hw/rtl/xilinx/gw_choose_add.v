// gw_choose_add in one LUT of four inputs for each bit, under a carry chain.
`default_nettype none

module gw_choose_add #(
    parameter BITS  = 8,
    parameter CARRY = 1
) (
    input  wire            choose,
    input  wire [BITS-1:0] a,
    input  wire [BITS-1:0] b,
    input  wire [BITS-1:0] c,
    input  wire            carry,
    output wire [BITS-1:0] sum
);
    localparam CARRIES = (BITS + 3) / 4;

    wire [4*CARRIES-1:0] c_all = {{(4*CARRIES-BITS){1'b0}}, c};
    wire [4*CARRIES-1:0] half;
    wire [4*CARRIES:0]   chain;
    wire [4*CARRIES-1:0] total;
    assign chain[0] = 1'b0;
    assign sum = total[BITS-1:0];

    genvar i;
    generate
        for (i = 0; i < 4 * CARRIES; i = i + 1) begin : g_bit
            if (i < BITS) begin : g_add
                // Input 3 chooses input 1, else 2; the sum's bit without its carry. Input 0 is that carry where
                // both are equal.
                LUT4 #(.INIT(16'h665A)) bits (.I0(c[i]), .I1(a[i]), .I2(b[i]), .I3(choose), .O(half[i]));
            end else begin : g_none
                assign half[i] = 1'b0;
            end
        end
        for (i = 0; i < CARRIES; i = i + 1) begin : g_carry
            CARRY4 adder (
                .CI(chain[4*i]), .CYINIT(i == 0 && CARRY != 0 ? carry : 1'b0), .DI(c_all[4*i +: 4]),
                .S(half[4*i +: 4]), .CO(chain[4*i+1 +: 4]), .O(total[4*i +: 4]));
        end
    endgenerate
endmodule

`default_nettype wire
