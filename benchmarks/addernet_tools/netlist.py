"""Yosys's mapped netlists of xc7 and ECP5 as text for toggles.cpp: tables, registers and multipliers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from gatewright.errors import ToolError

from .delays import Delays

REGISTER, LOGIC, LOCAL, CARRY, OPERAND = "register", "logic", "local", "carry", "operand"
# Without a routed design (xc7): only settled values mean something then, so any delays will do.
_NO_DELAYS = Delays()
CONSTANTS = {"0": 0, "1": 1, "x": 0, "z": 0}
# Of pins DI, C and S: S ? C : DI, and S ^ C.
_CHOOSE, _XOR = 0xCA, 0x3C


@dataclass
class Cell:
    """A function: pins as (name, net), outputs as (name, net, table), and its name in the SDF file."""

    name: str
    pins: list[tuple[str, int]]
    outputs: list[tuple[str, int, int]]
    multiplies: bool = False


@dataclass
class Register:
    """A flip-flop; ``ce`` and ``reset`` are nets, None if unused."""

    name: str
    q: int
    d: int
    ce: int | None
    reset: int | None
    value: int


@dataclass
class Circuit:
    """What lies between operand nets and result nets.

    Attributes:
        kinds: what drives a net: REGISTER, LOGIC, LOCAL (logic whose only use is a register, which lies
            beside it), CARRY (no wire outside a carry chain) or OPERAND.
        fanout: input pins on a net.
    """

    inputs: list[int]
    outputs: list[int]
    cells: list[Cell] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)
    fanout: dict[int, int] = field(default_factory=dict)
    nets: int = 0


class _Reader:
    """Cells of a Yosys module as functions and registers."""

    def __init__(self, module: Mapping):
        self.next_net = 2 + max(
            (bit for cell in module["cells"].values() for bits in cell["connections"].values()
             for bit in bits if isinstance(bit, int)), default=2,
        )  # fmt: skip
        self.cells: list[Cell] = []
        self.registers: list[Register] = []
        for name, cell in module["cells"].items():
            if not cell["type"].startswith("$"):
                self.read(name, cell)

    def fresh(self) -> int:
        self.next_net += 1
        return self.next_net - 1

    def read(self, name: str, cell: Mapping) -> None:
        kind = cell["type"]
        reader = _READERS.get(kind)
        if reader is None:
            raise ToolError(
                f"netlist: a cell must be one of {', '.join(sorted(_READERS))}, not {kind!r} ({name}). "
                "Measure toggles of an array, or teach this file the cell"
            )
        reader(self, name, cell)

    def lut(self, name: str, cell: Mapping) -> None:
        """LUT1 to LUT6, LUT4 of ECP5, INV."""
        ports = [p for p in ("A", "B", "C", "D", "I", "I0", "I1", "I2", "I3", "I4", "I5")
                 if p in cell["connections"]]  # fmt: skip
        out, sdf = ("Z", "F") if "Z" in cell["connections"] else ("O", "O")
        table = 1 if cell["type"] == "INV" else _number(cell["parameters"]["INIT"])
        pins = [(p, _net(cell, p)) for p in ports]
        self.cells.append(Cell(name, pins, [(sdf, _net(cell, out), table)]))

    def lut6_2(self, name: str, cell: Mapping) -> None:
        table = _number(cell["parameters"]["INIT"])
        pins = [(f"I{k}", _net(cell, f"I{k}")) for k in range(6)]
        low = table & 0xFFFFFFFF
        outs = [("O6", _net(cell, "O6"), table), ("O5", _net(cell, "O5"), low | low << 32)]
        self.cells.append(Cell(name, pins, [out for out in outs if out[1] > 1]))

    def wide_mux(self, name: str, cell: Mapping) -> None:
        pins = [(p, _net(cell, p)) for p in ("I0", "I1", "S")]
        self.cells.append(Cell(name, pins, [("O", _net(cell, "O"), _CHOOSE)]))

    def carry4(self, name: str, cell: Mapping) -> None:
        carry = _net(cell, "CI") or _net(cell, "CYINIT")
        for k in range(4):
            data, select = _net(cell, "DI", k), _net(cell, "S", k)
            out, sum_net = _net(cell, "CO", k) or self.fresh(), _net(cell, "O", k)
            pins = [("DI", data), ("CI", carry), ("S", select)]
            outs = [("CO", out, _CHOOSE)]
            if sum_net:
                outs.append(("O", sum_net, _XOR))
            self.cells.append(Cell(name, pins, outs))
            carry = out

    def ccu2c(self, name: str, cell: Mapping) -> None:
        """Two LUT4 with a carry: S = LUT ^ C, and C' = LUT ? C : the LUT's own lowest quarter at A, B."""
        carry = _net(cell, "CIN")
        for k in range(2):
            if cell["parameters"][f"INJECT1_{k}"] != "NO":
                raise ToolError(f"netlist: INJECT1_{k} must be NO, not YES ({name})")
            init = _number(cell["parameters"][f"INIT{k}"])
            out = self.fresh() if k == 0 else _net(cell, "COUT") or self.fresh()
            pins = [(p, _net(cell, f"{p}{k}")) for p in "ABCD"] + [("FCI", carry)]
            outs = [("FCO", out, _table(5, partial(_carry_of, init)))]
            if _net(cell, f"S{k}"):
                outs.append(("F", _net(cell, f"S{k}"), _table(5, partial(_sum_of, init))))
            self.cells.append(Cell(f"{name}$CCU2_COMB{k}", pins, outs))
            carry = out

    def mult18(self, name: str, cell: Mapping) -> None:
        clocks = [v for p, v in cell["parameters"].items() if p.startswith("REG_") and p.endswith("CLK")]
        if any(clock != "NONE" for clock in clocks):
            raise ToolError(f"netlist: a multiplier must have no registers ({name})")
        pins = [(f"{side}{k}", _net(cell, f"{side}{k}")) for side in "AB" for k in range(18)]
        pins += [(p, _net(cell, p)) for p in ("SIGNEDA", "SIGNEDB")]
        outs = [(f"P{k}", _net(cell, f"P{k}") or self.fresh(), 0) for k in range(36)]
        self.cells.append(Cell(name, pins, outs, multiplies=True))

    def trellis_ff(self, name: str, cell: Mapping) -> None:
        own = cell["parameters"]
        mode = own["CEMUX"].strip()
        if own["CLKMUX"] != "CLK" or own["LSRMUX"] != "LSR" or mode not in ("1", "CE"):
            raise ToolError(f"netlist: clock, enable and reset must not be inverted ({name})")
        self.registers.append(
            Register(name, _net(cell, "Q"), _net(cell, "DI"), _net(cell, "CE") if mode == "CE" else None,
                     _net(cell, "LSR") or None, int(own["REGSET"] == "SET"))
        )  # fmt: skip

    def fd(self, name: str, cell: Mapping) -> None:
        """FDRE and FDSE."""
        enable = _net(cell, "CE")
        reset = _net(cell, "S" if cell["type"] == "FDSE" else "R") or None
        self.registers.append(
            Register(name, _net(cell, "Q"), _net(cell, "D"), None if enable == 1 else enable, reset,
                     int(cell["type"] == "FDSE"))
        )  # fmt: skip

    def shift(self, name: str, cell: Mapping) -> None:
        """SRL16E of a fixed length, as a chain."""
        address = [_net(cell, f"A{k}") for k in range(4)]
        if any(bit > 1 for bit in address):
            raise ToolError(f"netlist: a shift register's length must be constant ({name})")
        length, net = 1 + sum(bit << k for k, bit in enumerate(address)), _net(cell, "D")
        enable = _net(cell, "CE")
        for k in range(length):
            out = _net(cell, "Q") if k == length - 1 else self.fresh()
            self.registers.append(Register(name, out, net, None if enable == 1 else enable, None, 0))
            net = out


_READERS: dict[str, Callable[[_Reader, str, Mapping], None]] = {
    **{f"LUT{k}": _Reader.lut for k in range(1, 7)},
    "INV": _Reader.lut,
    "LUT6_2": _Reader.lut6_2,
    "MUXF7": _Reader.wide_mux,
    "MUXF8": _Reader.wide_mux,
    "CARRY4": _Reader.carry4,
    "CCU2C": _Reader.ccu2c,
    "MULT18X18D": _Reader.mult18,
    "TRELLIS_FF": _Reader.trellis_ff,
    "FDRE": _Reader.fd,
    "FDSE": _Reader.fd,
    "SRL16E": _Reader.shift,
}


def _net(cell: Mapping, port: str, bit: int = 0) -> int:
    """The net at a port's bit; 0 where nothing is connected."""
    bits = cell["connections"].get(port, [])
    if bit >= len(bits):
        return 0
    return bits[bit] if isinstance(bits[bit], int) else CONSTANTS[bits[bit]]


