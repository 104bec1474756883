// count = how many of SIMD pairs of bits are equal; as gw_lane_xnor, but for LUTs of six inputs.
//
// Three pairs are six bits, and so are six bits of one weight: both take a LUT for each bit of their count.
// Groups of 18 pairs are counted so in two steps and one short adder, the groups' counts in a tree.
//
// Latency 3 + $clog2(ceil(SIMD/18)) clocks; a new beat every clock.
`default_nettype none

module gw_lane_xnor6 #(
    parameter SIMD = 18          // pairs
) (
    input  wire                                    clk,
    input  wire                                    ce,
    input  wire [SIMD-1:0]                         x,
    input  wire [SIMD-1:0]                         w,
    output wire [5+$clog2((SIMD+17)/18)-1:0]       count
);
    localparam GROUPS = (SIMD + 17) / 18;

    wire [18*GROUPS-1:0] a;          // x and w, filled up with pairs that differ
    wire [18*GROUPS-1:0] b;
    wire [5*GROUPS-1:0]  part;
    wire                 unused;

    assign a[SIMD-1:0] = x;
    assign b[SIMD-1:0] = w;

    genvar i;
    genvar j;
    generate
        if (18 * GROUPS > SIMD) begin : g_pad
            assign a[18*GROUPS-1:SIMD] = {(18 * GROUPS - SIMD){1'b0}};
            assign b[18*GROUPS-1:SIMD] = {(18 * GROUPS - SIMD){1'b1}};
        end
        for (i = 0; i < GROUPS; i = i + 1) begin : g_group
            reg  [5:0] ones_q;           // the counts of six triples: their low bits
            reg  [5:0] twos_q;           // and their high bits
            wire [2:0] ones;
            wire [2:0] twos;
            reg  [4:0] sum_q;
            assign part[5*i +: 5] = sum_q;
            for (j = 0; j < 6; j = j + 1) begin : g_triple
                wire [2:0] a3 = a[18*i + 3*j +: 3];
                wire [2:0] b3 = b[18*i + 3*j +: 3];
                wire [2:0] e = ~(a3 ^ b3);
                // Not ^e, or Yosys shares bits of e between both and needs a third LUT for that.
                always @(posedge clk) begin
                    if (ce) ones_q[j] <= ~((^a3) ^ (^b3));
                    if (ce) twos_q[j] <= (e[0] & e[1]) | (e[0] & e[2]) | (e[1] & e[2]);
                end
            end
            gw_count_six count_ones (.clk(clk), .ce(ce), .a(ones_q), .count(ones));
            gw_count_six count_twos (.clk(clk), .ce(ce), .a(twos_q), .count(twos));
            always @(posedge clk) begin
                if (ce) sum_q <= {({2'b00, ones[2:1]} + {1'b0, twos}), ones[0]};
            end
        end
    endgenerate

    gw_adder_tree #(.N(GROUPS), .BITS(5), .SIGNED(0), .CARRY(0)) tree (
        .clk(clk),
        .ce(ce),
        .terms(part),
        .carries({GROUPS{1'b0}}),
        .sum(count),
        .carry_out(unused)
    );
endmodule

`default_nettype wire
