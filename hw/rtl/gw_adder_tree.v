// Pipelined sum of N terms, and with CARRY of N carry bits: of these N-1 enter the tree's own adders,
// and the last leaves with the sum, for the adder that follows: sum + carry_out.
//
// A register behind every level costs no area (each lies beside its adder's LUT) and keeps Yosys from
// merging levels into a compressor of twice the LUTs. The module instantiates itself for the next level.
//
// Latency $clog2(N) clocks; a new set of terms every clock.
`default_nettype none

module gw_adder_tree #(
    parameter N      = 4,        // terms
    parameter BITS   = 8,        // bits of a term; the sum has BITS + $clog2(N)
    parameter SIGNED = 1,        // 1: terms are two's complement; needed for CARRY. 2: they and the sum are so
                                 // with one more bit, always 1, which is left out
    parameter CARRY  = 0         // 1: use the carry bits
) (
    input  wire                        clk,
    input  wire                        ce,
    input  wire [N*BITS-1:0]           terms,
    input  wire [N-1:0]                carries,
    output wire [BITS+$clog2(N)-1:0]   sum,
    output wire                        carry_out
);
    localparam PAIRS = N / 2;
    localparam REST = N - PAIRS;             // terms of the next level

    genvar i;
    generate
        if (N == 1) begin : g_leaf
            assign sum = terms;
            assign carry_out = carries[0];
            wire unused = &{1'b0, clk, ce};
        end else begin : g_level
            wire [REST*(BITS+1)-1:0] next_d;
            reg  [REST*(BITS+1)-1:0] next_q;
            wire [REST-1:0]          next_carries;

            for (i = 0; i < PAIRS; i = i + 1) begin : g_pair
                wire [BITS:0] a;
                wire [BITS:0] b;
                gw_extend #(.FROM(BITS), .TO(BITS + 1), .SIGNED(SIGNED == 1 ? 1 : 0)) extend_a (
                    .a(terms[2*i*BITS +: BITS]), .y(a));
                gw_extend #(.FROM(BITS), .TO(BITS + 1), .SIGNED(SIGNED == 1 ? 1 : 0)) extend_b (
                    .a(terms[(2*i+1)*BITS +: BITS]), .y(b));
                if (CARRY != 0) begin : g_carry
                    // One more adder bit below the lowest makes the carry; every tool maps that well.
                    wire [BITS+1:0] total = {a, 1'b1} + {b, carries[2*i]};
                    assign next_d[i*(BITS+1) +: BITS+1] = total[BITS+1:1];
                    wire unused = total[0];
                end else begin : g_plain
                    assign next_d[i*(BITS+1) +: BITS+1] = a + b;
                end
            end
            if (REST > PAIRS) begin : g_odd
                wire [BITS:0] last;
                gw_extend #(.FROM(BITS), .TO(BITS + 1), .SIGNED(SIGNED == 1 ? 1 : 0)) extend_last (
                    .a(terms[(N-1)*BITS +: BITS]), .y(last));
                assign next_d[(REST-1)*(BITS+1) +: BITS+1] = {SIGNED == 2 ? 1'b1 : last[BITS], last[BITS-1:0]};
            end
            always @(posedge clk) if (ce) next_q <= next_d;

            if (CARRY != 0) begin : g_carries
                reg [REST-1:0] carries_q;
                for (i = 0; i < REST; i = i + 1) begin : g_pass
                    localparam SOURCE = i < PAIRS ? 2 * i + 1 : N - 1;
                    always @(posedge clk) if (ce) carries_q[i] <= carries[SOURCE];
                end
                assign next_carries = carries_q;
            end else begin : g_no_carries
                assign next_carries = {REST{1'b0}};
                wire unused = &{1'b0, carries};
            end

            gw_adder_tree #(.N(REST), .BITS(BITS + 1), .SIGNED(SIGNED), .CARRY(CARRY)) rest (
                .clk(clk),
                .ce(ce),
                .terms(next_q),
                .carries(next_carries),
                .sum(sum),
                .carry_out(carry_out)
            );
        end
    endgenerate
endmodule

`default_nettype wire
