// One write port and one synchronous read port, one clock.
//
//   at a rising edge: if (wr_en) memory[wr_addr] = wr_data; if (rd_en) rd_data = memory[rd_addr]
//
// rd_data holds while rd_en is low. Reading the address that the same edge writes is undefined: every
// user in this library keeps the two apart, and "no_rw_check" then saves the bypass logic in Yosys.
// Contents are undefined after power-up.
//
// LUT RAM up to SMALL words needs no attribute: tools choose it for so few, and iCE40, which has none and
// where Yosys refuses the attribute, then takes its block RAM. Beyond, RAM_STYLE = 2 is an error on iCE40.

`default_nettype none

module gw_ram #(
    parameter BITS = 8,        // width of a word
    parameter DEPTH = 16,      // words, >= 2
    parameter RAM_STYLE = 0    // 0 the tool chooses, 1 block RAM, 2 LUT RAM (see below)
) (
    input wire clk,
    input wire wr_en,
    input wire [$clog2(DEPTH)-1:0] wr_addr,
    input wire [BITS-1:0] wr_data,
    input wire rd_en,
    input wire [$clog2(DEPTH)-1:0] rd_addr,
    output wire [BITS-1:0] rd_data
);

    reg [BITS-1:0] rd_data_q;

    assign rd_data = rd_data_q;

    localparam SMALL = 32;

    initial if (DEPTH < 2) $display("gw_ram: DEPTH must be at least 2, not %0d", DEPTH);

    // The attribute has to be a literal, hence one branch a style.
    generate
        if (RAM_STYLE == 1) begin : block_ram
            (* no_rw_check *) (* ram_style = "block" *)
            reg [BITS-1:0] memory [0:DEPTH-1];
            always @(posedge clk) begin
                if (wr_en) memory[wr_addr] <= wr_data;
                if (rd_en) rd_data_q <= memory[rd_addr];
            end
        end else if (RAM_STYLE == 2 && DEPTH > SMALL) begin : lut_ram
            (* no_rw_check *) (* ram_style = "distributed" *)
            reg [BITS-1:0] memory [0:DEPTH-1];
            always @(posedge clk) begin
                if (wr_en) memory[wr_addr] <= wr_data;
                if (rd_en) rd_data_q <= memory[rd_addr];
            end
        end else begin : any_ram
            (* no_rw_check *)
            reg [BITS-1:0] memory [0:DEPTH-1];
            always @(posedge clk) begin
                if (wr_en) memory[wr_addr] <= wr_data;
                if (rd_en) rd_data_q <= memory[rd_addr];
            end
        end
    endgenerate

endmodule

`default_nettype wire
