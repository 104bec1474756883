// N unsigned terms to two of the same sum, by adders of three operands with a register behind each.
//
// The module instantiates itself for the next level.
//
// Latency LEVELS clocks; a new set of terms every clock.
`default_nettype none

module gw_tree_three #(
    parameter N    = 4,          // terms, at most 4374
    parameter BITS = 8,          // bits of a term
    // Levels of three terms each; leave as it is.
    parameter LEVELS = (N > 2 ? 1 : 0) + (N > 6 ? 1 : 0) + (N > 18 ? 1 : 0) + (N > 54 ? 1 : 0)
                     + (N > 162 ? 1 : 0) + (N > 486 ? 1 : 0) + (N > 1458 ? 1 : 0)
) (
    input  wire                     clk,
    input  wire                     ce,
    input  wire [N*BITS-1:0]        terms,
    output wire [BITS+2*LEVELS-1:0] a,
    output wire [BITS+2*LEVELS-1:0] b
);
    localparam THREES = N / 3;
    localparam REST = (N + 2) / 3;           // terms of the next level

    genvar i;
    generate
        if (N == 1) begin : g_one
            assign a = terms;
            assign b = {BITS{1'b0}};
            wire unused = &{1'b0, clk, ce};
        end else if (N == 2) begin : g_two
            assign {b, a} = terms;
            wire unused = &{1'b0, clk, ce};
        end else begin : g_level
            wire [REST*(BITS+2)-1:0] next_d;
            reg  [REST*(BITS+2)-1:0] next_q;

            for (i = 0; i < THREES; i = i + 1) begin : g_three
                gw_add_three #(.BITS(BITS), .OUT(BITS + 2)) add (
                    .a(terms[3*i*BITS +: BITS]), .b(terms[(3*i+1)*BITS +: BITS]),
                    .c(terms[(3*i+2)*BITS +: BITS]), .sum(next_d[i*(BITS+2) +: BITS+2]));
            end
            if (N % 3 == 1) begin : g_last
                assign next_d[THREES*(BITS+2) +: BITS+2] = {2'b00, terms[(N-1)*BITS +: BITS]};
            end else if (N % 3 == 2) begin : g_last_two
                assign next_d[THREES*(BITS+2) +: BITS+2] =
                    {2'b00, terms[(N-2)*BITS +: BITS]} + {2'b00, terms[(N-1)*BITS +: BITS]};
            end
            always @(posedge clk) if (ce) next_q <= next_d;

            gw_tree_three #(.N(REST), .BITS(BITS + 2)) rest (
                .clk(clk), .ce(ce), .terms(next_q), .a(a), .b(b));
        end
    endgenerate
endmodule

`default_nettype wire
