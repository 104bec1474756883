// Gowin PLL: clk_out = clk_in * (FBDIV_SEL + 1) / (IDIV_SEL + 1) (hw/pll.py chooses the dividers);
// `locked` is asynchronous.
`default_nettype none

module gw_pll_gowin #(
    // The device's name, as the vendor's tool spells it.
    parameter DEVICE = "GW2AR-18C",
    // Input frequency in MHz, as text.
    parameter FCLKIN = "27",
    // Reference divider less one, 0 to 63.
    parameter IDIV_SEL = 0,
    // Multiplier less one, 0 to 63.
    parameter FBDIV_SEL = 0,
    // Divider of the oscillator: 2, 4, 8, 16, 32, 48, 64, 80, 96, 112 or 128.
    parameter ODIV_SEL = 8
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    rPLL #(
        .DEVICE(DEVICE),
        .FCLKIN(FCLKIN),
        .IDIV_SEL(IDIV_SEL),
        .FBDIV_SEL(FBDIV_SEL),
        .ODIV_SEL(ODIV_SEL)
    ) pll (
        .CLKIN(clk_in),
        .CLKOUT(clk_out),
        .LOCK(locked),
        .CLKOUTP(),
        .CLKOUTD(),
        .CLKOUTD3(),
        .RESET(1'b0),
        .RESET_P(1'b0),
        .CLKFB(1'b0),
        .FBDSEL(6'd0),
        .IDSEL(6'd0),
        .ODSEL(6'd0),
        .PSDA(4'd0),
        .DUTYDA(4'd0),
        .FDLY(4'd0)
    );
endmodule

`default_nettype wire
