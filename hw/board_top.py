"""The board-level top: clock, reset, UART link and the accelerator, with the pin file that goes with it."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from ..boards.schema import Board
from ..errors import BoardError, FitError, InputError
from .link import MAX_PAYLOAD_BYTES, frame_bytes
from .pll import PllSettings, settings

TOP = "board_top"
SUFFIXES = {"ecp5": ".lpf", "ice40": ".pcf", "gowin": ".cst"}
MODULES = (
    "gw_crc16",
    "gw_link",
    "gw_link_buffer",
    "gw_link_rx",
    "gw_link_tx",
    "gw_reset",
    "gw_uart_rx",
    "gw_uart_tx",
)
MAX_BAUD_ERROR = 0.02
MIN_CLOCKS_PER_BIT = 8
# Longer than the gaps that an operating system and a USB bridge leave inside a packet.
TIMEOUT_MS = 20

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_TOP = """\
// Board-level top, made by gatewright: instances and wires only.
// Clock {mhz:.9g} MHz; UART {baud:.0f} baud, 8N1, {clocks_per_bit} clocks a bit (docs/uart-protocol.md).
`default_nettype none

module board_top (
    input wire clk_in,
    input wire button,
    input wire uart_rx,
    output wire uart_tx,
    output wire led_ready,
    output wire led_busy
);
    {keep}wire clk;
    wire locked;
    wire rst;
    wire busy;
    wire [7:0] rx_data;
    wire rx_valid;
    wire rx_error;
    wire [7:0] tx_data;
    wire tx_valid;
    wire tx_ready;
    wire [{in_msb}:0] in_tdata;
    wire in_tvalid;
    wire in_tready;
    wire [{out_msb}:0] out_tdata;
    wire out_tvalid;
    wire out_tready;

    assign led_ready = {led}rst;
    assign led_busy = {led_busy}busy;

{clock}
    gw_reset reset (
        .clk(clk),
        .locked(locked),
        .button({button}button),
        .rst(rst)
    );

    gw_uart_rx #(
        .CLOCKS_PER_BIT({clocks_per_bit})
    ) receiver (
        .clk(clk),
        .rst(rst),
        .rx(uart_rx),
        .data(rx_data),
        .valid(rx_valid),
        .error(rx_error)
    );

    gw_uart_tx #(
        .CLOCKS_PER_BIT({clocks_per_bit})
    ) sender (
        .clk(clk),
        .rst(rst),
        .s_tdata(tx_data),
        .s_tvalid(tx_valid),
        .s_tready(tx_ready),
        .tx(uart_tx)
    );

    gw_link #(
        .IN_BITS({in_bits}),
        .IN_BEATS({in_beats}),
        .OUT_BITS({out_bits}),
        .OUT_BEATS({out_beats}),
        .DESIGN_ID(32'h{design_id:08x}),
        .TIMEOUT_CLOCKS({timeout_clocks})
    ) link (
        .clk(clk),
        .rst(rst),
        .rx_data(rx_data),
        .rx_valid(rx_valid),
        .rx_error(rx_error),
        .tx_data(tx_data),
        .tx_valid(tx_valid),
        .tx_ready(tx_ready),
        .m_tdata(in_tdata),
        .m_tvalid(in_tvalid),
        .m_tready(in_tready),
        .s_tdata(out_tdata),
        .s_tvalid(out_tvalid),
        .s_tready(out_tready),
        .busy(busy)
    );

    {design_module} accelerator (
        .clk(clk),
        .rst(rst),
        .s_tdata(in_tdata),
        .s_tvalid(in_tvalid),
        .s_tready(in_tready),
        .m_tdata(out_tdata),
        .m_tvalid(out_tvalid),
        .m_tready(out_tready)
    );
endmodule

`default_nettype wire
"""

_NO_PLL = """\
    assign clk = clk_in;
    assign locked = 1'b1;
"""

_PLL = """\
    gw_pll_{family} #(
        {params}
    ) pll (
        .clk_in(clk_in),
        .clk_out(clk),
        .locked(locked)
    );