def _number(text: str) -> int:
    return int(text.replace("x", "0"), 2)


def _carry_of(init: int, pins: int) -> int:
    """Carry out of half a CCU2C from its four pins and, the fifth, its carry in."""
    return pins >> 4 if init >> (pins & 15) & 1 else init >> (pins & 3) & 1


def _sum_of(init: int, pins: int) -> int:
    """What leaves half a CCU2C beside its carry."""
    return init >> (pins & 15) ^ pins >> 4


def _table(pins: int, function: Callable[[int], int]) -> int:
    return sum((function(v) & 1) << v for v in range(1 << pins))


def circuit(module: Mapping, inputs: Sequence[int], outputs: Sequence[int]) -> Circuit:
    """What lies between nets of a flat module; the rest is left out.

    Raises:
        ToolError: a cell of a kind that this file does not know, or a net that nothing drives.
    """
    reader = _Reader(module)
    found = Circuit(list(inputs), list(outputs))
    driver = {net: cell for cell in reader.cells for _, net, _ in cell.outputs}
    driver |= {r.q: r for r in reader.registers}
    seen, open_nets = set(found.inputs) | {0, 1}, list(found.outputs)
    while open_nets:
        net = open_nets.pop()
        if net in seen:
            continue
        if net not in driver:
            raise ToolError(f"netlist: a net of the circuit must have a driver, not none: {net}")
        part = driver[net]
        if isinstance(part, Register):
            seen.add(part.q)
            found.registers.append(part)
            open_nets += [n for n in (part.d, part.ce, part.reset) if n is not None]
        else:
            seen |= {out for _, out, _ in part.outputs}
            found.cells.append(part)
            open_nets += [n for _, n in part.pins]
    _describe(found)
    found.nets = reader.next_net
    return found


