// Bench of a whole board: plays the bytes of script.hex on the UART and prints what the host hears.
// The stand-in accelerator inverts each byte.
`timescale 1ns / 1ps
module inverter (
    input wire clk,
    input wire rst,
    input wire [7:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [7:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);
    reg [7:0] data_q;
    reg valid_q;
    assign s_tready = m_tready || !valid_q;
    assign m_tdata = ~data_q;
    assign m_tvalid = valid_q;
    always @(posedge clk) begin
        if (s_tready) begin
            data_q <= s_tdata;
            valid_q <= s_tvalid;
        end
        if (rst) valid_q <= 1'b0;
    end
endmodule

module board_bench;
    parameter PRESSED = 0;
    parameter CLOCK_KHZ = 12000;
    parameter BAUD = 1000000;
    localparam real HALF = 500000.0 / CLOCK_KHZ;
    localparam real BIT = 1.0e9 / BAUD;
    reg clk = 0;
    reg button = !PRESSED;
    reg line = 1;
    reg [8:0] script [0:255];
    reg [7:0] got;
    integer at;
    integer i;
    integer j;
    wire uart_tx;
    wire led_ready;
    wire led_busy;
    always #(HALF) clk = !clk;
    board_top dut (.clk_in(clk), .button(button), .uart_rx(line), .uart_tx(uart_tx),
        .led_ready(led_ready), .led_busy(led_busy));
    always @(negedge uart_tx) begin
        #(BIT * 1.5);
        for (j = 0; j < 8; j = j + 1) begin got[j] = uart_tx; #(BIT); end
        $display("byte %h", got);
        #(BIT * 0.3);
    end
    initial begin
        $readmemh("script.hex", script);
        #(HALF * 2 * 100) $display("reset %b %b", led_ready, led_busy);
        #(HALF * 2 * 65600) $display("ready %b %b", led_ready, led_busy);
        for (at = 0; script[at][8]; at = at + 1) begin
            line = 0; #(BIT);
            for (i = 0; i < 8; i = i + 1) begin line = script[at][i]; #(BIT); end
            line = 1; #(BIT);
        end
        #(BIT * 400);
        button = PRESSED;
        #(HALF * 2 * 100) $display("pressed %b %b", led_ready, led_busy);
        $finish;
    end
endmodule
