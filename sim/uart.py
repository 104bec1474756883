"""A whole board in Verilator behind a pseudo-terminal: to a host program it is a serial port."""

import os
import pty
import shutil
import signal
import subprocess
import tempfile
import tty
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..hw.board_top import TOP
from .verilate import build

_HARNESS = Path(__file__).parent / "uart_harness.cpp"
# Simulated in the place of the vendors' clock generators.
PLL_MODELS = Path(__file__).parents[1] / "hw" / "tb" / "gw_pll_models.v"
_PLL_FILES = "gw_pll_"
# gw_reset holds for 65,536 clocks.
_RESET_CLOCKS = 66_000
_MILLION = 1_000_000


@dataclass(frozen=True)
class Noise:
    """What the line does to bytes, each way: the fractions that are changed, lost and sent twice."""

    flip: float = 0.0
    drop: float = 0.0
    twice: float = 0.0
    seed: int = 1

    def __post_init__(self):
        for name in ("flip", "drop", "twice"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"noise: {name} must be from 0 to 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Board:
    """What a simulated board needs to know of its line.

    Attributes:
        clocks_per_bit: of the UART.
        idle_clocks: as long as the line rests before time stands still; more than the link's timeout and a
            frame's latency.
        button_up: level of the reset button's pin when nobody presses it.
    """

    clocks_per_bit: int
    idle_clocks: int
    button_up: int


class SimulatedBoard:
    """A board, from its Verilog files; ``plug`` connects it.

    Args:
        sources: of ``board_top`` and all that it instantiates; the vendors' PLLs are left out.
        memories: file name to text, as the RTL reads them.
    Raises:
        ToolError: Verilator or the compiler is missing, or rejects the Verilog.
    """

    def __init__(
        self, board: Board, sources: Sequence[Path], memories: Mapping[str, str], native: bool | None = None
    ):
        self._board = board
        self._folder = Path(tempfile.mkdtemp(prefix="gatewright_"))
        try:
            for name, text in memories.items():
                (self._folder / name).write_text(text)
            files = [str(path) for path in sources if not path.name.startswith(_PLL_FILES)]
            build(self._folder, TOP, [*files, str(PLL_MODELS)], _HARNESS, native)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was compiled."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def plug(self, noise: Noise | None = None) -> "Plugged":
        """The board, powered and on the line."""
        return Plugged(self._folder, self._board, noise or Noise())


class Plugged:
    """A board that runs; ``port`` is the path of its serial port until it is pulled."""

    def __init__(self, folder: Path, board: Board, noise: Noise):
        self._master, self._slave = pty.openpty()
        # Kept open here, so that the board does not see the host's program come and go.
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        rates = [round(rate * _MILLION) for rate in (noise.flip, noise.drop, noise.twice)]
        values = (
            board.clocks_per_bit, board.idle_clocks, _RESET_CLOCKS, board.button_up, *rates, noise.seed,
        )  # fmt: skip
        self._process = subprocess.Popen(
            [str(folder / "simulation"), *map(str, values)], cwd=folder,
            stdin=self._master, stdout=self._master, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> "Plugged":
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()

    def pull(self) -> None:
        """The cable is out: the port is gone, at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for end in (self._master, self._slave):
            if end >= 0:
                os.close(end)
        self._master = self._slave = -1
