"""Yosys's mapped netlists of ECP5 and xc7 with memories in them, as tables for settled.py."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from addernet_tools.netlist import CONSTANTS, Cell, Register, _Reader
from gatewright.errors import ToolError

REGISTER, LOCAL, LOGIC = "register", "local", "logic"
# Pins that a LUT in the same slice drives, not a wire: inputs of wide multiplexers and of Xilinx carries.
_INSIDE = {
    "PFUMX": ("ALUT", "BLUT"), "L6MUX21": ("D0", "D1"), "MUXF7": ("I0", "I1"), "MUXF8": ("I0", "I1"),
    "CARRY4": ("S", "DI"),
}  # fmt: skip
# S ? C : DI, as addernet_tools.netlist has it, of pins in that order.
_CHOOSE = 0xCA


@dataclass
class Memory:
    """Bits of one memory that are read at one address: a ROM's file or a RAM's words, ``columns`` of them.

    ``enable``, ``address`` and ``outputs`` are of reading; ``write``, ``place`` and ``data`` of writing,
    empty in a ROM. With ``at_once`` reading has no clock.
    """

    address: tuple[int, ...]
    enable: int
    outputs: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    file: str = ""
    write: int = 0
    place: tuple[int, ...] = ()
    data: list[int] = field(default_factory=list)
    at_once: bool = False


class Netlist(_Reader):
    """A flat module: cells, registers and memories, and of which class each net is.

    Raises:
        ToolError: a cell of a kind that this file does not know.
    """

    def __init__(self, module: Mapping):
        self.memories: dict[tuple, Memory] = {}
        self.hidden: set[int] = set()
        super().__init__(module)
        self.kinds = self._kinds(module)

    def read(self, name: str, cell: Mapping) -> None:
        own = {
            "PFUMX": self._wide, "L6MUX21": self._wide, "gw_rom_bit": self._rom_bit,
            "gw_ram_bit": self._ram_bit, "TRELLIS_DPR16X4": self._small_ram, "TRELLIS_FF": self._flip_flop,
        }.get(cell["type"])  # fmt: skip
        if own is None:
            super().read(name, cell)
        else:
            own(name, cell)

    def _wide(self, name: str, cell: Mapping) -> None:
        first, second, select = ("BLUT", "ALUT", "C0") if cell["type"] == "PFUMX" else ("D0", "D1", "SD")
        pins = [(port, _one(cell, port)) for port in (first, second, select)]
        self.cells.append(Cell(name, pins, [("Z", _one(cell, "Z"), _CHOOSE)]))

    def _flip_flop(self, name: str, cell: Mapping) -> None:
        """A register; what inverts its enable or reset is part of it."""
        own, pins = cell["parameters"], {}
        for port, mux in (("CE", "CEMUX"), ("LSR", "LSRMUX")):
            net, mode = _one(cell, port), own[mux].strip()
            if mode == "INV":
                inverted = self.fresh()
                self.hidden.add(inverted)
                self.cells.append(Cell(name, [(port, net)], [("Z", inverted, 1)]))
                net = inverted
            pins[port] = net if mode in (port, "INV") else None
        if own["CLKMUX"] != "CLK" or own.get("SRMODE", "LSR_OVER_CE") == "ASYNC":
            raise ToolError(
                f"netlist: a register's clock must not be inverted, nor its reset asynchronous ({name})"
            )
        self.registers.append(
            Register(name, _one(cell, "Q"), _one(cell, "DI"), pins["CE"], pins["LSR"] or None,
                     int(own["REGSET"] == "SET"))
        )  # fmt: skip

    def _rom_bit(self, name: str, cell: Mapping) -> None:
        file = _number(cell, "file").to_bytes(32, "big").strip(b"\0").decode()
        key = (file, *_nets(cell, "addr"), _one(cell, "ce"))
        memory = self.memories.setdefault(key, Memory(_nets(cell, "addr"), _one(cell, "ce"), file=file))
        memory.outputs.append(_one(cell, "q"))
        memory.columns.append(_number(cell, "column"))

    def _ram_bit(self, name: str, cell: Mapping) -> None:
        ports = [_nets(cell, port) for port in ("raddr", "waddr")]
        flags = [_one(cell, port) for port in ("re", "we")]
        key = (*ports, *flags)
        memory = self.memories.setdefault(
            key, Memory(ports[0], flags[0], write=flags[1], place=ports[1], file="")
        )
        memory.outputs.append(_one(cell, "q"))
        memory.columns.append(len(memory.columns))
        memory.data.append(_one(cell, "d"))

    def _small_ram(self, name: str, cell: Mapping) -> None:
        own = cell["parameters"]
        if own.get("WCKMUX", "WCK") != "WCK" or own.get("WREMUX", "WRE") != "WRE":
            raise ToolError(f"netlist: a LUT RAM's clock and enable must not be inverted ({name})")
        self.memories[(name,)] = Memory(
            _nets(cell, "RAD"), 1, [net or self.fresh() for net in _padded(cell, "DO")], list(range(4)),
            write=_one(cell, "WRE"), place=_nets(cell, "WAD"), data=list(_padded(cell, "DI")), at_once=True,
        )  # fmt: skip

    def _kinds(self, module: Mapping) -> dict[int, str]:
        """REGISTER, LOCAL or LOGIC by net; nets that nobody reads are in none."""
        sinks, near = Counter(), Counter()
        for register in self.registers:
            sinks.update(n for n in (register.d, register.ce, register.reset) if n is not None)
            near[register.d] += 1
        for cell in self.cells:
            sinks.update(net for _, net in cell.pins)
        for memory in self.memories.values():
            sinks.update((*memory.address, memory.enable, memory.write, *memory.place, *memory.data))
        for cell in module["cells"].values():
            for port in _INSIDE.get(cell["type"], ()):
                near.update(_nets(cell, port))
        for port in module["ports"].values():
            if port["direction"] == "output":
                sinks.update(net for net in port["bits"] if isinstance(net, int))
        kinds = {}
        for cell in self.cells:
            for port, net, _ in cell.outputs:
                inside = port in ("CO", "FCO") or (sinks[net] <= min(near[net], 1) and not cell.multiplies)
                kinds[net] = LOCAL if inside else LOGIC
        for memory in self.memories.values():
            kind = LOCAL if memory.at_once else LOGIC if memory.file else REGISTER
            kinds |= dict.fromkeys(memory.outputs, kind)
        kinds |= {register.q: REGISTER for register in self.registers}
        return {net: kind for net, kind in kinds.items() if sinks[net] and net not in self.hidden}


def _nets(cell: Mapping, port: str) -> tuple[int, ...]:
    bits = cell["connections"].get(port, [])
    return tuple(bit if isinstance(bit, int) else CONSTANTS[bit] for bit in bits)


def _padded(cell: Mapping, port: str) -> tuple[int, ...]:
    return (*_nets(cell, port), 0, 0, 0, 0)[:4]


def _one(cell: Mapping, port: str) -> int:
    return (*_nets(cell, port), 0)[0]


def _number(cell: Mapping, port: str) -> int:
    """A constant on a port."""
    return sum(bit << k for k, bit in enumerate(_nets(cell, port)))
