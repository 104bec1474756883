"""Boards in Verilator on a serial line, and lines that play a script, for the tests of the host."""

from pathlib import Path

from driver_models import ICEBREAKER, saved, vector_net
from gatewright.driver.compile import Options, compile_model
from gatewright.driver.link_file import read_link
from gatewright.driver.project import Project
from gatewright.sim.uart import Board, SimulatedBoard


def compiled(folder: Path) -> Project:
    """A small network for a board with few clocks a bit, so that bytes are soon simulated."""
    compile_model(saved(folder, vector_net()), ICEBREAKER, folder / "out", Options(until="rtl"))
    return Project(folder / "out")


def simulated(project: Project) -> SimulatedBoard:
    """The whole board of a compiled folder."""
    link = read_link(project)
    idle = link.timeout_clocks + 40 * link.interval_clocks + 1000
    sources = sorted(project.rtl.glob("*.v"))
    return SimulatedBoard(Board(link.clocks_per_bit, idle, link.button_up), sources, project.memories())


class ScriptedLine:
    """A line whose other end is a function from what is written to what is read, piece by piece."""

    port = "/dev/scripted"

    def __init__(self, answer):
        self._answer, self._coming, self.written, self.drained = answer, [], [], 0

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._coming += self._answer(len(self.written) - 1, data)

    def read(self, seconds: float) -> bytes:
        return self._coming.pop(0) if self._coming else b""

    def drain(self, seconds: float) -> None:
        self.drained += 1

    def close(self) -> None:
        self._coming = []
