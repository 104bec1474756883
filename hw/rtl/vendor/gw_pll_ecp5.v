// ECP5 PLL: clk_out = clk_in * CLKFB_DIV / CLKI_DIV (hw/pll.py chooses the dividers); `locked` is asynchronous.
`default_nettype none

module gw_pll_ecp5 #(
    // Divider of the reference, 1 to 128.
    parameter CLKI_DIV = 1,
    // Multiplier, 1 to 80.
    parameter CLKFB_DIV = 1,
    // Divider of the oscillator, 1 to 128; the oscillator runs at clk_out * CLKOP_DIV, 400 to 800 MHz.
    parameter CLKOP_DIV = 1,
    // Phase of the output in oscillator clocks, 0 to CLKOP_DIV - 1; ecppll takes CLKOP_DIV / 2.
    parameter CLKOP_CPHASE = 0
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    (* ICP_CURRENT = "12" *) (* LPF_RESISTOR = "8" *) (* MFG_ENABLE_FILTEROPAMP = "1" *) (* MFG_GMCREF_SEL = "2" *)
    EHXPLLL #(
        .PLLRST_ENA("DISABLED"),
        .INTFB_WAKE("DISABLED"),
        .STDBY_ENABLE("DISABLED"),
        .DPHASE_SOURCE("DISABLED"),
        .OUTDIVIDER_MUXA("DIVA"),
        .OUTDIVIDER_MUXB("DIVB"),
        .OUTDIVIDER_MUXC("DIVC"),
        .OUTDIVIDER_MUXD("DIVD"),
        .CLKI_DIV(CLKI_DIV),
        .CLKOP_ENABLE("ENABLED"),
        .CLKOP_DIV(CLKOP_DIV),
        .CLKOP_CPHASE(CLKOP_CPHASE),
        .CLKOP_FPHASE(0),
        .FEEDBK_PATH("CLKOP"),
        .CLKFB_DIV(CLKFB_DIV)
    ) pll (
        .RST(1'b0),
        .STDBY(1'b0),
        .CLKI(clk_in),
        .CLKOP(clk_out),
        .CLKFB(clk_out),
        .CLKINTFB(),
        .PHASESEL0(1'b0),
        .PHASESEL1(1'b0),
        .PHASEDIR(1'b1),
        .PHASESTEP(1'b1),
        .PHASELOADREG(1'b1),
        .PLLWAKESYNC(1'b0),
        .ENCLKOP(1'b0),
        .LOCK(locked)
    );
endmodule

`default_nettype wire
