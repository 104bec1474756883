"""The AXI top: the accelerator amid instances of the AXI modules, with ports that Vivado knows."""

from ...errors import InputError
from .words import Words

TOP = "gatewright_axi"
ADDR_BITS = 12

_TOP = """\
// The accelerator on AXI, made by gatewright: instances and wires only (docs/zynq.md).
// {in_words} words of {in_bytes} bytes a frame in, {out_words} of {out_bytes} out.
`default_nettype none

module {top} (
    input wire aclk,
    input wire aresetn,
    input wire [{addr_msb}:0] s_axi_control_awaddr,
    input wire [2:0] s_axi_control_awprot,
    input wire s_axi_control_awvalid,
    output wire s_axi_control_awready,
    input wire [31:0] s_axi_control_wdata,
    input wire [3:0] s_axi_control_wstrb,
    input wire s_axi_control_wvalid,
    output wire s_axi_control_wready,
    output wire [1:0] s_axi_control_bresp,
    output wire s_axi_control_bvalid,
    input wire s_axi_control_bready,
    input wire [{addr_msb}:0] s_axi_control_araddr,
    input wire [2:0] s_axi_control_arprot,
    input wire s_axi_control_arvalid,
    output wire s_axi_control_arready,
    output wire [31:0] s_axi_control_rdata,
    output wire [1:0] s_axi_control_rresp,
    output wire s_axi_control_rvalid,
    input wire s_axi_control_rready,
    input wire [{in_msb}:0] s_axis_tdata,
    input wire [{in_keep}:0] s_axis_tkeep,
    input wire s_axis_tlast,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [{out_msb}:0] m_axis_tdata,
    output wire [{out_keep}:0] m_axis_tkeep,
    output wire m_axis_tlast,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire irq
);
    wire bus_rst;
    wire core_rst;
    wire soft_reset;
    wire write;
    wire [{word_msb}:0] write_word;
    wire [31:0] write_data;
    wire [3:0] write_bytes;
    wire read;
    wire [{word_msb}:0] read_word;
    wire [31:0] read_data;
    wire in_frame;
    wire in_early;
    wire in_late;
    wire in_partial;
    wire in_open;
    wire in_closing;
    wire out_frame;
    wire out_close;
    wire [{in_beat_msb}:0] in_tdata;
    wire in_tvalid;
    wire in_tready;
    wire [{out_beat_msb}:0] out_tdata;
    wire out_tvalid;
    wire out_tready;
    wire unused_prot = &{{1'b0, s_axi_control_awprot, s_axi_control_arprot}};

    gw_axi_reset resets (
        .clk(aclk),
        .aresetn(aresetn),
        .request(soft_reset),
        .bus_rst(bus_rst),
        .core_rst(core_rst)
    );

    gw_axi_lite #(
        .ADDR_BITS({addr_bits})
    ) control (
        .clk(aclk),
        .rst(bus_rst),
        .s_awaddr(s_axi_control_awaddr),
        .s_awvalid(s_axi_control_awvalid),
        .s_awready(s_axi_control_awready),
        .s_wdata(s_axi_control_wdata),
        .s_wstrb(s_axi_control_wstrb),
        .s_wvalid(s_axi_control_wvalid),
        .s_wready(s_axi_control_wready),
        .s_bresp(s_axi_control_bresp),
        .s_bvalid(s_axi_control_bvalid),
        .s_bready(s_axi_control_bready),
        .s_araddr(s_axi_control_araddr),
        .s_arvalid(s_axi_control_arvalid),
        .s_arready(s_axi_control_arready),
        .s_rdata(s_axi_control_rdata),
        .s_rresp(s_axi_control_rresp),
        .s_rvalid(s_axi_control_rvalid),
        .s_rready(s_axi_control_rready),
        .write(write),
        .write_word(write_word),
        .write_data(write_data),
        .write_bytes(write_bytes),
        .read(read),
        .read_word(read_word),
        .read_data(read_data)
    );

    gw_axi_registers #(
        .DESIGN_ID(32'h{design_id:08x}),
        .IN_BYTES({in_bytes}),
        .IN_WORDS({in_words}),
        .OUT_BYTES({out_bytes}),
        .OUT_WORDS({out_words})
    ) registers (
        .clk(aclk),
        .bus_rst(bus_rst),
        .core_rst(core_rst),
        .write(write),
        .write_word(write_word),
        .write_data(write_data),
        .write_bytes(write_bytes),
        .read(read),
        .read_word(read_word),
        .read_data(read_data),
        .in_frame(in_frame),
        .in_early(in_early),
        .in_late(in_late),
        .in_partial(in_partial),
        .out_frame(out_frame),
        .in_open(in_open),
        .in_closing(in_closing),
        .out_close(out_close),
        .soft_reset(soft_reset),
        .irq(irq)
    );

    gw_axi_stream_in #(
        .BYTES({in_bytes}),
        .WORDS({in_per_beat}),
        .BITS({in_bits}),
        .BEATS({in_beats})
    ) entry (
        .clk(aclk),
        .rst(core_rst),
        .open(in_open),
        .closing(in_closing),
        .s_tdata(s_axis_tdata),
        .s_tkeep(s_axis_tkeep),
        .s_tlast(s_axis_tlast),
        .s_tvalid(s_axis_tvalid),
        .s_tready(s_axis_tready),
        .m_tdata(in_tdata),
        .m_tvalid(in_tvalid),
        .m_tready(in_tready),
        .frame_end(in_frame),
        .early(in_early),
        .late(in_late),
        .partial(in_partial)
    );

    {design_module} accelerator (
        .clk(aclk),
        .rst(core_rst),
        .s_tdata(in_tdata),
        .s_tvalid(in_tvalid),
        .s_tready(in_tready),
        .m_tdata(out_tdata),
        .m_tvalid(out_tvalid),
        .m_tready(out_tready)
    );

    gw_axi_stream_out #(
        .BYTES({out_bytes}),
        .WORDS({out_per_beat}),
        .BITS({out_bits}),
        .BEATS({out_beats})
    ) leave (
        .clk(aclk),
        .rst(core_rst),
        .close(out_close),
        .s_tdata(out_tdata),
        .s_tvalid(out_tvalid),
        .s_tready(out_tready),
        .m_tdata(m_axis_tdata),
        .m_tkeep(m_axis_tkeep),
        .m_tlast(m_axis_tlast),
        .m_tvalid(m_axis_tvalid),
        .m_tready(m_axis_tready),
        .frame_end(out_frame)
    );
endmodule

`default_nettype wire
"""


