// Reset: `rst` is high from power-on until `locked` has been high and `button` low for CLOCKS clocks,
// and again whenever either changes; both may be asynchronous to clk.
// The counter starts at zero by its initial value, which ECP5, iCE40 and Gowin load with the bitstream.
`default_nettype none

module gw_reset #(
    // Clocks of reset after everything is well, at least 2; long enough to outlast a bouncing button.
    parameter CLOCKS = 65536
) (
    input wire clk,
    input wire locked,
    input wire button,
    output wire rst
);
    localparam COUNT_BITS = $clog2(CLOCKS + 1);
    localparam [31:0] LAST = CLOCKS;

    reg [1:0] good_q;
    reg [COUNT_BITS-1:0] count_q;
    reg rst_n_q;

    initial if (CLOCKS < 2) $display("gw_reset: CLOCKS must be at least 2");
    initial good_q = 2'b00;
    initial count_q = {COUNT_BITS{1'b0}};
    initial rst_n_q = 1'b0;

    assign rst = !rst_n_q;

    always @(posedge clk) begin
        good_q <= {good_q[0], locked && !button};
        rst_n_q <= good_q[1] && (count_q == LAST[COUNT_BITS-1:0]);
        if (!good_q[1]) count_q <= {COUNT_BITS{1'b0}};
        else if (count_q != LAST[COUNT_BITS-1:0]) count_q <= count_q + 1'b1;
    end
endmodule

`default_nettype wire
