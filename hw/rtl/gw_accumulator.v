// Running sums of PE rows: acc[j] = start[j] + the sum of (sum[j] + carry[j]) over the beats from first on,
// modulo 2**ACC_BITS; DOUBLE counts sum[j] twice. The start is OFFSET, plus BIAS in words that take turns.
//
// With TOP_BIT only the highest bit of each acc leaves: with a start of 2**(ACC_BITS-1) - t, and enough bits,
// that is whether the sum has reached t.
//
// acc is also the output register: a sum stays until ce lets the next beat in, a clock after its last.
`default_nettype none

module gw_accumulator #(
    parameter PE         = 2,    // rows
    parameter SUM_BITS   = 8,    // bits of an addend
    parameter SIGNED     = 1,    // 1: addends are two's complement
    parameter DOUBLE     = 0,    // 1: twice each addend
    parameter CARRY      = 0,    // 0: no carries, 1: of all rows, 2: of odd rows
    parameter ACC_BITS   = 16,   // bits of a sum
    parameter ONCE       = 0,    // 1: every beat is a first one
    parameter OFFSET     = 0,    // part of every start
    parameter HAS_BIAS   = 0,    // 0: no bias, and BIAS is not read
    parameter BIAS_WORDS = 1,    // words of BIAS
    parameter ROM_STYLE  = 0,    // as gw_rom's STYLE
    parameter TOP_BIT    = 0,    // 1: the highest bit of each sum leaves, not the sum
    parameter BIAS       = ""    // $readmemh file, words of PE*ACC_BITS bits
) (
    input  wire                                           clk,
    input  wire                                           rst,
    input  wire                                           ce,
    input  wire                                           soon,   // 2 enabled clocks, with OFFSET 3, before a
                                                                  // valid first beat
    input  wire                                           valid,
    input  wire                                           next_first, // the enabled clock after is a first beat's
    input  wire [PE*SUM_BITS-1:0]                         sum,
    input  wire [PE-1:0]                                  carry,
    output wire [PE*(TOP_BIT != 0 ? 1 : ACC_BITS)-1:0]    data
);
    localparam ADDR_BITS = BIAS_WORDS > 1 ? $clog2(BIAS_WORDS) : 1;
    localparam [31:0] OFFSET_CODE = OFFSET;

    wire [ACC_BITS-1:0]    offset;
    wire [PE*ACC_BITS-1:0] start;
    gw_extend #(.FROM(32), .TO(ACC_BITS), .SIGNED(1)) extend_offset (.a(OFFSET_CODE), .y(offset));

    genvar i;
    generate
        if (HAS_BIAS != 0) begin : g_bias
            wire [ADDR_BITS-1:0]   addr;
            wire [PE*ACC_BITS-1:0] bias;
            wire                   unused;
            gw_counter #(.COUNT(BIAS_WORDS)) addr_counter (
                .clk(clk), .rst(rst), .step(ce && soon), .value(addr), .last(unused));
            gw_rom #(
                .BITS(PE*ACC_BITS), .DEPTH(BIAS_WORDS), .STYLE(ROM_STYLE), .OUT_REG(1), .FILE(BIAS)
            ) biases (.clk(clk), .ce(ce), .addr(addr), .data(bias));
            if (OFFSET != 0) begin : g_offset
                reg [PE*ACC_BITS-1:0] start_q;
                for (i = 0; i < PE; i = i + 1) begin : g_row
                    always @(posedge clk) begin
                        if (ce) start_q[i*ACC_BITS +: ACC_BITS] <= bias[i*ACC_BITS +: ACC_BITS] + offset;
                    end
                end
                assign start = start_q;
            end else begin : g_plain
                assign start = bias;
                wire unused_offset = &{1'b0, offset};
            end
        end else begin : g_no_bias
            assign start = {PE{offset}};
            wire unused = &{1'b0, rst, soon};
        end
    endgenerate

    reg [PE*ACC_BITS-1:0] acc_q;

    wire [PE-1:0] first;
    generate
        if (ONCE != 0) begin : g_once
            assign first = {PE{1'b1}};
            wire unused_first = next_first;
        end else begin : g_again
            // The net of one for all rows would be the slowest of the unit.
            gw_copies #(.N(PE)) first_copies (.clk(clk), .ce(ce), .d(next_first), .q(first));
        end
    endgenerate

    generate
        for (i = 0; i < PE; i = i + 1) begin : g_row
            localparam CARRIES = CARRY == 1 || (CARRY == 2 && i % 2 == 1);
            wire [SUM_BITS-1:0] sum_i = sum[i*SUM_BITS +: SUM_BITS];
            wire [ACC_BITS-1:0] start_i = start[i*ACC_BITS +: ACC_BITS];
            wire [ACC_BITS-1:0] acc_i = acc_q[i*ACC_BITS +: ACC_BITS];
            wire [ACC_BITS-1:0] addend;
            wire [ACC_BITS-1:0] next;
            always @(posedge clk) if (ce && valid) acc_q[i*ACC_BITS +: ACC_BITS] <= next;
            if (DOUBLE != 0) begin : g_double
                gw_extend #(.FROM(SUM_BITS + 1), .TO(ACC_BITS), .SIGNED(SIGNED)) extend (
                    .a({sum_i, 1'b0}), .y(addend));
            end else begin : g_as_is
                gw_extend #(.FROM(SUM_BITS), .TO(ACC_BITS), .SIGNED(SIGNED)) extend (.a(sum_i), .y(addend));
            end
            // An only beat's start is in no cells of a family, as a constant one is to vanish.
            if (ONCE != 0 && CARRIES) begin : g_once_carry
                wire [ACC_BITS:0] total = {addend, 1'b1} + {start_i, carry[i]};
                wire              unused = &{1'b0, total[0], first[i], acc_i};
                assign next = total[ACC_BITS:1];
            end else if (ONCE != 0) begin : g_once
                wire unused = &{1'b0, carry[i], first[i], acc_i};
                assign next = start_i + addend;
            end else begin : g_again
                gw_choose_add #(.BITS(ACC_BITS), .CARRY(CARRIES ? 1 : 0)) add (
                    .choose(first[i]), .a(start_i), .b(acc_i), .c(addend), .carry(carry[i]), .sum(next));
            end
            if (TOP_BIT != 0) begin : g_top
                assign data[i] = acc_q[i*ACC_BITS + ACC_BITS - 1];
                wire unused_low = &{1'b0, acc_q[i*ACC_BITS +: ACC_BITS]};
            end else begin : g_all
                assign data[i*ACC_BITS +: ACC_BITS] = acc_q[i*ACC_BITS +: ACC_BITS];
            end
        end
    endgenerate
endmodule

`default_nettype wire
