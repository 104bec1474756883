// Stand-ins for the clock generators of hw/rtl/vendor in simulations of a whole board: the clock that comes in
// is the clock that goes out, locked from the start. Times are then counted in clocks of the design.
`default_nettype none

module gw_pll_ecp5 #(
    parameter CLKI_DIV = 1,
    parameter CLKFB_DIV = 1,
    parameter CLKOP_DIV = 1,
    parameter CLKOP_CPHASE = 0
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    assign clk_out = clk_in;
    assign locked = 1'b1;
endmodule

module gw_pll_ice40 #(
    parameter [3:0] DIVR = 4'd0,
    parameter [6:0] DIVF = 7'd0,
    parameter [2:0] DIVQ = 3'd1,
    parameter [2:0] FILTER_RANGE = 3'd1
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    assign clk_out = clk_in;
    assign locked = 1'b1;
endmodule

module gw_pll_gowin #(
    parameter DEVICE = "GW2AR-18C",
    parameter FCLKIN = "27",
    parameter IDIV_SEL = 0,
    parameter FBDIV_SEL = 0,
    parameter ODIV_SEL = 8
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    assign clk_out = clk_in;
    assign locked = 1'b1;
endmodule

`default_nettype wire
