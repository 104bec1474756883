// Matrix times vector: acc[j] = bias[j] + sum_i w[j][i]*x[i] modulo 2**ACC_BITS; for LANES 7 and 8 the terms
// are -|x[i] - w[j][i]|. With GROUPS matrices, vector v has matrix v modulo GROUPS. With TOP_BIT the highest
// bit of acc[j] leaves, nothing else of it, and acc of lanes 3 and 5 is bias[j] + how many i have
// w[j][i] = x[i]. A bias of 2**(ACC_BITS-1) - t makes that bit whether the sum, or the number, has reached t.
//
// One piece of work: one vector, MW/SIMD beats of SIMD elements in, MH/PE beats of PE sums out.
// Interval: (MW/SIMD)*(MH/PE) clocks. During the first MW/SIMD of them it takes a beat a clock and keeps it;
// for the other rows it reads its buffer and takes nothing.
// Latency, first beat in to first beat out: MW/SIMD + 3 + L clocks, plus 1 for LANE 1, where L is the
// latency of the lane module: 1 + $clog2(SIMD), and for LANE 1 also (W_BITS+1)/2 - 1; for LANE 3,
// 1 + $clog2(ceil(SIMD/4)); for LANE 5, 3 + $clog2(ceil(SIMD/18)); for LANE 8, 2, and
// for LANE 9, 1 + (W_BITS+1)/2, and for both 1 more for SIMD above 2, 6, 18, 54 and so on.
//
// WEIGHTS word n*(MW/SIMD)+s: for pe, for simd, the code of w[n*PE+pe][s*SIMD+simd] at bit
// (pe*SIMD+simd)*W_BITS. BIAS word n: PE codes of ACC_BITS. Element 0 is in the lowest bits. The words of the
// next matrix follow.
//
// LANE: 0 multiply, perhaps in DSP blocks; 1 multiply in LUTs; 2 weights {-1,+1}; 3 both {-1,+1};
// 4 x {-1,+1}; 5 as 3, for LUTs of six inputs; 6 as 0, rows 2k and 2k+1 in one multiplication (PE is even);
// 7 and 8 distances, where weights are two's complement only if x is, else unsigned; 8 for LUTs of six inputs;
// 9 as 1, for LUTs of six inputs.
// W_BITS is 1 for lanes 2, 3 and 5, X_BITS for 3, 4 and 5. For lane 6 the code of w[2k+1][i] holds 1 less
// where w[2k][i] is negative. LANE 8 has a bias, to which MW/SIMD - sum_i v[j][i] is added: v is w, or of two's
// complement w + 2**(B-1) with B the larger of X_BITS and W_BITS. So has LANE 9, to which -MW*2**(B-1) is added,
// B = X_BITS + 2*ceil(W_BITS/2).
`default_nettype none

module gw_matrix_vector #(
    parameter MW        = 4,     // columns: elements of a vector in
    parameter MH        = 4,     // rows: elements of a vector out
    parameter PE        = 2,     // rows at once; divides MH
    parameter SIMD      = 2,     // columns at once; divides MW
    parameter X_BITS    = 4,     // bits of an element in
    parameter X_SIGNED  = 0,     // 1: x is two's complement
    parameter W_BITS    = 4,     // bits of a weight
    parameter LANE      = 1,     // see above
    parameter ACC_BITS  = 16,    // bits of a sum
    parameter ROM_STYLE = 0,     // weights: 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter HAS_BIAS  = 0,     // 0: no bias, and BIAS is not read
    parameter GROUPS    = 1,     // matrices, one after the other
    parameter TOP_BIT   = 0,     // 1: one bit of each sum leaves, see above
    parameter WEIGHTS   = "",    // $readmemh file, GROUPS*(MW/SIMD)*(MH/PE) words of PE*SIMD*W_BITS bits
    parameter BIAS      = ""     // $readmemh file, GROUPS*MH/PE words of PE*ACC_BITS bits
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [SIMD*X_BITS-1:0]  s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*(TOP_BIT != 0 ? 1 : ACC_BITS)-1:0] m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready
);
    localparam WORDS = MW / SIMD * (MH / PE) * GROUPS;
    localparam ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

    wire                      ce;
    wire [ADDR_BITS-1:0]      addr;
    wire [PE*SIMD*W_BITS-1:0] data;

    gw_rom #(
        .BITS(PE*SIMD*W_BITS), .DEPTH(WORDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(WEIGHTS)
    ) weights (.clk(clk), .ce(ce), .addr(addr), .data(data));
    gw_matrix_vector_fed #(
        .MW(MW), .MH(MH), .PE(PE), .SIMD(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS),
        .LANE(LANE), .ACC_BITS(ACC_BITS), .ROM_STYLE(ROM_STYLE), .HAS_BIAS(HAS_BIAS), .GROUPS(GROUPS),
        .TOP_BIT(TOP_BIT), .BIAS(BIAS)
    ) fed (
        .clk(clk), .rst(rst), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tdata(m_tdata),
        .m_tvalid(m_tvalid), .m_tready(m_tready), .rom_ce(ce), .weights_addr(addr), .weights_data(data));
endmodule

`default_nettype wire
