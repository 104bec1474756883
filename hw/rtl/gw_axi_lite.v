// AXI4-Lite slave: turns the five channels into one write strobe and one read strobe of a register file.
//
//   One piece of work: one write (address and data in either order, or together) or one read.
//   Interval: 2 clocks a write and 2 a read, both at once. Latency: 2 clocks from the last of address and data
//   offered to the response offered, of a read likewise.
//   Every address answers OKAY; what lies behind it, and what an address without a register reads as, is the
//   register file's. Protection bits say nothing here and have no port.

`default_nettype none

module gw_axi_lite #(
    parameter ADDR_BITS = 12    // width of both addresses, in bytes; the lowest two bits say nothing
) (
    input wire clk,
    input wire rst,
    input wire [ADDR_BITS-1:0] s_awaddr,
    input wire s_awvalid,
    output wire s_awready,
    input wire [31:0] s_wdata,
    input wire [3:0] s_wstrb,
    input wire s_wvalid,
    output wire s_wready,
    output wire [1:0] s_bresp,
    output wire s_bvalid,
    input wire s_bready,
    input wire [ADDR_BITS-1:0] s_araddr,
    input wire s_arvalid,
    output wire s_arready,
    output wire [31:0] s_rdata,
    output wire [1:0] s_rresp,
    output wire s_rvalid,
    input wire s_rready,
    output wire write,                      // high for one clock: write_data goes to write_word
    output wire [ADDR_BITS-3:0] write_word,
    output wire [31:0] write_data,
    output wire [3:0] write_bytes,
    output wire read,                       // high for one clock, at whose end read_data is taken
    output wire [ADDR_BITS-3:0] read_word,
    input wire [31:0] read_data
);

    reg [ADDR_BITS-3:0] aw_q;
    reg aw_held_q;
    reg [31:0] w_q;
    reg [3:0] strb_q;
    reg w_held_q;
    reg bvalid_q;
    reg [ADDR_BITS-3:0] ar_q;
    reg ar_held_q;
    reg [31:0] r_q;
    reg rvalid_q;

    wire unused = &{1'b0, s_awaddr[1:0], s_araddr[1:0]};

    // Low in reset: rst may outlast the bus's own by a clock, in which a master already offers.
    assign s_awready = !aw_held_q && !rst;
    assign s_wready = !w_held_q && !rst;
    assign s_arready = !ar_held_q && !rst;
    assign s_bresp = 2'b00;
    assign s_bvalid = bvalid_q;
    assign s_rdata = r_q;
    assign s_rresp = 2'b00;
    assign s_rvalid = rvalid_q;

    // A response that waits holds the next piece of work up, which is taken all the same.
    assign write = aw_held_q && w_held_q && (s_bready || !bvalid_q);
    assign write_word = aw_q;
    assign write_data = w_q;
    assign write_bytes = strb_q;
    assign read = ar_held_q && (s_rready || !rvalid_q);
    assign read_word = ar_q;

    always @(posedge clk) begin
        if (s_awready) aw_q <= s_awaddr[ADDR_BITS-1:2];
        if (s_wready) begin
            w_q <= s_wdata;
            strb_q <= s_wstrb;
        end
        if (s_arready) ar_q <= s_araddr[ADDR_BITS-1:2];
        if (read) r_q <= read_data;
        if (rst) begin
            aw_held_q <= 1'b0;
            w_held_q <= 1'b0;
            ar_held_q <= 1'b0;
            bvalid_q <= 1'b0;
            rvalid_q <= 1'b0;
        end else begin
            aw_held_q <= aw_held_q ? !write : s_awvalid;
            w_held_q <= w_held_q ? !write : s_wvalid;
            ar_held_q <= ar_held_q ? !read : s_arvalid;
            bvalid_q <= write || (bvalid_q && !s_bready);
            rvalid_q <= read || (rvalid_q && !s_rready);
        end
    end

endmodule

`default_nettype wire
