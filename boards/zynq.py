"""Zynq boards: what Vivado calls them, and how the processing system and the logic are joined."""

import re
from dataclasses import dataclass

from .table import Table

SYSTEMS = ("processing_system7", "zynq_ultra_ps_e")

# vendor:name:part0:version, as in Vivado's board files.
_BOARD_PART = re.compile(r"[a-z0-9_.-]+:[a-z0-9_.-]+:part[0-9]+:[0-9]+\.[0-9]+")
# Both dividers behind a PLL have six bits.
_DIVIDERS = range(1, 64)


@dataclass(frozen=True)
class Zynq:
    """The processing system beside the logic.

    Attributes:
        system: Vivado's name of its IP.
        board_part: Vivado's name of the board, from the board's maker.
        port_bits: width of the port through which the logic reads and writes memory.
        pll_mhz: of the PLL that the logic's clock is divided from.
    """

    system: str
    board_part: str
    port_bits: int
    pll_mhz: float
    source: str

    def clock_mhz(self, wanted: float) -> float:
        """The logic's clock in MHz: the highest that the two dividers give and that is not above ``wanted``,
        or the lowest of all."""
        counts = {a * b for a in _DIVIDERS for b in _DIVIDERS}
        reached = [count for count in counts if self.pll_mhz / count <= wanted * (1 + 1e-6)]
        return self.pll_mhz / min(reached or [max(counts)])


def read_zynq(table: Table) -> Zynq:
    """A board file's table ``zynq``.

    Raises:
        BoardError: it breaks the schema.
    """
    zynq = Zynq(
        table.one_of("system", SYSTEMS),
        table.matching("board_part", "Vivado's name such as 'xilinx.com:zcu104:part0:1.1'", _BOARD_PART),
        table.take("port_bits", "32, 64 or 128", lambda bits: bits in (32, 64, 128)),
        table.number("pll_mhz"),
        table.text("source"),
    )
    table.done()
    return zynq