def axi_top(design_module: str, entering: Words, leaving: Words, design_id: int) -> str:
    """Verilog of module ``gatewright_axi``, always the same text.

    Args:
        design_module: with the ports of the RTL contract (``hw/README.md``).
        design_id: 32 bits that a register says.

    Raises:
        InputError: a module's name or an id that is none.
    """
    if not design_module.isidentifier() or not design_module.isascii() or design_module == TOP:
        raise InputError(f"axi top: design_module must be a Verilog name, not {design_module!r}")
    if not 0 <= design_id < 1 << 32:
        raise InputError(f"axi top: design_id must fit 32 bits, not {design_id:#x}")
    return _TOP.format(
        top=TOP,
        addr_bits=ADDR_BITS,
        addr_msb=ADDR_BITS - 1,
        word_msb=ADDR_BITS - 3,
        design_id=design_id,
        design_module=design_module,
        **_side("in", entering),
        **_side("out", leaving),
    )


def _side(side: str, words: Words) -> dict[str, int]:
    stream = words.stream
    values = {
        "bytes": words.bytes,
        "words": words.frame_words,
        "per_beat": words.per_beat,
        "bits": stream.bits,
        "beats": stream.beats,
        "msb": 8 * words.bytes - 1,
        "keep": words.bytes - 1,
        "beat_msb": stream.bits - 1,
    }
    return {f"{side}_{name}": value for name, value in values.items()}
