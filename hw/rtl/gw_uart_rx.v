// UART receiver, 8 data bits, no parity, 1 stop bit, least significant bit first.
// One piece of work is one byte: `valid` is high for one clock, in the middle of the stop bit; the receiver
// then looks for the next start bit, so a sender up to 4 % fast or slow is followed without loss.
// A stop bit that is low gives `error` for one clock instead; the line must then go high before a new start.
// Latency: 9.5 bit times after the start edge, plus 3 clocks of synchronizer.
`default_nettype none

module gw_uart_rx #(
    // Clocks per bit, at least 4: round(clock frequency / baud rate).
    parameter CLOCKS_PER_BIT = 25
) (
    input wire clk,
    input wire rst,
    input wire rx,
    output wire [7:0] data,
    output wire valid,
    output wire error
);
    localparam COUNT_BITS = $clog2(CLOCKS_PER_BIT);
    localparam [31:0] FULL = CLOCKS_PER_BIT - 1;
    // One clock less: the start edge was seen a clock before counting begins.
    localparam [31:0] HALF = (CLOCKS_PER_BIT / 2) - 1;
    localparam [1:0] IDLE = 2'd0;
    localparam [1:0] START = 2'd1;
    localparam [1:0] BITS = 2'd2;
    localparam [1:0] RECOVER = 2'd3;

    reg [2:0] sync_q;
    reg [1:0] state_q;
    reg [COUNT_BITS-1:0] count_q;
    reg [3:0] bit_q;
    reg [7:0] shift_q;
    reg valid_q;
    reg error_q;
    wire line;

    initial if (CLOCKS_PER_BIT < 4) $display("gw_uart_rx: CLOCKS_PER_BIT must be at least 4");

    assign line = sync_q[2];
    assign data = shift_q;
    assign valid = valid_q;
    assign error = error_q;

    always @(posedge clk) begin
        sync_q <= {sync_q[1:0], rx};
        valid_q <= 1'b0;
        error_q <= 1'b0;
        if (count_q != {COUNT_BITS{1'b0}}) count_q <= count_q - 1'b1;
        case (state_q)
            IDLE: if (!line) begin
                state_q <= START;
                count_q <= HALF[COUNT_BITS-1:0];
            end
            START: if (count_q == {COUNT_BITS{1'b0}}) begin
                // A low pulse shorter than half a bit is a glitch.
                state_q <= line ? IDLE : BITS;
                count_q <= FULL[COUNT_BITS-1:0];
                bit_q <= 4'd0;
            end
            BITS: if (count_q == {COUNT_BITS{1'b0}}) begin
                count_q <= FULL[COUNT_BITS-1:0];
                bit_q <= bit_q + 4'd1;
                if (bit_q == 4'd8) begin
                    valid_q <= line;
                    error_q <= !line;
                    state_q <= line ? IDLE : RECOVER;
                end else begin
                    shift_q <= {line, shift_q[7:1]};
                end
            end
            default: if (line) state_q <= IDLE;
        endcase
        if (rst) begin
            sync_q <= 3'b111;
            state_q <= IDLE;
            valid_q <= 1'b0;
            error_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire
