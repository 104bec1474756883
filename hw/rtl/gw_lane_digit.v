// sum + carry = sum_i w[i]*x[i] in LUTs: never a DSP block, as there is no "*".
//
// A weight is cut into digits of two bits. A digit picks its multiple of x: 0, x, 2x or 3x, where 3x comes
// ready-made from the caller, who shares it among all rows. The top digit is signed, 0, x, -2x or -x, of
// which the last two are complements whose +1 goes into a carry input. Each digit has its own adder tree,
// and the trees' sums are put together at the end, once per row instead of once per product.
// With an odd W_BITS the lowest digit is one bit; one-bit weights are 0 or -1.
//
// Latency 1 + $clog2(SIMD) + (W_BITS+1)/2 - 1 clocks; a new beat every clock.
`default_nettype none

module gw_lane_digit #(
    parameter SIMD     = 4,      // products
    parameter X_BITS   = 8,      // bits of x
    parameter X_SIGNED = 1,      // 1: x is two's complement
    parameter W_BITS   = 4       // bits of w, two's complement, 1 to 16
) (
    input  wire                                    clk,
    input  wire                                    ce,
    input  wire [SIMD*X_BITS-1:0]                  x,
    input  wire [SIMD*(X_BITS+2)-1:0]              x3,
    input  wire [SIMD*W_BITS-1:0]                  w,
    output wire [X_BITS+W_BITS+$clog2(SIMD)-1:0]   sum,
    output wire                                    carry
);
    localparam DIGITS = (W_BITS + 1) / 2;
    localparam M_BITS = X_BITS + 2;                  // a multiple of x
    localparam S_BITS = M_BITS + $clog2(SIMD);       // one digit's sum
    localparam BITS = X_BITS + W_BITS + $clog2(SIMD);
    localparam LOW_BITS = 2 - W_BITS % 2;            // bits of the lowest digit

    wire [DIGITS*S_BITS-1:0] digit_sum;
    wire [DIGITS-1:0]        digit_carry;            // only the top digit's, bit 0, is ever set
    wire [DIGITS*BITS-1:0]   horner;                 // slot d: the value of digits 0 to d, sign-extended

    genvar d;
    genvar i;
    generate
        // Digit d, counted from the top, has its lowest bit at POS.
        for (d = 0; d < DIGITS; d = d + 1) begin : g_digit
            localparam POS = W_BITS - 2 * (d + 1) > 0 ? W_BITS - 2 * (d + 1) : 0;
            localparam DIGIT_BITS = d == DIGITS - 1 ? LOW_BITS : 2;
            reg  [SIMD*M_BITS-1:0] term_q;
            reg  [SIMD-1:0]        minus_q;

            for (i = 0; i < SIMD; i = i + 1) begin : g_lane
                wire [M_BITS-1:0] once;
                wire [1:0]        digit;
                wire [M_BITS-1:0] term;
                gw_extend #(.FROM(X_BITS), .TO(M_BITS), .SIGNED(X_SIGNED)) extend (
                    .a(x[i*X_BITS +: X_BITS]), .y(once));
                if (DIGIT_BITS == 2) begin : g_two_bits
                    assign digit = w[i*W_BITS + POS +: 2];
                end else begin : g_one_bit
                    assign digit = {(d == 0) & w[i*W_BITS], w[i*W_BITS]};
                end
                // Of a choice with 0 in it Yosys makes resets of the highest bits, a net for each lane.
                if (d == 0) begin : g_signed
                    assign term = {M_BITS{digit[1]}} ^ ({M_BITS{digit[0]}} & once
                        | {M_BITS{digit[1] & !digit[0]}} & {once[M_BITS-2:0], 1'b0});
                end else begin : g_unsigned
                    assign term = {M_BITS{digit[1] & digit[0]}} & x3[i*M_BITS +: M_BITS]
                        | {M_BITS{digit[1] & !digit[0]}} & {once[M_BITS-2:0], 1'b0}
                        | {M_BITS{!digit[1] & digit[0]}} & once;
                end
                always @(posedge clk) begin
                    if (ce) begin
                        term_q[i*M_BITS +: M_BITS] <= term;
                        minus_q[i] <= (d == 0) & digit[1];
                    end
                end
            end

            gw_adder_tree #(
                .N(SIMD),
                .BITS(M_BITS),
                .SIGNED(d == 0 || X_SIGNED != 0 ? 1 : 0),
                .CARRY(d == 0 ? 1 : 0)
            ) tree (
                .clk(clk),
                .ce(ce),
                .terms(term_q),
                .carries(minus_q),
                .sum(digit_sum[d*S_BITS +: S_BITS]),
                .carry_out(digit_carry[d])
            );
        end

        // Horner's rule, a digit a clock: value = value * 2**SHIFT + digit_sum. The low SHIFT bits of a
        // digit's sum meet no adder.
        gw_extend #(.FROM(S_BITS), .TO(BITS), .SIGNED(1)) extend_top (
            .a(digit_sum[S_BITS-1:0]), .y(horner[BITS-1:0]));
        for (d = 1; d < DIGITS; d = d + 1) begin : g_horner
            localparam SHIFT = d == DIGITS - 1 ? LOW_BITS : 2;
            localparam H_BITS = S_BITS + 2 * (d - 1);    // bits of the value before this step
            wire [S_BITS-1:0]       late;
            wire [H_BITS-1:0]       value;
            wire [H_BITS-1:0]       addend;
            reg  [H_BITS+SHIFT-1:0] value_q;

            gw_delay #(.BITS(S_BITS), .CLOCKS(d - 1)) delay (
                .clk(clk), .ce(ce), .a(digit_sum[d*S_BITS +: S_BITS]), .y(late));
            gw_extend #(.FROM(BITS), .TO(H_BITS), .SIGNED(1)) extend_value (
                .a(horner[(d-1)*BITS +: BITS]), .y(value));
            gw_extend #(.FROM(S_BITS - SHIFT), .TO(H_BITS), .SIGNED(X_SIGNED)) extend_addend (
                .a(late[S_BITS-1:SHIFT]), .y(addend));
            if (d == 1) begin : g_carry
                wire [H_BITS:0] total = {value, 1'b1} + {addend, digit_carry[0]};
                always @(posedge clk) if (ce) value_q <= {total[H_BITS:1], late[SHIFT-1:0]};
                wire unused = total[0];
            end else begin : g_plain
                always @(posedge clk) if (ce) value_q <= {value + addend, late[SHIFT-1:0]};
            end
            gw_extend #(.FROM(H_BITS + SHIFT), .TO(BITS), .SIGNED(1)) extend_next (
                .a(value_q), .y(horner[d*BITS +: BITS]));
        end
        if (DIGITS == 1) begin : g_carry_out
            assign carry = digit_carry[0];
            wire unused = &{1'b0, x3};
        end else begin : g_no_carry_out
            assign carry = 1'b0;
            wire unused = &{1'b0, digit_carry[DIGITS-1:1]};
        end
    endgenerate
    assign sum = horner[(DIGITS-1)*BITS +: BITS];
endmodule

`default_nettype wire
