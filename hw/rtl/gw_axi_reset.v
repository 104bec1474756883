// Resets of an AXI design: the bus's own, and the core's, which a register can ask for too.
//
//   bus_rst follows aresetn by a clock. core_rst is high with it, and for CLOCKS clocks after each clock in
//   which request is high; that itself is a register's pulse.

`default_nettype none

module gw_axi_reset #(
    parameter CLOCKS = 16    // of the core's reset, at least 2
) (
    input wire clk,
    input wire aresetn,
    input wire request,
    output wire bus_rst,
    output wire core_rst
);
    localparam COUNT_BITS = $clog2(CLOCKS);
    localparam [31:0] LAST = CLOCKS - 1;

    reg bus_rst_q;
    reg core_rst_q;
    reg [COUNT_BITS-1:0] left_q;

    initial if (CLOCKS < 2) $display("gw_axi_reset: CLOCKS must be at least 2, not %0d", CLOCKS);
    // What is behind it is in reset from the bitstream on, whether or not the processor resets it.
    initial bus_rst_q = 1'b1;
    initial core_rst_q = 1'b1;
    initial left_q = {COUNT_BITS{1'b0}};

    assign bus_rst = bus_rst_q;
    assign core_rst = core_rst_q;

    always @(posedge clk) begin
        bus_rst_q <= !aresetn;
        core_rst_q <= !aresetn || request || left_q != {COUNT_BITS{1'b0}};
        if (!aresetn || request) left_q <= LAST[COUNT_BITS-1:0];
        else if (left_q != {COUNT_BITS{1'b0}}) left_q <= left_q - 1'b1;
    end
endmodule

`default_nettype wire
