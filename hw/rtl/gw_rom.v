// Read-only memory filled from a file: data = word[addr], 1 clock after addr (2 with OUT_REG).
// A ROM of one word is a constant and has no registers.
`default_nettype none

module gw_rom #(
    parameter BITS    = 8,       // word width
    parameter DEPTH   = 4,       // words; the file holds exactly so many
    parameter STYLE   = 0,       // 0: the tool chooses, 1: block RAM, 2: LUTs
    parameter OUT_REG = 1,       // 1: a second register, which hides the slow clock-to-q of block RAM
    parameter FILE    = ""       // $readmemh file
) (
    input  wire                                        clk,
    input  wire                                        ce,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0]  addr,
    output wire [BITS-1:0]                             data
);
    wire [BITS-1:0] word;

    generate
        if (DEPTH == 1) begin : g_constant
            reg [BITS-1:0] mem [0:0];
            initial $readmemh(FILE, mem);
            assign word = mem[0];
        end else if (STYLE == 1) begin : g_block
            (* rom_style = "block" *) (* ram_style = "block" *)
            reg [BITS-1:0] mem [0:DEPTH-1];
            reg [BITS-1:0] word_q;
            initial $readmemh(FILE, mem);
            always @(posedge clk) if (ce) word_q <= mem[addr];
            assign word = word_q;
        end else if (STYLE == 2) begin : g_lut
            (* rom_style = "distributed" *) (* ram_style = "logic" *)
            reg [BITS-1:0] mem [0:DEPTH-1];
            reg [BITS-1:0] word_q;
            initial $readmemh(FILE, mem);
            always @(posedge clk) if (ce) word_q <= mem[addr];
            assign word = word_q;
        end else begin : g_auto
            reg [BITS-1:0] mem [0:DEPTH-1];
            reg [BITS-1:0] word_q;
            initial $readmemh(FILE, mem);
            always @(posedge clk) if (ce) word_q <= mem[addr];
            assign word = word_q;
        end

        if (OUT_REG == 1 && DEPTH > 1) begin : g_out_reg
            reg [BITS-1:0] data_q;
            always @(posedge clk) if (ce) data_q <= word;
            assign data = data_q;
        end else begin : g_direct
            assign data = word;
        end

        if (DEPTH == 1) begin : g_unused
            wire unused = &{1'b0, clk, ce, addr};
        end
    endgenerate
endmodule

`default_nettype wire
