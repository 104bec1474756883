// Any function of an element: y = table[x], one table for all channels or one each.
//
// One piece of work: one vector of C channels, C/PE beats of PE elements; one beat a clock.
// Interval: C/PE clocks. Latency: 2 clocks.
//
// Lane l reads {TABLE}_nnn.mem with nnn = l in three decimal digits, or 000 where all share one table (C = PE
// and SHARED = 1). The file has 2**X_BITS words for each of the C/PE channel folds f: word f*2**X_BITS + code is
// y of that code of x in channel f*PE + l, OUT_BITS wide.
`default_nettype none

module gw_lookup #(
    parameter C         = 4,     // channels
    parameter PE        = 2,     // channels at once, at most 1000; divides C
    parameter SHARED    = 0,     // 1: one table for all lanes
    parameter X_BITS    = 8,     // bits of an element in
    parameter OUT_BITS  = 8,     // bits of an element out
    parameter ROM_STYLE = 0,     // 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter TABLE     = ""     // prefix of the $readmemh files, see above
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
    localparam WORDS = FOLDS << X_BITS;
    localparam ADDR_BITS = X_BITS + (FOLDS > 1 ? FOLD_BITS : 0);

    initial begin
        if (C % PE != 0) $display("gw_lookup: PE must divide C");
        if (PE > 1000) $display("gw_lookup: PE must be at most 1000");
    end

    wire                 ce;
    wire [FOLD_BITS-1:0] fold;
    gw_vector_pipe #(.FOLDS(FOLDS), .CLOCKS(2)) pipe (
        .clk(clk), .rst(rst), .s_tvalid(s_tvalid), .s_tready(s_tready), .m_tvalid(m_tvalid),
        .m_tready(m_tready), .ce(ce), .fold(fold));

    genvar l;
    generate
        for (l = 0; l < PE; l = l + 1) begin : g_lane
            localparam FILE = SHARED != 0 ? 0 : l;
            localparam [31:0] HUNDREDS = 48 + FILE / 100 % 10;
            localparam [31:0] TENS = 48 + FILE / 10 % 10;
            localparam [31:0] ONES = 48 + FILE % 10;
            wire [ADDR_BITS-1:0] addr;
            if (FOLDS > 1) begin : g_folds
                assign addr = {fold, s_tdata[l*X_BITS +: X_BITS]};
            end else begin : g_one_fold
                assign addr = s_tdata[l*X_BITS +: X_BITS];
                wire unused = fold;
            end
            gw_rom #(
                .BITS(OUT_BITS), .DEPTH(WORDS), .STYLE(ROM_STYLE), .OUT_REG(1),
                .FILE({TABLE, "_", HUNDREDS[7:0], TENS[7:0], ONES[7:0], ".mem"})
            ) rom (.clk(clk), .ce(ce), .addr(addr), .data(m_tdata[l*OUT_BITS +: OUT_BITS]));
        end
    endgenerate
endmodule

`default_nettype wire
