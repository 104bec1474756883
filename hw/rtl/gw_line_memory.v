// A delay of PLACES steps: q is the word that came so many steps ago, until the step that takes d in its place.
`default_nettype none

module gw_line_memory #(
    parameter BITS = 8,         // width of a word
    parameter PLACES = 8,       // steps of delay, at least 1
    parameter RAM_STYLE = 0     // 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            step,
    input  wire [BITS-1:0] d,
    output wire [BITS-1:0] q
);
    generate
        if (PLACES == 1) begin : g_hold
            reg [BITS-1:0] word_q;
            always @(posedge clk) if (step) word_q <= d;
            assign q = word_q;
            wire unused = rst;
        end else begin : g_ram
            // The word of the next step is read while that of this one is written.
            localparam LAST = PLACES - 1;
            wire [$clog2(PLACES)-1:0] rd_addr;
            reg  [$clog2(PLACES)-1:0] wr_addr_q;
            wire                      unused;
            gw_counter #(.COUNT(PLACES)) counter (
                .clk(clk), .rst(rst), .step(step), .value(rd_addr), .last(unused));
            always @(posedge clk) begin
                if (rst) wr_addr_q <= LAST[$clog2(PLACES)-1:0];
                else if (step) wr_addr_q <= rd_addr;
            end
            gw_ram #(.BITS(BITS), .DEPTH(PLACES), .RAM_STYLE(RAM_STYLE)) ram (
                .clk(clk), .wr_en(step), .wr_addr(wr_addr_q), .wr_data(d),
                .rd_en(step), .rd_addr(rd_addr), .rd_data(q));
        end
    endgenerate
endmodule

`default_nettype wire
