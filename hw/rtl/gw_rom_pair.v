// Two read-only memories in one, each with a port of its own: {a,b}_data = its word of {a,b}_addr, 2 enabled
// clocks after it. Block RAM with two ports that the pair fills better than either alone.
//
// The file holds the words of A from 0 on, those of B from BASE on, in the low bits; what lies between is never
// read. Where BASE is a multiple of a power of two that is no less than B_WORDS, B's address needs no adder.
`default_nettype none

module gw_rom_pair #(
    parameter A_BITS  = 8,       // width of A's words
    parameter A_WORDS = 4,       // words of A, at least 2
    parameter B_BITS  = 8,       // width of B's words
    parameter B_WORDS = 4,       // words of B, at least 2
    parameter BASE    = 4,       // where B starts, at least A_WORDS
    parameter FILE    = ""       // $readmemh file, BASE + B_WORDS words of the wider one's width
) (
    input  wire                        clk,
    input  wire                        a_ce,
    input  wire [$clog2(A_WORDS)-1:0]  a_addr,
    output wire [A_BITS-1:0]           a_data,
    input  wire                        b_ce,
    input  wire [$clog2(B_WORDS)-1:0]  b_addr,
    output wire [B_BITS-1:0]           b_data
);
    localparam BITS = A_BITS > B_BITS ? A_BITS : B_BITS;
    localparam WORDS = BASE + B_WORDS;
    localparam ADDR_BITS = $clog2(WORDS);
    localparam A_ADDR_BITS = $clog2(A_WORDS);
    localparam B_ADDR_BITS = $clog2(B_WORDS);
    localparam [31:0] FIRST = BASE;

    initial begin
        if (A_WORDS < 2 || B_WORDS < 2) $display("gw_rom_pair: A_WORDS and B_WORDS must be at least 2");
        if (BASE < A_WORDS) $display("gw_rom_pair: BASE must be at least A_WORDS");
    end

    wire [ADDR_BITS-1:0] a_at;
    wire [ADDR_BITS-1:0] b_at;
    gw_extend #(.FROM(A_ADDR_BITS), .TO(ADDR_BITS), .SIGNED(0)) extend_a (.a(a_addr), .y(a_at));
    generate
        if (BASE % (1 << B_ADDR_BITS) == 0) begin : g_beside
            assign b_at = {FIRST[ADDR_BITS-1:B_ADDR_BITS], b_addr};
        end else begin : g_behind
            wire [ADDR_BITS-1:0] b_place;
            gw_extend #(.FROM(B_ADDR_BITS), .TO(ADDR_BITS), .SIGNED(0)) extend_b (.a(b_addr), .y(b_place));
            assign b_at = FIRST[ADDR_BITS-1:0] + b_place;
        end
    endgenerate

    (* rom_style = "block" *) (* ram_style = "block" *)
    reg [BITS-1:0]   mem [0:WORDS-1];
    reg [BITS-1:0]   a_word_q;
    reg [BITS-1:0]   b_word_q;
    reg [A_BITS-1:0] a_data_q;
    reg [B_BITS-1:0] b_data_q;
    assign a_data = a_data_q;
    assign b_data = b_data_q;

    initial $readmemh(FILE, mem);
    always @(posedge clk) begin
        if (a_ce) begin
            a_word_q <= mem[a_at];
            a_data_q <= a_word_q[A_BITS-1:0];
        end
    end
    always @(posedge clk) begin
        if (b_ce) begin
            b_word_q <= mem[b_at];
            b_data_q <= b_word_q[B_BITS-1:0];
        end
    end

    generate
        if (A_BITS < BITS) begin : g_wider_b
            wire unused = &{1'b0, a_word_q[BITS-1:A_BITS]};
        end
        if (B_BITS < BITS) begin : g_wider_a
            wire unused = &{1'b0, b_word_q[BITS-1:B_BITS]};
        end
    endgenerate
endmodule

`default_nettype wire
