// UART transmitter, 8 data bits, no parity, 1 stop bit, least significant bit first.
// One piece of work is one byte; interval 10 * CLOCKS_PER_BIT clocks, so bytes follow without a gap;
// latency 1 clock from the byte accepted to the start bit.
`default_nettype none

module gw_uart_tx #(
    // Clocks per bit, at least 4: round(clock frequency / baud rate).
    parameter CLOCKS_PER_BIT = 25
) (
    input wire clk,
    input wire rst,
    input wire [7:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire tx
);
    localparam COUNT_BITS = $clog2(CLOCKS_PER_BIT);
    localparam [31:0] FULL = CLOCKS_PER_BIT - 1;

    reg [COUNT_BITS-1:0] count_q;
    reg [3:0] bits_q;
    reg [8:0] shift_q;
    wire tick;

    initial if (CLOCKS_PER_BIT < 4) $display("gw_uart_tx: CLOCKS_PER_BIT must be at least 4");

    assign tick = count_q == {COUNT_BITS{1'b0}};
    // Ready in the last clock of the stop bit.
    assign s_tready = (bits_q == 4'd0) && tick;
    assign tx = shift_q[0];

    always @(posedge clk) begin
        if (!tick) begin
            count_q <= count_q - 1'b1;
        end else if (bits_q != 4'd0) begin
            count_q <= FULL[COUNT_BITS-1:0];
            bits_q <= bits_q - 4'd1;
            shift_q <= {1'b1, shift_q[8:1]};
        end else if (s_tvalid) begin
            count_q <= FULL[COUNT_BITS-1:0];
            bits_q <= 4'd9;
            shift_q <= {s_tdata, 1'b0};
        end
        if (rst) begin
            count_q <= {COUNT_BITS{1'b0}};
            bits_q <= 4'd0;
            shift_q <= 9'h1FF;
        end
    end
endmodule

`default_nettype wire
