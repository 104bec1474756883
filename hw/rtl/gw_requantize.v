// Scales, shifts and clamps: y = BIAS + min(max(p >>> SHIFT, 0), TOP) modulo 2**OUT_BITS, p = m[c]*x + b[c].
//
// With D_BITS, p has a knee: what is shifted is p + K - (p < 0 ? d[c] : 0), where K is the middle of count
// KNEE, (2*KNEE + 1) * 2**(SHIFT-1).
//
// One piece of work: one vector of C channels, C/PE beats of PE elements; one beat a clock.
// Interval: C/PE clocks. Latency: LEAD + L + 2 clocks, 1 more with D_BITS, where LEAD is 2, or 1 where C = PE,
// and L is the multiplier's: 1, or 2 with X_LOW or M_LOW, or (M_BITS+1)/2 with LANE 1.
//
// FACTORS word n holds PE codes of M_BITS, OFFSETS word n PE codes of ACC_BITS, two's complement, DROPS word n
// PE codes of D_BITS, unsigned, of channels n*PE and on; element 0 is in the lowest bits. p and all sums with
// it must fit ACC_BITS for every x that comes.
`default_nettype none

module gw_requantize #(
    parameter C         = 4,     // channels
    parameter PE        = 2,     // channels at once; divides C
    parameter X_BITS    = 16,    // bits of an element in
    parameter X_SIGNED  = 1,     // 1: x is two's complement
    parameter X_LOW     = 0,     // LANE 0: bits of x's low part, see gw_multiply_add; 0: x is not cut
    parameter M_BITS    = 8,     // bits of a factor, two's complement
    parameter M_LOW     = 0,     // LANE 0: likewise of a factor's
    parameter ACC_BITS  = 24,    // bits of m*x + b, two's complement; more than SHIFT
    parameter SHIFT     = 8,     // places shifted right
    parameter TOP       = 255,   // the largest count, at least 1
    parameter BIAS      = 0,     // y where the count is 0
    parameter OUT_BITS  = 8,     // bits of an element out
    parameter D_BITS    = 0,     // bits of a drop, fewer than ACC_BITS; 0: no knee
    parameter KNEE      = 0,     // the count that the knee is in
    parameter LANE      = 0,     // 0 the tool's multiplier, perhaps a DSP block; 1 multiply in LUTs
    parameter ROM_STYLE = 0,     // 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter FACTORS   = "",    // $readmemh file, C/PE words of PE*M_BITS bits
    parameter OFFSETS   = "",    // $readmemh file, C/PE words of PE*ACC_BITS bits
    parameter DROPS     = ""     // $readmemh file, C/PE words of PE*D_BITS bits; unused without D_BITS
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire [PE*X_BITS-1:0]    s_tdata,
    input  wire                    s_tvalid,
    output wire                    s_tready,
    output wire [PE*OUT_BITS-1:0]  m_tdata,
    output wire                    m_tvalid,
    input  wire                    m_tready
);
    localparam FOLDS = C / PE;
    localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;

    wire                   ce;
    wire [FOLD_BITS-1:0]   factors_addr;
    wire [PE*M_BITS-1:0]   factors_data;
    wire [FOLD_BITS-1:0]   offsets_addr;
    wire [PE*ACC_BITS-1:0] offsets_data;

    gw_rom #(.BITS(PE*M_BITS), .DEPTH(FOLDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(FACTORS)) factors (
        .clk(clk), .ce(ce), .addr(factors_addr), .data(factors_data));
    gw_rom #(.BITS(PE*ACC_BITS), .DEPTH(FOLDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(OFFSETS)) offsets (
        .clk(clk), .ce(ce), .addr(offsets_addr), .data(offsets_data));
    gw_requantize_fed #(
        .C(C), .PE(PE), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .X_LOW(X_LOW), .M_BITS(M_BITS), .M_LOW(M_LOW),
        .ACC_BITS(ACC_BITS), .SHIFT(SHIFT), .TOP(TOP), .BIAS(BIAS), .OUT_BITS(OUT_BITS), .D_BITS(D_BITS),
        .KNEE(KNEE), .LANE(LANE), .ROM_STYLE(ROM_STYLE), .DROPS(DROPS)
    ) fed (
        .clk(clk), .rst(rst), .s_tdata(s_tdata), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tdata(m_tdata),
        .m_tvalid(m_tvalid), .m_tready(m_tready), .rom_ce(ce), .factors_addr(factors_addr),
        .factors_data(factors_data), .offsets_addr(offsets_addr), .offsets_data(offsets_data));
endmodule

`default_nettype wire
