"""A mapped netlist clock by clock without delays, and how often each of its nets changes between clocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from addernet_tools.netlist import Cell
from gatewright.errors import ToolError

from .cells import Memory, Netlist


@dataclass(frozen=True)
class _Group:
    """Cells of a level with as many pins: nets of pins (cells, pins), and each output's and its table."""

    pins: np.ndarray
    cell: np.ndarray
    nets: np.ndarray
    tables: np.ndarray
    shifts: np.ndarray


class Settled:
    """A netlist whose nets hold what they settle to; ``clock`` moves on by one.

    Attributes:
        values: uint8 by net.
        moves: by net how often it changed from clock to clock while ``counting``.
    """

    def __init__(self, netlist: Netlist, roms: Mapping[str, Sequence[int]]):
        self.netlist = netlist
        self.values = np.zeros(netlist.next_net, np.uint8)
        self.values[1] = 1
        self.moves = np.zeros(netlist.next_net, np.int64)
        self.counting = False
        self._registers = _registers(netlist)
        self._memories = [(m, _contents(m, roms)) for m in netlist.memories.values()]
        self._clocked = [pair for pair in self._memories if not pair[0].at_once]
        self._contents = {id(memory): contents for memory, contents in self._memories}
        self._levels = _levels(netlist)
        self.settle()

    def settle(self) -> None:
        """Let everything without a clock take its value."""
        for groups, multipliers, memories in self._levels:
            for group in groups:
                index = (self.values[group.pins].astype(np.int64) << group.shifts).sum(1)
                self.values[group.nets] = group.tables >> index[group.cell].astype(np.uint64) & np.uint64(1)
            for cell in multipliers:
                self._multiply(cell)
            for memory in memories:
                self._read(memory, self._contents[id(memory)])

    def _multiply(self, cell: Cell) -> None:
        bits = self.values[[net for _, net in cell.pins]].astype(np.int64)
        half = (len(bits) - 2) // 2
        weights = 1 << np.arange(half)
        a, b = (int(part @ weights) for part in (bits[:half], bits[half : 2 * half]))
        a -= (int(bits[2 * half]) & a >> (half - 1)) << half
        b -= (int(bits[2 * half + 1]) & b >> (half - 1)) << half
        for place, (_, net, _) in enumerate(cell.outputs):
            self.values[net] = a * b >> place & 1

    def _word(self, nets: Sequence[int]) -> int:
        return int(sum(int(self.values[net]) << k for k, net in enumerate(nets)))

    def _read(self, memory: Memory, contents: np.ndarray) -> None:
        word = contents[self._word(memory.address) % len(contents)]
        self.values[memory.outputs] = word

    def clock(self, inputs: Mapping[int, int]) -> None:
        """A rising edge, then new values on input nets."""
        before = self.values.copy()
        q, d, ce, reset, value = self._registers
        now = np.where(before[reset], value, np.where(before[ce], before[d], before[q]))
        for memory, contents in self._clocked:
            if before[memory.enable]:
                self._read(memory, contents)
        for memory, contents in self._memories:
            if not memory.file and before[memory.write]:
                place = sum(int(before[net]) << k for k, net in enumerate(memory.place))
                contents[place % len(contents)] = before[memory.data]
        self.values[q] = now
        for net, bit in inputs.items():
            self.values[net] = bit
        self.settle()
        if self.counting:
            self.moves += before != self.values

    def bit(self, net: int | str) -> int:
        """What is on a net of a port, which may be a constant."""
        return int(net) if isinstance(net, str) else int(self.values[net])

    def counts(self) -> dict[str, int]:
        """Changes so far by class of net."""
        found: dict[str, int] = {}
        for net, kind in self.netlist.kinds.items():
            found[kind] = found.get(kind, 0) + int(self.moves[net])
        return found


def _registers(netlist: Netlist) -> tuple[np.ndarray, ...]:
    rows = [(r.q, r.d, 1 if r.ce is None else r.ce, r.reset or 0, r.value) for r in netlist.registers]
    table = np.array(rows, np.int64).reshape(-1, 5)
    return (*(table[:, k] for k in range(4)), table[:, 4].astype(np.uint8))


def _contents(memory: Memory, roms: Mapping[str, Sequence[int]]) -> np.ndarray:
    """uint8 (words, columns)."""
    if not memory.file:
        return np.zeros((1 << len(memory.address), len(memory.columns)), np.uint8)
    words = roms[memory.file]
    return np.array([[word >> column & 1 for column in memory.columns] for word in words], np.uint8)


def _levels(netlist: Netlist) -> list[tuple[list[_Group], list[Cell], list[Memory]]]:
    """Cells without a clock in the order in which they settle.

    Raises:
        ToolError: cells that feed each other.
    """
    parts: list[Cell | Memory] = [*netlist.cells, *(m for m in netlist.memories.values() if m.at_once)]
    made = {net: n for n, part in enumerate(parts) for net in _outputs(part)}
    waits = [{made[net] for net in _inputs(part) if net in made} for part in parts]
    readers: list[list[int]] = [[] for _ in parts]
    for n, sources in enumerate(waits):
        for source in sources:
            readers[source].append(n)
    left = [len(sources) for sources in waits]
    ready, levels, done = [n for n, count in enumerate(left) if not count], [], 0
    while ready:
        levels.append(_level([parts[n] for n in ready]))
        done += len(ready)
        following = []
        for n in ready:
            for reader in readers[n]:
                left[reader] -= 1
                if not left[reader]:
                    following.append(reader)
        ready = following
    if done < len(parts):
        raise ToolError(f"netlist: cells must not feed each other, as {len(parts) - done} do")
    return levels


def _outputs(part: Cell | Memory) -> list[int]:
    return part.outputs if isinstance(part, Memory) else [net for _, net, _ in part.outputs]


def _inputs(part: Cell | Memory) -> Sequence[int]:
    return part.address if isinstance(part, Memory) else [net for _, net in part.pins]


def _level(parts: Sequence[Cell | Memory]) -> tuple[list[_Group], list[Cell], list[Memory]]:
    memories = [part for part in parts if isinstance(part, Memory)]
    cells = [part for part in parts if not isinstance(part, Memory)]
    groups = []
    for pins in sorted({len(cell.pins) for cell in cells if not cell.multiplies}):
        own = [cell for cell in cells if len(cell.pins) == pins and not cell.multiplies]
        outputs = [(n, net, table) for n, cell in enumerate(own) for _, net, table in cell.outputs]
        groups.append(
            _Group(
                np.array([[net for _, net in cell.pins] for cell in own], np.int64).reshape(-1, pins),
                np.array([n for n, _, _ in outputs]),
                np.array([net for _, net, _ in outputs]),
                np.array([table for _, _, table in outputs], np.uint64),
                np.arange(pins),
            )
        )
    return groups, [cell for cell in cells if cell.multiplies], memories
