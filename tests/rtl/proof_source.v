// For proofs: watches a stream that a unit takes; counts its elements and keeps one of them.
//
// Elements are counted modulo LAP, so fewer than half of that may ever be inside the unit.
`default_nettype none

module proof_source #(
    parameter BITS  = 2,         // bits of an element
    parameter COUNT = 1,         // elements a beat
    parameter LAP   = 64         // at most 64; a multiple of COUNT, or more than ever come
) (
    input  wire                   clk,
    input  wire                   reset,
    input  wire                   valid,
    input  wire                   ready,
    input  wire [COUNT*BITS-1:0]  data,
    input  wire [5:0]             place,     // which element to keep
    input  wire [5:0]             before,    // how many must have been taken for arrived
    output wire                   arrived,
    output reg  [5:0]             taken,     // elements taken since the last reset
    output reg  [BITS-1:0]        x          // the last one taken at place
);
    wire [6:0] ahead = {1'b0, place} + (place < taken ? LAP : 0) - taken;
    wire [6:0] behind = {1'b0, taken} + (taken < before ? LAP : 0) - before;
    wire [6:0] next = taken + COUNT;

    assign arrived = behind < LAP / 2;

    always @(posedge clk) begin
        if (reset) begin
            taken <= 6'd0;
        end else if (valid && ready) begin
            taken <= next < LAP ? next : next - LAP;
            if (ahead < COUNT) x <= data >> (ahead * BITS);
        end
    end
endmodule

`default_nettype wire