def _describe(found: Circuit) -> None:
    """Fills in kinds and fan-out."""
    found.kinds = dict.fromkeys(found.inputs, OPERAND)
    found.kinds |= {r.q: REGISTER for r in found.registers}
    for cell in found.cells:
        found.kinds |= {net: CARRY if port in ("CO", "FCO") else LOGIC for port, net, _ in cell.outputs}
    pins: Iterable[int] = [n for cell in found.cells for _, n in cell.pins]
    pins = [*pins, *(n for r in found.registers for n in (r.d, r.ce, r.reset) if n is not None)]
    for net in pins:
        found.fanout[net] = found.fanout.get(net, 0) + 1
    beside = {r.d for r in found.registers if found.fanout[r.d] == 1} - set(found.outputs)
    found.kinds |= {net: LOCAL for net in beside if found.kinds.get(net) == LOGIC}


def text(found: Circuit, delays: Delays | None) -> str:
    """The circuit as toggles.cpp reads it; without delays wires have none and every cell 1 ps."""
    lines = [f"nets {found.nets}\n"]
    lines += [f"input {net}\n" for net in found.inputs]
    lines += [f"output {net}\n" for net in found.outputs]
    known = delays or _NO_DELAYS
    for r in found.registers:
        ce, reset = (-1 if n is None else n for n in (r.ce, r.reset))
        lines.append(f"ff {r.q} {r.d} {ce} {reset} {r.value} {known.path(r.name, 'CLK', 'Q')}\n")
    for cell in found.cells:
        pins = " ".join(f"{net} {known.wire(cell.name, port)}" for port, net in cell.pins)
        outs = []
        for port, net, table in cell.outputs:
            ps = [known.path(cell.name, source, port) if delays else 1 for source, _ in cell.pins]
            outs.append(f"{net} {table:x} {' '.join(map(str, ps))}")
        kind = "mul" if cell.multiplies else "lut"
        lines.append(f"cell {kind} {len(cell.pins)} {len(outs)} {pins} {' '.join(outs)}\n")
    return "".join(lines)
