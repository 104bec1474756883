// Buffer of a product's vectors: q is, 3 clocks later, the word taken in (fill), or the word that was
// taken in at the same slot (not fill). Slots run 0 to DEPTH-1, over and over; a vector fills all of them,
// then is read FOLDS-1 times.
//
// FOLDS = 1: plain registers. Few bits: a ring of registers, which needs no multiplexer to read. Else a RAM
// that is written first and read one clock later, so that even the fill needs no way round it.
`default_nettype none

module gw_lane_buffer #(
    parameter BITS  = 8,         // bits of a word
    parameter DEPTH = 4,         // words in a vector
    parameter FOLDS = 2          // how often each vector is wanted
) (
    input  wire                                        clk,
    input  wire                                        ce,
    input  wire                                        step,     // a word is taken or read
    input  wire                                        fill,     // taken, not read
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0]  slot,
    input  wire [BITS-1:0]                             d,
    output wire [BITS-1:0]                             q
);
    // iCE40 has no LUT RAM and a block RAM holds 4096 bits: below this, registers cost less.
    localparam REGISTER_BITS = 128;

    generate
        if (FOLDS == 1) begin : g_through
            gw_delay #(.BITS(BITS), .CLOCKS(3)) delay (.clk(clk), .ce(ce), .a(d), .y(q));
            wire unused = &{1'b0, step, fill, slot};
        end else if (DEPTH <= 2 || DEPTH * BITS <= REGISTER_BITS) begin : g_ring
            reg [DEPTH*BITS-1:0] ring_q;
            if (DEPTH == 1) begin : g_hold
                always @(posedge clk) if (ce && step && fill) ring_q <= d;
            end else begin : g_turn
                // The newest word is at the bottom, the one wanted next at the top.
                always @(posedge clk) begin
                    if (ce && step) begin
                        ring_q <= {ring_q[(DEPTH-1)*BITS-1:0], fill ? d : ring_q[(DEPTH-1)*BITS +: BITS]};
                    end
                end
            end
            gw_delay #(.BITS(BITS), .CLOCKS(2)) delay (.clk(clk), .ce(ce), .a(ring_q[BITS-1:0]), .y(q));
            wire unused = &{1'b0, slot};
        end else begin : g_ram
            // The word read is never the one being written: no logic need settle that case.
            (* no_rw_check *)
            reg [BITS-1:0]          mem [0:DEPTH-1];
            reg [$clog2(DEPTH)-1:0] slot_q;
            reg [BITS-1:0]          word_q;
            reg [BITS-1:0]          q_q;
            always @(posedge clk) begin
                // While fill waits for a word this writes rubbish to a slot that the word will overwrite.
                if (ce && fill) mem[slot] <= d;
            end
            always @(posedge clk) begin
                if (ce) begin
                    slot_q <= slot;
                    word_q <= mem[slot_q];
                    q_q <= word_q;
                end
            end
            assign q = q_q;
            wire unused = &{1'b0, step};
        end
    endgenerate
endmodule

`default_nettype wire
