// count = how many of SIMD pairs of bits are equal.
//
// Four pairs at a time are counted in plain LUTs (7 of four inputs), the rest in a tree of adders.
//
// Latency 1 + $clog2(ceil(SIMD/4)) clocks; a new beat every clock.
`default_nettype none

module gw_lane_xnor #(
    parameter SIMD = 4           // pairs
) (
    input  wire                                  clk,
    input  wire                                  ce,
    input  wire [SIMD-1:0]                       x,
    input  wire [SIMD-1:0]                       w,
    output wire [3+$clog2((SIMD+3)/4)-1:0]       count
);
    localparam GROUPS = (SIMD + 3) / 4;

    wire [4*GROUPS-1:0] equal;
    reg  [3*GROUPS-1:0] part_q;
    wire                unused;

    assign equal[SIMD-1:0] = ~(x ^ w);

    genvar i;
    generate
        if (4 * GROUPS > SIMD) begin : g_pad
            assign equal[4*GROUPS-1:SIMD] = {(4 * GROUPS - SIMD){1'b0}};
        end
        for (i = 0; i < GROUPS; i = i + 1) begin : g_group
            // Spelt out as gates: "+" would become carry chains, which are larger here.
            wire [1:0] a = {equal[4*i] & equal[4*i + 1], equal[4*i] ^ equal[4*i + 1]};
            wire [1:0] b = {equal[4*i + 2] & equal[4*i + 3], equal[4*i + 2] ^ equal[4*i + 3]};
            wire       c = a[0] & b[0];
            always @(posedge clk) begin
                if (ce) part_q[3*i +: 3] <= {(a[1] & b[1]) | (c & (a[1] | b[1])), a[1] ^ b[1] ^ c, a[0] ^ b[0]};
            end
        end
    endgenerate

    gw_adder_tree #(.N(GROUPS), .BITS(3), .SIGNED(0), .CARRY(0)) tree (
        .clk(clk),
        .ce(ce),
        .terms(part_q),
        .carries({GROUPS{1'b0}}),
        .sum(count),
        .carry_out(unused)
    );
endmodule

`default_nettype wire
