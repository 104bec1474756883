// Index of the largest code of a vector; of equals, the first.
//
//   y = min { c : x[c] >= x[d] for all d },  c = 0 .. C-1
//
//   One piece of work: one vector, C/PE beats in, one beat out.
//   Interval: C/PE clocks.
//   Latency: C/PE + clog2(PE) clocks: a tree over the lanes with a register behind each level, then the
//   comparison with the best beat so far, whose register is the output.

`default_nettype none

module gw_arg_max #(
    parameter C = 10,          // codes in a vector
    parameter PE = 2,          // codes a beat; divides C
    parameter BITS = 8,        // width of a code
    parameter SIGNED = 1,      // 1 when codes are two's complement
    parameter OUT_BITS = 4     // width of the index, >= clog2(C)
) (
    input wire clk,
    input wire rst,
    input wire [PE*BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [OUT_BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    localparam FOLD = C / PE;
    localparam FOLD_BITS = (FOLD > 1) ? $clog2(FOLD) : 1;
    localparam LAST_FOLD = FOLD - 1;
    localparam LEVELS = $clog2(PE);
    localparam LANE_BITS = (PE > 1) ? LEVELS : 1;
    localparam INDEX_BITS = (C > 1) ? $clog2(C) : 1;
    localparam [BITS-1:0] FLIP = {BITS{SIGNED != 0}} & ~({BITS{1'b1}} >> 1);

    reg [FOLD_BITS-1:0] fold_q;        // position of the beat that leaves the tree
    reg [BITS-1:0] best_q;
    reg [INDEX_BITS-1:0] index_q;
    reg out_valid_q;

    wire ce = m_tready || !out_valid_q;
    wire valid;                        // a beat leaves the tree
    wire [BITS-1:0] key;
    wire [LANE_BITS-1:0] lane;
    wire first = FOLD == 1 || fold_q == {FOLD_BITS{1'b0}};
    wire last = FOLD == 1 || fold_q == LAST_FOLD[FOLD_BITS-1:0];
    wire [INDEX_BITS-1:0] index;

    assign s_tready = ce;
    assign m_tvalid = out_valid_q;

    initial if (C % PE != 0) $display("gw_arg_max: PE must divide C, not %0d and %0d", PE, C);
    initial if (OUT_BITS < INDEX_BITS)
        $display("gw_arg_max: OUT_BITS must be at least %0d, not %0d", INDEX_BITS, OUT_BITS);

    // Level l halves level l - 1; an odd node out passes. Two's complement turns into an order of plain
    // codes by flipping the sign bit. The left of two equals wins, so the lowest lane does.
    genvar level;
    genvar node;
    generate
        for (level = 0; level <= LEVELS; level = level + 1) begin : tree
            localparam NODES = (PE + (1 << level) - 1) >> level;

            wire [NODES*BITS-1:0] keys;
            wire [NODES*LANE_BITS-1:0] lanes;
            wire full;

            if (level == 0) begin : leaves
                assign full = s_tvalid;
                for (node = 0; node < NODES; node = node + 1) begin : leaf
                    assign keys[node*BITS +: BITS] = s_tdata[node*BITS +: BITS] ^ FLIP;
                    assign lanes[node*LANE_BITS +: LANE_BITS] = node[LANE_BITS-1:0];
                end
            end else begin : pairs
                localparam BELOW = (PE + (1 << (level - 1)) - 1) >> (level - 1);

                reg full_q;

                assign full = full_q;
                always @(posedge clk) begin
                    if (rst) full_q <= 1'b0;
                    else if (ce) full_q <= tree[level-1].full;
                end
                for (node = 0; node < NODES; node = node + 1) begin : pair
                    wire [BITS-1:0] left = tree[level-1].keys[2*node*BITS +: BITS];
                    wire [LANE_BITS-1:0] left_lane = tree[level-1].lanes[2*node*LANE_BITS +: LANE_BITS];
                    reg [BITS-1:0] key_q;
                    reg [LANE_BITS-1:0] lane_q;

                    assign keys[node*BITS +: BITS] = key_q;
                    assign lanes[node*LANE_BITS +: LANE_BITS] = lane_q;

                    if (2 * node + 1 < BELOW) begin : two
                        wire [BITS-1:0] right = tree[level-1].keys[(2*node+1)*BITS +: BITS];
                        wire [LANE_BITS-1:0] right_lane =
                            tree[level-1].lanes[(2*node+1)*LANE_BITS +: LANE_BITS];
                        wire larger = right > left;

                        always @(posedge clk) begin
                            if (ce) key_q <= larger ? right : left;
                            if (ce) lane_q <= larger ? right_lane : left_lane;
                        end
                    end else begin : single
                        always @(posedge clk) begin
                            if (ce) key_q <= left;
                            if (ce) lane_q <= left_lane;
                        end
                    end
                end
            end
        end

        if (FOLD == 1) begin : only_lane
            assign index = lane;
        end else begin : base
            reg [INDEX_BITS-1:0] base_q;    // index of lane 0 of the beat that leaves the tree

            if (PE == 1) begin : no_lane
                wire unused = &{1'b0, lane};

                assign index = base_q;
            end else begin : add_lane
                assign index = base_q + {{(INDEX_BITS-LANE_BITS){1'b0}}, lane};
            end
            always @(posedge clk) begin
                if (rst) base_q <= {INDEX_BITS{1'b0}};
                else if (ce && valid) base_q <= last ? {INDEX_BITS{1'b0}} : base_q + PE[INDEX_BITS-1:0];
            end
        end

        if (OUT_BITS > INDEX_BITS) begin : extend
            assign m_tdata = {{(OUT_BITS-INDEX_BITS){1'b0}}, index_q};
        end else begin : exact
            assign m_tdata = index_q[OUT_BITS-1:0];
        end
    endgenerate

    assign valid = tree[LEVELS].full;
    assign key = tree[LEVELS].keys;
    assign lane = tree[LEVELS].lanes;

    always @(posedge clk) begin
        if (ce && valid && (first || key > best_q)) begin
            best_q <= key;
            index_q <= index;
        end
        if (rst) begin
            fold_q <= {FOLD_BITS{1'b0}};
            out_valid_q <= 1'b0;
        end else if (ce) begin
            out_valid_q <= valid && last;
            if (valid) fold_q <= last ? {FOLD_BITS{1'b0}} : fold_q + 1'b1;
        end
    end

endmodule

`default_nettype wire
