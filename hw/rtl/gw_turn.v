// Words that come round: q is, at a step, the d of the step FOLD steps before it.
//
// `next` says that a step follows: it is high, with ce, in the enabled clock before each step. FOLD = 1 is a
// register, a few words are a shift register, and from FOLD_RAM on a RAM whose read takes the clock of `next`.
`default_nettype none

module gw_turn #(
    parameter BITS = 8,          // width of a word
    parameter FOLD = 4           // words
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            next,
    input  wire            step,
    input  wire [BITS-1:0] d,
    output wire [BITS-1:0] q
);
    localparam FOLD_RAM = 5;

    generate
        if (FOLD == 1) begin : g_one
            reg [BITS-1:0] word_q;
            assign q = word_q;
            always @(posedge clk) if (step) word_q <= d;
            wire unused = &{1'b0, rst, next};
        end else if (FOLD < FOLD_RAM) begin : g_shift
            reg [FOLD*BITS-1:0] words_q;
            assign q = words_q[BITS-1:0];
            always @(posedge clk) if (step) words_q <= {d, words_q[FOLD*BITS-1:BITS]};
            wire unused = &{1'b0, rst, next};
        end else begin : g_ram
            // A word is read while at most the one before it is written, so the addresses never meet.
            wire [$clog2(FOLD)-1:0] wr_addr;
            wire [$clog2(FOLD)-1:0] rd_addr;
            wire                    unused_wr;
            wire                    unused_rd;
            gw_counter #(.COUNT(FOLD)) writes (
                .clk(clk), .rst(rst), .step(step), .value(wr_addr), .last(unused_wr));
            gw_counter #(.COUNT(FOLD)) reads (
                .clk(clk), .rst(rst), .step(next), .value(rd_addr), .last(unused_rd));
            gw_ram #(.BITS(BITS), .DEPTH(FOLD), .RAM_STYLE(0)) ram (
                .clk(clk),
                .wr_en(step), .wr_addr(wr_addr), .wr_data(d),
                .rd_en(next), .rd_addr(rd_addr), .rd_data(q));
        end
    endgenerate
endmodule

`default_nettype wire
