"""The pin file of the board-level top: where its ports lie, and the rate of its clock."""

from collections.abc import Mapping

from ..boards.schema import Board
from .pll import PllSettings

# Families that have a bitstream, with the ending by which their tools know a pin file.
SUFFIXES = {"ecp5": ".lpf", "ice40": ".pcf", "gowin": ".cst"}


def pin_file(board: Board, pll: PllSettings) -> str:
    """Text of the pin file; the board's family must be in ``SUFFIXES``, and the board have pins.

    On Gowin it cannot hold a clock's rate: give that to place-and-route.
    """
    return _TEXTS[board.part.family](board, pll)


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


_TEXTS = {"ecp5": _lpf, "ice40": _pcf, "gowin": _cst}
