// The second operand of gw_matrix_product: matrices of SLOTS*SIMD rows and FOLDS words a row come in row by
// row, and go out SIMD words at once, those of rows s*SIMD to s*SIMD + SIMD-1 in a column of words, s = 0 ..
// SLOTS-1, column by column, as often as wanted. Word i of rd_data is that of row s*SIMD + i.
//
// One half of a double buffer is read while the other is written. Each of SIMD banks holds every SIMD-th row.
`default_nettype none

module gw_matrix_buffer #(
    parameter SLOTS     = 2,     // SIMD rows each
    parameter FOLDS     = 2,     // words of a row
    parameter SIMD      = 2,     // rows at once
    parameter BITS      = 8,     // width of a word
    parameter RAM_STYLE = 0      // 0 the tool chooses, 1 block RAM, 2 LUT RAM; see gw_ram
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire [BITS-1:0]       s_tdata,
    input  wire                  s_tvalid,
    output wire                  s_tready,
    output wire                  whole,              // the half to read holds a matrix
    input  wire                  rd_en,              // rd_data moves on, a clock later
    input  wire                  step,               // to the next words, only if whole and rd_en
    input  wire                  row_end,            // no: to the first words again
    input  wire                  matrix_end,         // no: to the first of the next matrix
    output wire [SIMD*BITS-1:0]  rd_data
);
    localparam WORDS = SLOTS * FOLDS;                // of a bank, for one matrix
    localparam ADDR_BITS = $clog2(2 * WORDS);
    localparam SIMD_BITS = SIMD > 1 ? $clog2(SIMD) : 1;
    localparam [31:0] HALF = WORDS;
    // Word (s, f) lies at f*SLOTS + s, so that reading counts up; writing goes through f first.
    localparam [31:0] NEXT_FOLD = SLOTS;
    localparam [31:0] NEXT_ROW = -(FOLDS - 1) * SLOTS;
    localparam [31:0] NEXT_SLOT = -(FOLDS - 1) * SLOTS + 1;

    reg  [1:0]           full_q;                     // which halves hold a whole matrix
    reg                  wr_half_q;
    reg  [ADDR_BITS-1:0] wr_addr_q;
    reg                  rd_half_q;
    reg  [ADDR_BITS-1:0] rd_addr_q;
    wire [SIMD_BITS-1:0] bank;
    wire                 fold_last;
    wire                 bank_last;
    wire                 slot_last;
    wire                 write = s_tvalid && s_tready;
    wire                 wr_end = write && fold_last && bank_last && slot_last;
    wire                 rd_end = step && matrix_end;
    wire [ADDR_BITS-1:0] wr_jump = !fold_last ? NEXT_FOLD[ADDR_BITS-1:0]
                                 : !bank_last ? NEXT_ROW[ADDR_BITS-1:0] : NEXT_SLOT[ADDR_BITS-1:0];

    assign s_tready = !full_q[wr_half_q];
    assign whole = full_q[rd_half_q];

    wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0] unused_fold;
    wire [(SLOTS > 1 ? $clog2(SLOTS) : 1)-1:0] unused_slot;
    gw_counter #(.COUNT(FOLDS)) folds (
        .clk(clk), .rst(rst), .step(write), .value(unused_fold), .last(fold_last));
    gw_counter #(.COUNT(SIMD)) banks (
        .clk(clk), .rst(rst), .step(write && fold_last), .value(bank), .last(bank_last));
    gw_counter #(.COUNT(SLOTS)) slots (
        .clk(clk), .rst(rst), .step(write && fold_last && bank_last), .value(unused_slot),
        .last(slot_last));

    always @(posedge clk) begin
        if (rst) begin
            full_q <= 2'b00;
            wr_half_q <= 1'b0;
            wr_addr_q <= {ADDR_BITS{1'b0}};
            rd_half_q <= 1'b0;
            rd_addr_q <= {ADDR_BITS{1'b0}};
        end else begin
            // A half is never filled and emptied in the same clock.
            full_q[0] <= (full_q[0] || (wr_end && !wr_half_q)) && !(rd_end && !rd_half_q);
            full_q[1] <= (full_q[1] || (wr_end && wr_half_q)) && !(rd_end && rd_half_q);
            if (wr_end) wr_half_q <= !wr_half_q;
            if (wr_end) wr_addr_q <= wr_half_q ? {ADDR_BITS{1'b0}} : HALF[ADDR_BITS-1:0];
            else if (write) wr_addr_q <= wr_addr_q + wr_jump;
            if (rd_end) rd_half_q <= !rd_half_q;
            // The first words of the half that is read next.
            if (step && row_end) rd_addr_q <= rd_half_q ^ matrix_end ? HALF[ADDR_BITS-1:0] : {ADDR_BITS{1'b0}};
            else if (step) rd_addr_q <= rd_addr_q + 1'b1;
        end
    end

    genvar i;
    generate
        for (i = 0; i < SIMD; i = i + 1) begin : g_bank
            gw_ram #(.BITS(BITS), .DEPTH(2 * WORDS), .RAM_STYLE(RAM_STYLE)) ram (
                .clk(clk),
                .wr_en(write && bank == i), .wr_addr(wr_addr_q), .wr_data(s_tdata),
                .rd_en(rd_en), .rd_addr(rd_addr_q), .rd_data(rd_data[i*BITS +: BITS]));
        end
    endgenerate
endmodule

`default_nettype wire
