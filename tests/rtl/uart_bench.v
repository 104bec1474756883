// Bench of the UART link: plays script.hex on the line bit by bit, prints what the accelerator takes and the
// host hears. The stand-in sums a frame, waits DELAY clocks, answers ~(sum + beat number); input in bursts.
`timescale 1ns / 1ps
module stand_in #(parameter IN_BITS = 8, parameter IN_BEATS = 1, parameter OUT_BITS = 8,
    parameter OUT_BEATS = 1, parameter DELAY = 0) (
    input wire clk, input wire rst,
    input wire [IN_BITS-1:0] s_tdata, input wire s_tvalid, output wire s_tready,
    output wire [OUT_BITS-1:0] m_tdata, output wire m_tvalid, input wire m_tready);
    reg [31:0] taken;
    reg [31:0] waited;
    reg [31:0] given;
    reg [7:0] burst;
    reg [63:0] sum;
    wire [63:0] answer = ~(sum + {32'd0, given});
    assign s_tready = taken != IN_BEATS && burst[0];
    assign m_tvalid = taken == IN_BEATS && waited == DELAY;
    assign m_tdata = answer[OUT_BITS-1:0];
    always @(posedge clk) begin
        burst <= {burst[6:0], burst[7] ^ burst[5] ^ burst[4] ^ burst[3]};
        if (s_tvalid && s_tready) begin
            $display("beat %h", s_tdata);
            sum <= sum + {{(64 - IN_BITS){1'b0}}, s_tdata};
            taken <= taken + 1;
        end
        if (taken == IN_BEATS && waited != DELAY) waited <= waited + 1;
        if (m_tvalid && m_tready) given <= given + 1;
        if (rst || (m_tvalid && m_tready && given == OUT_BEATS - 1)) begin
            taken <= 0; waited <= 0; given <= 0; sum <= 0;
        end
        if (rst) burst <= 8'h5B;
    end
endmodule

module bench;
    parameter CLOCKS_PER_BIT = 8;
    parameter IN_BITS = 8;
    parameter IN_BEATS = 1;
    parameter OUT_BITS = 8;
    parameter OUT_BEATS = 1;
    parameter DELAY = 0;
    parameter TIMEOUT = 60;
    parameter LOOP = 0;
    localparam real BIT = 10.0 * CLOCKS_PER_BIT;
    reg clk = 0;
    reg rst = 1;
    reg line = 1;
    reg [19:0] script [0:65535];
    reg [7:0] got;
    reg [8:0] frame;
    real bit_time;
    integer at;
    integer i;
    integer j;
    wire rx = LOOP ? line & tx : line;
    wire tx;
    wire [7:0] rx_data, tx_data;
    wire rx_valid, rx_error, tx_valid, tx_ready, busy;
    wire [IN_BITS-1:0] in_tdata;
    wire in_tvalid, in_tready;
    wire [OUT_BITS-1:0] out_tdata;
    wire out_tvalid, out_tready;
    always #5 clk = !clk;
    gw_uart_rx #(.CLOCKS_PER_BIT(CLOCKS_PER_BIT)) receiver (.clk(clk), .rst(rst), .rx(rx),
        .data(rx_data), .valid(rx_valid), .error(rx_error));
    gw_uart_tx #(.CLOCKS_PER_BIT(CLOCKS_PER_BIT)) sender (.clk(clk), .rst(rst),
        .s_tdata(tx_data), .s_tvalid(tx_valid), .s_tready(tx_ready), .tx(tx));
    gw_link #(.IN_BITS(IN_BITS), .IN_BEATS(IN_BEATS), .OUT_BITS(OUT_BITS), .OUT_BEATS(OUT_BEATS),
        .DESIGN_ID(32'hC0FFEE42), .TIMEOUT_CLOCKS(TIMEOUT * CLOCKS_PER_BIT)) dut (.clk(clk), .rst(rst),
        .rx_data(rx_data), .rx_valid(rx_valid), .rx_error(rx_error),
        .tx_data(tx_data), .tx_valid(tx_valid), .tx_ready(tx_ready),
        .m_tdata(in_tdata), .m_tvalid(in_tvalid), .m_tready(in_tready),
        .s_tdata(out_tdata), .s_tvalid(out_tvalid), .s_tready(out_tready), .busy(busy));
    stand_in #(.IN_BITS(IN_BITS), .IN_BEATS(IN_BEATS), .OUT_BITS(OUT_BITS), .OUT_BEATS(OUT_BEATS),
        .DELAY(DELAY)) accelerator (.clk(clk), .rst(rst),
        .s_tdata(in_tdata), .s_tvalid(in_tvalid), .s_tready(in_tready),
        .m_tdata(out_tdata), .m_tvalid(out_tvalid), .m_tready(out_tready));
    // The host's ear knows only the bit time.
    always @(negedge tx) if (!rst) begin
        #(BIT * 1.5);
        for (j = 0; j < 8; j = j + 1) begin got[j] = tx; #(BIT); end
        if (tx !== 1'b1) $display("stop bit low");
        $display("byte %h", got);
        #(BIT * 0.3);
    end
    initial begin
        $readmemh("script.hex", script);
        #95 rst = 0;
        #(BIT * 2);
        for (at = 0; script[at] != 0; at = at + 1) begin
            bit_time = BIT;
            if (script[at][19:16] == 5) bit_time = BIT * 0.98;
            if (script[at][19:16] == 6) bit_time = BIT * 1.02;
            case (script[at][19:16])
                3: #(BIT * script[at][15:0] / 4.0);
                4: begin line = 0; #(BIT * script[at][15:0] / 4.0); line = 1; end
                default: begin
                    frame = {script[at][19:16] != 2, script[at][7:0]};
                    line = 0; #(bit_time);
                    for (i = 0; i < 9; i = i + 1) begin line = frame[i]; #(bit_time); end
                    line = 1;
                    if (!frame[8]) #(bit_time);
                end
            endcase
        end
        if (busy) $display("busy at the end");
        $finish;
    end
endmodule
