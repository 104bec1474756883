// N streams joined: B0 beats of input 0, then B1 of input 1, and so on, over and over.
//
// One piece of work: one turn through all inputs, Bi beats of input i in, their sum out.
// Interval: the sum of the Bi. Latency: 1 clock.
// Ports are packed, input 0 in the low bits; all inputs are BITS wide. An input that waits for its turn is held.
`default_nettype none

module gw_concat #(
    parameter BITS = 8,          // width of a beat
    parameter N    = 2,          // inputs, 2 to 8
    parameter B0   = 1,          // beats that an input gives in its turn
    parameter B1   = 1,
    parameter B2   = 1,
    parameter B3   = 1,
    parameter B4   = 1,
    parameter B5   = 1,
    parameter B6   = 1,
    parameter B7   = 1
) (
    input  wire               clk,
    input  wire               rst,
    input  wire [N*BITS-1:0]  s_tdata,
    input  wire [N-1:0]       s_tvalid,
    output wire [N-1:0]       s_tready,
    output wire [BITS-1:0]    m_tdata,
    output wire               m_tvalid,
    input  wire               m_tready
);
    localparam [31:0] LAST0 = B0 - 1;
    localparam [31:0] LAST1 = B1 - 1;
    localparam [31:0] LAST2 = B2 - 1;
    localparam [31:0] LAST3 = B3 - 1;
    localparam [31:0] LAST4 = B4 - 1;
    localparam [31:0] LAST5 = B5 - 1;
    localparam [31:0] LAST6 = B6 - 1;
    localparam [31:0] LAST7 = B7 - 1;
    localparam [255:0] LASTS = {LAST7, LAST6, LAST5, LAST4, LAST3, LAST2, LAST1, LAST0};
    localparam [31:0] ANY = LAST0 | LAST1 | LAST2 | LAST3 | LAST4 | LAST5 | LAST6 | LAST7;
    localparam COUNT_BITS = $clog2(ANY + 1) > 0 ? $clog2(ANY + 1) : 1;
    localparam SELECT_BITS = $clog2(N);

    initial if (N < 2 || N > 8) $display("gw_concat: N must be 2 to 8, not %0d", N);

    reg  [N-1:0]            turn_q;                  // whose turn it is: one of N
    reg  [COUNT_BITS-1:0]   left_q;                  // beats of the turn still to come after the next
    reg  [BITS-1:0]         data_q;
    reg                     valid_q;
    wire [SELECT_BITS-1:0]  select;                  // the same as a number
    wire                    unused_last;
    wire [N*COUNT_BITS-1:0] next_lasts;              // for each input, that of the one after it
    wire                    ce = m_tready || !valid_q;
    wire                    offered = |(s_tvalid & turn_q);
    wire                    take = ce && offered;
    wire                    turn_end = left_q == {COUNT_BITS{1'b0}};
    wire [COUNT_BITS-1:0]   next_left = next_lasts[select*COUNT_BITS +: COUNT_BITS];

    assign s_tready = turn_q & {N{ce}};
    assign m_tdata = data_q;
    assign m_tvalid = valid_q;

    gw_counter #(.COUNT(N)) selected (
        .clk(clk), .rst(rst), .step(take && turn_end), .value(select), .last(unused_last));

    genvar i;
    generate
        for (i = 0; i < N; i = i + 1) begin : g_next
            assign next_lasts[i*COUNT_BITS +: COUNT_BITS] = LASTS[((i + 1) % N)*32 +: COUNT_BITS];
        end
    endgenerate

    always @(posedge clk) begin
        if (ce) data_q <= s_tdata[select*BITS +: BITS];
        if (rst) begin
            turn_q <= {{(N-1){1'b0}}, 1'b1};
            left_q <= LAST0[COUNT_BITS-1:0];
            valid_q <= 1'b0;
        end else begin
            if (ce) valid_q <= offered;
            if (take) left_q <= turn_end ? next_left : left_q - 1'b1;
            if (take && turn_end) turn_q <= {turn_q[N-2:0], turn_q[N-1]};
        end
    end
endmodule

`default_nettype wire
