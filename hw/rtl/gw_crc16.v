// CRC-16/CCITT-FALSE of one more byte: polynomial 0x1021, most significant bit first, not reflected;
// start from 0xFFFF, no final inversion ("123456789" gives 0x29B1).
// Combinational; one piece of work is one byte.
`default_nettype none

module gw_crc16 (
    input wire [15:0] crc,
    input wire [7:0] data,
    output wire [15:0] next
);
    wire [7:0] top;
    wire [7:0] mix;

    // Dividing x^12 + x^5 + 1 by byte: mix is what the eight shifted-out bits feed back.
    assign top = crc[15:8] ^ data;
    assign mix = top ^ {4'd0, top[7:4]};
    assign next = {crc[7:0], 8'd0} ^ {mix[3:0], 12'd0} ^ {3'd0, mix, 5'd0} ^ {8'd0, mix};
endmodule

`default_nettype wire