"""


def board_top(
    board: Board,
    design_module: str,
    in_bits: int,
    in_beats: int,
    out_bits: int,
    out_beats: int,
    clock_mhz: float,
    design_id: int,
    *,
    baud: int | None = None,
) -> dict[str, str]:
    """File name -> text of the top (``board_top.v``) and of the board's pin file; always the same text.

    The accelerator's module has the ports of the RTL contract (``hw/README.md``). ``rtl_files`` lists the
    other sources. On Gowin the pin file cannot hold a clock's rate: give it to place-and-route.

    Args:
        in_bits, in_beats: bits of an input beat and beats of an input frame; likewise for the output.
        clock_mhz: wanted clock; the PLL makes the nearest one not above it.
        design_id: 32 bits that the information reply carries.
        baud: bits per second; default the board's.

    Raises:
        BoardError: no bitstream for this board, no such clock, or a baud rate that it cannot divide to.
        FitError: a frame above 65535 bytes.
        InputError: a name or an id that is none.
    """
    pll = clock(board, clock_mhz)
    for name, bits, beats in (("input", in_bits, in_beats), ("output", out_bits, out_beats)):
        _check_frame(name, bits, beats)
    if _IDENTIFIER.fullmatch(design_module) is None or design_module == TOP:
        raise InputError(f"board top: design_module must be a Verilog name, not {design_module!r}")
    if not 0 <= design_id < 1 << 32:
        raise InputError(f"board top: design_id must fit 32 bits, not {design_id:#x}")
    clocks_per_bit = divider(board, pll.achieved_mhz, baud)
    text = _TOP.format(
        mhz=pll.achieved_mhz,
        baud=pll.achieved_mhz * 1e6 / clocks_per_bit,
        clocks_per_bit=clocks_per_bit,
        in_msb=in_bits - 1,
        out_msb=out_bits - 1,
        led="" if board.leds.active_low else "~",
        led_busy="~" if board.leds.active_low else "",
        # The pin file constrains the PLL's net by this name.
        keep="(* keep *) " if pll.uses_pll else "",
        clock=_clock(board, pll),
        button="~" if board.button.active_low else "",
        in_bits=in_bits,
        in_beats=in_beats,
        out_bits=out_bits,
        out_beats=out_beats,
        design_id=design_id,
        # Never so short that a slow line's own bytes would exceed it.
        timeout_clocks=max(round(pll.achieved_mhz * 1000 * TIMEOUT_MS), 40 * clocks_per_bit),
        design_module=design_module,
    )
    return {f"{TOP}.v": text, constraint_file(board): _CONSTRAINTS[board.part.family](board, pll)}


def clock(board: Board, clock_mhz: float) -> PllSettings:
    """The PLL settings of a board for a wanted clock in MHz.

    Raises:
        BoardError: no bitstream for this board, or no such clock.
    """
    if not board.has_bitstream or board.part.family not in SUFFIXES:
        raise BoardError(
            f"{board.name}: a bitstream needs a board with pins and one of {', '.join(SUFFIXES)}, "
            f"not {board.part.family}{'' if board.has_bitstream else ' without pins'}. "
            "Gatewright gives estimates only for it; use the vendor's tools."
        )
    return settings(board.part.family, board.clock.mhz, clock_mhz)


def divider(board: Board, clock_mhz: float, baud: int | None = None) -> int:
    """Clocks per bit of the UART at a clock in MHz; default the board's baud rate.

    Raises:
        BoardError: the rate would be off by 2 % or more, needs fewer than 8 clocks a bit, or is too fast
            for the board's USB bridge.
    """
    baud = board.uart.baud if baud is None else baud
    if not 0 < baud <= board.uart.max_baud:
        raise BoardError(f"{board.name}: baud must be between 1 and {board.uart.max_baud}, not {baud}")
    clocks = round(clock_mhz * 1e6 / baud)
    if clocks < MIN_CLOCKS_PER_BIT:
        most = int(clock_mhz * 1e6 / MIN_CLOCKS_PER_BIT)
        raise BoardError(f"{board.name}: baud must be at most {most} at {clock_mhz:.6g} MHz, not {baud}")
    error = abs(clock_mhz * 1e6 / clocks / baud - 1)
    if error >= MAX_BAUD_ERROR:
        raise BoardError(
            f"{board.name}: baud must divide {clock_mhz:.6g} MHz to within 2 %, not {100 * error:.2g} % "
            f"({baud}). Ask for {round(clock_mhz * 1e6 / clocks)}."
        )
    return clocks


def constraint_file(board: Board) -> str:
    """Name of the pin file that ``board_top`` writes."""
    return f"{TOP}{SUFFIXES[board.part.family]}"


def rtl_files(board: Board, clock_mhz: float) -> tuple[Path, ...]:
    """The library's sources that ``board_top`` instantiates, without the accelerator's."""
    folder = Path(str(files(__package__) / "rtl"))
    names = [f"{module}.v" for module in MODULES]
    if clock(board, clock_mhz).uses_pll:
        names.append(f"vendor/gw_pll_{board.part.family}.v")
    return tuple(folder / name for name in names)


def _check_frame(name: str, bits: int, beats: int) -> None:
    if bits < 1 or beats < 1:
        raise InputError(f"board top: the {name} must have bits and beats, not {bits} and {beats}")
    if frame_bytes(bits, beats) > MAX_PAYLOAD_BYTES:
        raise FitError(
            f"board top: an {name} frame must be at most {MAX_PAYLOAD_BYTES} bytes on the UART, "
            f"not {frame_bytes(bits, beats)}. Use a smaller input, or fewer bits."
        )


def _clock(board: Board, pll: PllSettings) -> str:
    if not pll.uses_pll:
        return _NO_PLL
    params: dict[str, int | str] = dict(pll.params)
    if board.part.family == "gowin":
        params = {"DEVICE": f'"{board.part.pll_device}"', "FCLKIN": f'"{board.clock.mhz:.9g}"', **params}
    text = ",\n        ".join(f".{name}({value})" for name, value in params.items())
    return _PLL.format(family=board.part.family, params=text)


def _pins(board: Board) -> Mapping[str, tuple[str, str]]:
    """Port -> (pin, pull). The receiver idles high, so that an unplugged line is silent."""
    return {
        "clk_in": (board.clock.pin, "none"),
        "button": (board.button.pin, board.button.pull),
        "uart_rx": (board.uart.rx_pin, "up"),
        "uart_tx": (board.uart.tx_pin, "none"),
        "led_ready": (board.leds.pins[0], "none"),
        "led_busy": (board.leds.pins[1], "none"),
    }


def _lpf(board: Board, pll: PllSettings) -> str:
    lines = []
    for port, (pin, pull) in _pins(board).items():
        lines.append(f'LOCATE COMP "{port}" SITE "{pin}";')
        lines.append(f'IOBUF PORT "{port}" PULLMODE={pull.upper()} IO_TYPE={board.io_standard};')
    lines.append(f'FREQUENCY PORT "clk_in" {board.clock.mhz:.9g} MHZ;')
    if pll.uses_pll:
        lines.append(f'FREQUENCY NET "clk" {pll.achieved_mhz:.9g} MHZ;')
    return "\n".join(lines) + "\n"


def _pcf(board: Board, pll: PllSettings) -> str:
    lines = [
        f"set_io{' -pullup yes' if pull == 'up' else ''} {port} {pin}"
        for port, (pin, pull) in _pins(board).items()
    ]
    lines.append(f"set_frequency {'clk' if pll.uses_pll else 'clk_in'} {pll.achieved_mhz:.9g}")
    return "\n".join(lines) + "\n"


def _cst(board: Board, pll: PllSettings) -> str:
    lines = []
    for port, (pin, pull) in _pins(board).items():
        lines.append(f'IO_LOC "{port}" {pin};')
        lines.append(f'IO_PORT "{port}" IO_TYPE={board.io_standard} PULL_MODE={pull.upper()};')
    return "\n".join(lines) + "\n"


_CONSTRAINTS = {"ecp5": _lpf, "ice40": _pcf, "gowin": _cst}
