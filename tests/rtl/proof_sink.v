// For proofs: watches a stream that a unit gives, and asserts what every stream must keep: what is offered stays
// until it is taken, and the element at place, any that the solver likes, is the one that is due there.
`default_nettype none

module proof_sink #(
    parameter BITS  = 2,         // bits of an element
    parameter COUNT = 1,         // elements a beat
    parameter LAP   = 64         // see proof_source
) (
    input  wire                   clk,
    input  wire                   reset,
    input  wire                   check,     // assert in this clock
    input  wire                   valid,
    input  wire                   ready,
    input  wire [COUNT*BITS-1:0]  data,
    input  wire [5:0]             place,     // which element to compare
    input  wire [BITS-1:0]        due,       // what it must be
    input  wire                   arrived,   // whether all that it depends on has been taken
    output reg  [5:0]             given      // elements given since the last reset
);
    reg                   held;
    reg  [COUNT*BITS-1:0] held_data;
    wire [6:0]            ahead = {1'b0, place} + (place < given ? LAP : 0) - given;
    wire [6:0]            next = given + COUNT;
    wire [BITS-1:0]       y = data >> (ahead * BITS);

    always @(posedge clk) begin
        held <= !reset && valid && !ready;
        held_data <= data;
        if (reset) given <= 6'd0;
        else if (valid && ready) given <= next < LAP ? next : next - LAP;
        if (check) begin
            if (held) assert (valid && data == held_data);
            if (valid && ahead < COUNT) assert (arrived && y == due);
        end
    end
endmodule

`default_nettype wire
