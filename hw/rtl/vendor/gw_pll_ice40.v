// iCE40 PLL: clk_out = clk_in * (DIVF + 1) / ((DIVR + 1) * 2**DIVQ) (hw/pll.py chooses the dividers).
// clk_in must be the pad of the PLL and feed nothing else; `locked` is asynchronous.
`default_nettype none

module gw_pll_ice40 #(
    // Reference divider less one, 0 to 15.
    parameter [3:0] DIVR = 4'd0,
    // Multiplier less one, 0 to 127.
    parameter [6:0] DIVF = 7'd0,
    // Output divider, as a power of two, 1 to 6.
    parameter [2:0] DIVQ = 3'd1,
    // Loop filter, by the frequency of the phase detector, 1 to 6.
    parameter [2:0] FILTER_RANGE = 3'd1
) (
    input wire clk_in,
    output wire clk_out,
    output wire locked
);
    SB_PLL40_PAD #(
        .FEEDBACK_PATH("SIMPLE"),
        .DIVR(DIVR),
        .DIVF(DIVF),
        .DIVQ(DIVQ),
        .FILTER_RANGE(FILTER_RANGE)
    ) pll (
        .PACKAGEPIN(clk_in),
        .PLLOUTGLOBAL(clk_out),
        .RESETB(1'b1),
        .BYPASS(1'b0),
        .LOCK(locked)
    );
endmodule

`default_nettype wire
