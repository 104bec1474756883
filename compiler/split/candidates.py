"""Where a graph may be cut, and about what each cut costs."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import accumulate

from ..ir.graph import Graph, Node, Value
from .cost import CORES, Link, fpga_clocks, instructions, pack_instructions
from .partition import crossing, joinable

# Cut places looked at, those first over which the fewest bits flow; pairs of them are candidates.
_PLACES = 48


@dataclass(frozen=True)
class Machine:
    """What a board is taken for while cuts are compared: ``core`` runs at ``core_mhz``, an FPGA of ``lut``
    LUTs at ``clock_mhz``."""

    core: str
    core_mhz: float
    lut: int
    clock_mhz: float
    link: Link = field(default_factory=Link)

    def core_us(self, count: float) -> float:
        """Time of so many instructions."""
        return count * CORES[self.core].cycles / self.core_mhz


@dataclass(frozen=True)
class Times:
    """Microseconds of one frame, one part after the other."""

    before: float
    fpga: float
    after: float
    transfers: float

    @property
    def total(self) -> float:
        """From the frame to its result."""
        return self.before + self.fpga + self.after + self.transfers


@dataclass(frozen=True)
class Candidate:
    """Nodes ``first`` to ``last`` of ``graph.nodes()`` on the FPGA.

    ``macs`` are the FPGA's; ``bytes_in`` and ``bytes_out`` are of the codes alone, without a beat's padding.
    """

    first: int
    last: int
    macs: int
    bytes_in: int
    bytes_out: int
    times: Times


def candidates(
    graph: Graph, machine: Machine, on_fpga: Collection[int], on_arm: Collection[int]
) -> list[Candidate]:
    """All cuts that both sides take, the quickest first by estimates that need no tool.

    Args:
        on_fpga, on_arm: ids of the nodes that each side takes.
    """
    nodes = graph.nodes()
    arm = [instructions(n, CORES[machine.core]) for n in nodes]
    spent = [0.0, *accumulate(arm)]
    refused = [0, *accumulate(id(n) not in on_arm for n in nodes)]
    places = _places(graph, nodes)
    found = []
    for first in places:
        if refused[first]:
            break
        for end in places:
            if end <= first:
                continue
            if any(id(n) not in on_fpga for n in nodes[first:end]):
                break
            if refused[-1] - refused[end] or not _possible(graph, nodes, first, end):
                continue
            found.append(_candidate(graph, nodes, first, end, machine, spent))
    return sorted(found, key=lambda c: (c.times.total, c.first, c.last))


def costed(graph: Graph, machine: Machine, first: int, last: int) -> Candidate:
    """The cut with nodes ``first`` to ``last`` on the FPGA, which must be possible."""
    nodes = graph.nodes()
    spent = [0.0, *accumulate(instructions(n, CORES[machine.core]) for n in nodes)]
    return _candidate(graph, nodes, first, last + 1, machine, spent)


def _places(graph: Graph, nodes: list[Node]) -> list[int]:
    """Numbers of nodes in front of which a cut may be, and the one behind all, in order."""
    flows = {place: _flow(graph, nodes, place) for place in range(len(nodes) + 1)}
    kept = sorted(range(len(nodes) + 1), key=lambda place: flows[place])[:_PLACES]
    return sorted(kept)


def _flow(graph: Graph, nodes: list[Node], place: int) -> int:
    """Bits of all that is needed behind a place and there in front of it."""
    return sum(map(_bits, crossing([*graph.inputs, *nodes[:place]], nodes[place:], graph.outputs)))


def _bits(value: Value) -> int:
    return value.type.size * value.type.dtype.bits


def _crossing(graph: Graph, nodes: list[Node], first: int, end: int) -> tuple[list[Value], list[Value]]:
    """What nodes ``first`` to ``end - 1`` read of others, and what others read of them."""
    middle = nodes[first:end]
    given = crossing([*graph.inputs, *nodes[:first]], middle)
    return given, crossing(middle, nodes[end:], graph.outputs)


def _possible(graph: Graph, nodes: list[Node], first: int, end: int) -> bool:
    """Whether streams carry what crosses, and there is something to do between."""
    return all(map(joinable, _crossing(graph, nodes, first, end))) and any(map(_works, nodes[first:end]))


def _candidate(
    graph: Graph, nodes: list[Node], first: int, end: int, machine: Machine, spent: list[float]
) -> Candidate:
    """The cut with nodes ``first`` to ``end - 1`` on the FPGA."""
    given, made = _crossing(graph, nodes, first, end)
    sizes = [-(-sum(map(_bits, values)) // 8) for values in (given, made)]
    times = Times(
        machine.core_us(spent[first] + pack_instructions(given)),
        fpga_clocks(nodes[first:end], given, machine.lut) / machine.clock_mhz,
        machine.core_us(spent[-1] - spent[end] + pack_instructions(made)),
        sum(machine.link.microseconds(size, machine.clock_mhz) for size in sizes),
    )
    macs = sum(n.op.work(*n.inputs).macs for n in nodes[first:end])
    return Candidate(first, end - 1, macs, *sizes, times)


def _works(node: Node) -> bool:
    """Whether the FPGA has something to compute in it."""
    work = node.op.work(*node.inputs)
    return bool(work.macs or work.adds or work.compares)
