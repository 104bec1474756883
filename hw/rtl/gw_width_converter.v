// Regroups a stream of elements from IN to OUT a beat, keeping their order.
//
//   The larger of IN and OUT is a multiple of the smaller; RATIO = larger / smaller.
//   One piece of work: one beat of the wide side.
//   Interval: RATIO clocks; the narrow side moves a beat every clock, without a bubble between wide beats.
//   Latency: RATIO clocks when OUT is wider, else 1; IN = OUT is one register.

`default_nettype none

module gw_width_converter #(
    parameter BITS = 8,    // width of an element
    parameter IN = 4,      // elements a beat at the input
    parameter OUT = 1      // elements a beat at the output
) (
    input wire clk,
    input wire rst,
    input wire [IN*BITS-1:0] s_tdata,
    input wire s_tvalid,
    output wire s_tready,
    output wire [OUT*BITS-1:0] m_tdata,
    output wire m_tvalid,
    input wire m_tready
);

    initial if (IN % OUT != 0 && OUT % IN != 0)
        $display("gw_width_converter: IN and OUT must divide one another, not %0d and %0d", IN, OUT);

    generate
        if (IN == OUT) begin : same
            reg [OUT*BITS-1:0] data_q;
            reg valid_q;

            assign m_tdata = data_q;
            assign m_tvalid = valid_q;
            assign s_tready = m_tready || !valid_q;

            always @(posedge clk) begin
                if (s_tready) data_q <= s_tdata;
                if (rst) valid_q <= 1'b0;
                else if (s_tready) valid_q <= s_tvalid;
            end
        end else begin : differ
            localparam WIDE = (IN > OUT) ? IN : OUT;
            localparam NARROW = (IN > OUT) ? OUT : IN;
            localparam LAST = WIDE / NARROW - 1;
            localparam COUNT_BITS = (LAST > 0) ? $clog2(LAST + 1) : 1;
            localparam [COUNT_BITS-1:0] LAST_COUNT = LAST[COUNT_BITS-1:0];

            reg [WIDE*BITS-1:0] wide_q;         // element 0 lowest; the narrow side shifts it down
            reg [COUNT_BITS-1:0] left_q;        // narrow beats still to move after the next one
            reg valid_q;

            assign m_tvalid = valid_q;
            assign m_tdata = wide_q[OUT*BITS-1:0];

            if (IN > OUT) begin : down
                wire take = s_tvalid && s_tready;

                assign s_tready = !valid_q || (m_tready && left_q == {COUNT_BITS{1'b0}});

                always @(posedge clk) begin
                    if (take) wide_q <= s_tdata;
                    else if (m_tready) wide_q <= wide_q >> (OUT * BITS);
                    if (rst) valid_q <= 1'b0;
                    else if (s_tready) valid_q <= s_tvalid;
                    if (take) left_q <= LAST_COUNT;
                    else if (m_tready) left_q <= left_q - 1'b1;
                end
            end else begin : up
                assign s_tready = m_tready || !valid_q;

                always @(posedge clk) begin
                    if (s_tvalid && s_tready) wide_q <= {s_tdata, wide_q[WIDE*BITS-1:IN*BITS]};
                    if (rst) begin
                        valid_q <= 1'b0;
                        left_q <= LAST_COUNT;
                    end else if (s_tready) begin
                        valid_q <= s_tvalid && left_q == {COUNT_BITS{1'b0}};
                        if (s_tvalid) left_q <= (left_q == {COUNT_BITS{1'b0}}) ? LAST_COUNT : left_q - 1'b1;
                    end
                end
            end
        end
    endgenerate

endmodule

`default_nettype wire
