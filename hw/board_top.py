"""The board-level top: clock, reset, UART link and the accelerator; its pin file is ``pin_file``'s."""

import re
from importlib.resources import files
from pathlib import Path

from ..boards.schema import Board
from ..errors import BoardError, FitError, InputError
from .link import MAX_PAYLOAD_BYTES, frame_bytes
from .pin_file import SUFFIXES, pin_file
from .pll import PllSettings, settings

TOP = "board_top"
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
    frames = _frame_fields("in", in_bits, in_beats) | _frame_fields("out", out_bits, out_beats)
    _check_design(design_module, design_id)
    clocks_per_bit = divider(board, pll.achieved_mhz, baud)
    text = _TOP.format(
        **_board_fields(board, pll, clocks_per_bit),
        **frames,
        design_id=design_id,
        design_module=design_module,
    )
    return {f"{TOP}.v": text, constraint_file(board): pin_file(board, pll)}


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


def _frame_fields(side: str, bits: int, beats: int) -> dict[str, int]:
    """What a frame of the ``in`` or ``out`` side puts into the text of the top."""
    if bits < 1 or beats < 1:
        raise InputError(f"board top: the {side}put must have bits and beats, not {bits} and {beats}")
    if frame_bytes(bits, beats) > MAX_PAYLOAD_BYTES:
        raise FitError(
            f"board top: an {side}put frame must be at most {MAX_PAYLOAD_BYTES} bytes on the UART, "
            f"not {frame_bytes(bits, beats)}. Use a smaller input, or fewer bits."
        )
    return {f"{side}_bits": bits, f"{side}_beats": beats, f"{side}_msb": bits - 1}


def _check_design(module: str, design_id: int) -> None:
    if _IDENTIFIER.fullmatch(module) is None or module == TOP:
        raise InputError(f"board top: design_module must be a Verilog name, not {module!r}")
    if not 0 <= design_id < 1 << 32:
        raise InputError(f"board top: design_id must fit 32 bits, not {design_id:#x}")


def _board_fields(board: Board, pll: PllSettings, clocks_per_bit: int) -> dict[str, object]:
    """What the board and its clock put into the text of the top."""
    return {
        "mhz": pll.achieved_mhz,
        "baud": pll.achieved_mhz * 1e6 / clocks_per_bit,
        "clocks_per_bit": clocks_per_bit,
        "led": "" if board.leds.active_low else "~",
        "led_busy": "~" if board.leds.active_low else "",
        # The pin file constrains the PLL's net by this name.
        "keep": "(* keep *) " if pll.uses_pll else "",
        "clock": _clock(board, pll),
        "button": "~" if board.button.active_low else "",
        "timeout_clocks": timeout_clocks(pll.achieved_mhz, clocks_per_bit),
    }


def timeout_clocks(clock_mhz: float, clocks_per_bit: int) -> int:
    """Clocks without a byte after which the link forgets a packet under way; never so short that a slow
    line's own bytes would exceed it."""
    return max(round(clock_mhz * 1000 * TIMEOUT_MS), 40 * clocks_per_bit)


def _clock(board: Board, pll: PllSettings) -> str:
    if not pll.uses_pll:
        return _NO_PLL
    params: dict[str, int | str] = dict(pll.params)
    if board.part.family == "gowin":
        params = {"DEVICE": f'"{board.part.pll_device}"', "FCLKIN": f'"{board.clock.mhz:.9g}"', **params}
    text = ",\n        ".join(f".{name}({value})" for name, value in params.items())
    return _PLL.format(family=board.part.family, params=text)
