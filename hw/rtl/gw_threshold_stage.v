// One step of gw_threshold's binary search, for PE lanes: compares x with the middle threshold of what
// STAGE decisions have left, and adds the decision to them.
//
// Latency 2 clocks, 3 with ROM_STYLE 1; a new beat every clock.
`default_nettype none

module gw_threshold_stage #(
    parameter STAGE     = 0,     // 0 is the first
    parameter STAGES    = 2,     // stages in all
    parameter FOLDS     = 1,     // beats of a vector
    parameter PE        = 1,     // lanes
    parameter X_BITS    = 8,     // bits of x
    parameter X_SIGNED  = 1,     // 1: x is two's complement
    parameter ROM_STYLE = 0,     // 0 the tool chooses, 1 block RAM, 2 LUTs
    parameter TABLE     = ""     // prefix of the files, see gw_threshold
) (
    input  wire                                        clk,
    input  wire                                        ce,
    input  wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0]  fold,         // which beat of the vector this is
    input  wire [PE*X_BITS-1:0]                        x,
    input  wire [PE*STAGES-1:0]                        found,        // decisions, the first as highest bit
    output wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0]  next_fold,
    output wire [PE*X_BITS-1:0]                        next_x,
    output wire [PE*STAGES-1:0]                        next_found
);
    localparam FOLD_BITS = FOLDS > 1 ? $clog2(FOLDS) : 1;
    localparam ROM_CLOCKS = ROM_STYLE == 1 ? 2 : 1;
    localparam WORDS = FOLDS << STAGE;
    localparam ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    // A block RAM would be nearly empty; the second register keeps the stages alike.
    localparam STYLE = ROM_STYLE == 1 && WORDS <= 64 ? 2 : ROM_STYLE;
    localparam BIT = STAGES - 1 - STAGE;             // of the decision made here

    wire [PE*X_BITS-1:0] late_x;
    wire [PE*STAGES-1:0] late_found;

    gw_delay #(.BITS(FOLD_BITS), .CLOCKS(ROM_CLOCKS + 1)) fold_delay (
        .clk(clk), .ce(ce), .a(fold), .y(next_fold));
    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(ROM_CLOCKS)) late_x_delay (
        .clk(clk), .ce(ce), .a(x), .y(late_x));
    gw_delay #(.BITS(PE*X_BITS), .CLOCKS(1)) next_x_delay (
        .clk(clk), .ce(ce), .a(late_x), .y(next_x));
    gw_delay #(.BITS(PE*STAGES), .CLOCKS(ROM_CLOCKS)) late_found_delay (
        .clk(clk), .ce(ce), .a(found), .y(late_found));

    genvar l;
    genvar b;
    generate
        for (l = 0; l < PE; l = l + 1) begin : g_lane
            localparam [31:0] HUNDREDS = 48 + (STAGE * PE + l) / 100 % 10;
            localparam [31:0] TENS = 48 + (STAGE * PE + l) / 10 % 10;
            localparam [31:0] ONES = 48 + (STAGE * PE + l) % 10;
            wire [ADDR_BITS-1:0]     addr;
            wire [X_BITS:0]          threshold;
            wire                     reached;
            reg  [STAGES-1:0]        found_q;

            if (STAGE == 0) begin : g_first
                assign addr = fold;
            end else if (FOLDS == 1) begin : g_one_fold
                assign addr = found[l*STAGES + BIT + 1 +: STAGE];
            end else begin : g_folds
                assign addr = {fold, found[l*STAGES + BIT + 1 +: STAGE]};
            end

            gw_rom #(
                .BITS(X_BITS + 1), .DEPTH(WORDS), .STYLE(STYLE), .OUT_REG(ROM_STYLE == 1 ? 1 : 0),
                .FILE({TABLE, "_", HUNDREDS[7:0], TENS[7:0], ONES[7:0], ".mem"})
            ) rom (
                .clk(clk), .ce(ce), .addr(addr), .data(threshold));

            if (X_SIGNED != 0) begin : g_signed
                wire signed [X_BITS:0] value = {late_x[l*X_BITS + X_BITS - 1], late_x[l*X_BITS +: X_BITS]};
                assign reached = value >= $signed(threshold);
            end else begin : g_unsigned
                assign reached = {1'b0, late_x[l*X_BITS +: X_BITS]} >= threshold;
            end
            for (b = 0; b < STAGES; b = b + 1) begin : g_bit
                if (b == BIT) begin : g_decide
                    always @(posedge clk) if (ce) found_q[b] <= reached;
                    wire unused = late_found[l*STAGES + b];
                end else begin : g_keep
                    always @(posedge clk) if (ce) found_q[b] <= late_found[l*STAGES + b];
                end
            end
            assign next_found[l*STAGES +: STAGES] = found_q;
        end
    endgenerate
endmodule

`default_nettype wire
