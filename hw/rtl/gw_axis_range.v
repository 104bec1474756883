// One axis of a tensor that streams by: chosen says whether the element at hand is one of COUNT that lie STEP apart from
// FIRST on. The axis has N elements; `move` goes on to the next, and behind the last to the first.
`default_nettype none

module gw_axis_range #(
    parameter N     = 8,         // elements of the axis
    parameter FIRST = 0,         // the first that counts
    parameter COUNT = 8,         // how many count
    parameter STEP  = 1          // from one to the next
) (
    input  wire clk,
    input  wire rst,
    input  wire move,
    output wire chosen,
    output wire last             // the element at hand is the axis's last
);
    localparam [31:0] LOW = FIRST;
    localparam [31:0] HIGH = FIRST + (COUNT - 1) * STEP;
    localparam INDEX_BITS = N > 1 ? $clog2(N) : 1;
    wire [INDEX_BITS-1:0] index;

    initial if (FIRST < 0 || COUNT < 1 || FIRST + (COUNT - 1) * STEP >= N)
        $display("gw_axis_range: %0d elements from %0d by %0d must lie within %0d", COUNT, FIRST, STEP, N);

    gw_counter #(.COUNT(N)) counter (.clk(clk), .rst(rst), .step(move), .value(index), .last(last));

    generate
        if (COUNT == N) begin : g_all
            assign chosen = 1'b1;
            wire unused = &{1'b0, index};
        end else if (COUNT == 1) begin : g_one
            assign chosen = index == LOW[INDEX_BITS-1:0];
        end else begin : g_some
            wire in_range;
            if (FIRST == 0 && (COUNT - 1) * STEP == N - 1) begin : g_whole
                assign in_range = 1'b1;
                wire unused = &{1'b0, index};
            end else if (FIRST == 0) begin : g_front
                assign in_range = index <= HIGH[INDEX_BITS-1:0];
            end else if (FIRST + (COUNT - 1) * STEP == N - 1) begin : g_back
                assign in_range = index >= LOW[INDEX_BITS-1:0];
            end else begin : g_middle
                assign in_range = index >= LOW[INDEX_BITS-1:0] && index <= HIGH[INDEX_BITS-1:0];
            end
            if (STEP == 1) begin : g_each
                assign chosen = in_range;
            end else begin : g_apart
                wire [$clog2(STEP)-1:0] phase;
                wire                    unused;
                // The phase starts over with the axis, and does not move before FIRST.
                gw_counter #(.COUNT(STEP)) phases (
                    .clk(clk), .rst(rst || (move && last)), .step(move && in_range), .value(phase),
                    .last(unused));
                assign chosen = in_range && phase == {$clog2(STEP){1'b0}};
            end
        end
    endgenerate
endmodule

`default_nettype wire
