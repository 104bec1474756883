"""Which nodes of a split go onto the FPGA: as asked, or where a frame's estimated latency is least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..boards.schema import Board
from ..compiler.ir.graph import Graph, Node
from ..compiler.split.candidates import Candidate, Machine, candidates, costed
from ..compiler.split.partition import Split, partition
from ..errors import BoardError, FitError, GraphError, InputError, LoweringError
from ..hw.folding import fold
from ..hw.layers import layers
from ..sim.cycle.simulate import simulate
from .coverage import coverage
from .hardware import link_overhead

STAGES = ("graph", "cut", "parts", "cosimulate")
AUTO = "auto"
# Cuts that are folded for the board, after all were sorted by quicker estimates; and those tried for that.
_FOLDED, _TRIED = 3, 12
# Reasons listed where nothing can be on the FPGA.
_REASONS = 3


@dataclass(frozen=True)
class Rated:
    """A cut, its estimated times, and whether its design was folded for the board and run by the cycle
    model."""

    candidate: Candidate
    folded: bool


def check_board(board: Board, command: str) -> None:
    """Raise BoardError unless the board has both an FPGA and a processor."""
    for what, has, other in (("FPGA", board.part, "arm"), ("processor", board.processor, "fpga")):
        if has is None:
            raise BoardError(
                f"{command}: --split is for boards with an FPGA and a processor, but {board.name} has no "
                f"{what} that is known. Leave --split out for --target {other}."
            )


def check_asked(asked: str, command: str) -> None:
    """Raise InputError unless ``asked`` is AUTO or two names or numbers of nodes."""
    if asked != AUTO and (asked.count(",") != 1 or not all(part.strip() for part in asked.split(","))):
        raise InputError(
            f"{command}: --split must be {AUTO} or FROM,TO (nodes by number or name, as 'gatewright inspect "
            f"MODEL --board BOARD --split' lists them), not {asked!r}"
        )


def machine(board: Board, clock_mhz: float) -> Machine:
    """What estimates take the board for."""
    return Machine(board.processor.core, board.processor.clock_mhz, board.part.lut, clock_mhz)


def chosen(
    graph: Graph, board: Board, asked: str, clock_mhz: float, interval: int | None,
    multipliers: str | None, say: Callable[[str], None] = lambda text: None,
) -> tuple[Rated, list[Rated]]:  # fmt: skip
    """The cut asked for, or the one that takes the least time; and those that it was chosen among.

    Args:
        clock_mhz, interval, multipliers: of the FPGA, as for ``fold``.
    Raises:
        InputError: ``asked`` names no such nodes, or in the wrong order.
        GraphError: what crosses there fits no stream.
        LoweringError: a side does not take its nodes, or nothing can be on the FPGA.
        FitError: the board is too small for every cut that was tried.
    """
    taken = _Taken(graph, board)
    m = machine(board, clock_mhz)
    if asked != AUTO:
        first, last = span(graph, asked)
        taken.check(first, last)
        partition(graph, graph.nodes()[first : last + 1])
        return Rated(costed(graph, m, first, last), False), []
    found = candidates(graph, m, taken.on_fpga, taken.on_arm)
    if not found:
        raise LoweringError(taken.nothing())
    say(f"folding the best of {len(found)} cuts")
    rated = _rated(graph, board, found, clock_mhz, interval, multipliers)
    return rated[0], rated


def span(graph: Graph, asked: str, command: str = "compile") -> tuple[int, int]:
    """Numbers of the first and the last node of FROM,TO.

    Raises:
        InputError: no such node, a name that several have, or FROM behind TO.
    """
    nodes = graph.nodes()
    first, last = (_number(nodes, part.strip(), command) for part in asked.split(","))
    if first > last:
        raise InputError(
            f"{command}: --split FROM,TO must name FROM before TO in the graph's order, not node {first} and "
            f"then {last}. Exchange them."
        )
    return first, last


def _number(nodes: list[Node], text: str, command: str) -> int:
    named = [i for i, n in enumerate(nodes) if n.name == text]
    if len(named) == 1:
        return named[0]
    if text.isdecimal() and int(text) < len(nodes):
        return int(text)
    known = ", ".join(dict.fromkeys(n.name for n in nodes if n.name))
    raise InputError(
        f"{command}: --split must name nodes of the integer graph, 0 to {len(nodes) - 1} or one of "
        f"{known or '(none has a name)'}, not {text!r}. 'gatewright inspect MODEL --board BOARD --split' "
        "lists where a cut is good."
    )


class _Taken:
    """Which nodes each side takes, and why not."""

    def __init__(self, graph: Graph, board: Board):
        # Loading TVM takes seconds.
        from ..compiler.neon.lower import NEON

        self._graph, self._board = graph, board
        self._nodes = graph.nodes()
        self._refused = coverage(graph).refused
        missing = {id(n) for n in NEON.missing(graph)}
        self.on_fpga = {id(n) for n in self._nodes} - set(self._refused)
        self.on_arm = {id(n) for n in self._nodes} - missing

    def check(self, first: int, last: int) -> None:
        """Raise LoweringError where a side does not take what the cut gives it."""
        for number, node in enumerate(self._nodes):
            inside = first <= number <= last
            if inside and id(node) in self._refused:
                raise LoweringError(
                    f"split: the FPGA must take nodes {first} to {last}, but not {number}: "
                    f"{self._refused[id(node)]}"
                )
            if not inside and id(node) not in self.on_arm:
                raise LoweringError(
                    f"split: the processor must take what is not on the FPGA, but it has no rule for node "
                    f"{number}, {node.op.name} {node.name!r}. Take it onto the FPGA."
                )

    def nothing(self) -> str:
        """Why no cut is possible."""
        reasons = list(dict.fromkeys(self._refused.values()))
        if len(self.on_fpga) < len(self._nodes) and reasons:
            told = "".join(f"\n  {r}" for r in reasons[:_REASONS])
            return (
                f"split: some part of the model must fit {self._board.part.name}, but the FPGA takes nothing "
                f"that one stream could feed. Use --target arm. Of the reasons:{told}"
            )
        return (
            "split: the model must have a place where one tensor crosses, or several of one size but for "
            "their channels, with work between two such places; it has none. Use --target arm."
        )


def _rated(
    graph: Graph, board: Board, found: list[Candidate], clock_mhz: float, interval: int | None,
    multipliers: str | None,
) -> list[Rated]:  # fmt: skip
    """All, the best of them folded; the folded ones first, then by time.

    Raises:
        FitError: none that was tried fits.
    """
    rated: dict[Candidate, Rated] = {}
    too_large: list[Candidate] = []
    refusal: Exception | None = None
    for candidate in found:
        if len(rated) == _FOLDED or len(too_large) == _TRIED:
            break
        if any(candidate.first <= c.first and c.last <= candidate.last for c in too_large):
            continue
        # Cuts that differ by a few moves alone fold alike.
        if any(candidate.macs == c.macs for c in rated):
            continue
        try:
            clocks = fpga_clocks(graph, board, candidate, interval, multipliers)
        except FitError as error:
            refusal = refusal or error
            too_large.append(candidate)
        except (LoweringError, GraphError) as error:
            refusal = refusal or error
        else:
            times = replace(candidate.times, fpga=clocks / clock_mhz)
            rated[candidate] = Rated(replace(candidate, times=times), True)
    if not rated:
        raise refusal or FitError(f"split: no cut fits {board.part.name}. Use --target arm.")
    rest = [Rated(c, False) for c in found if c not in rated]
    return sorted(rated.values(), key=lambda r: r.candidate.times.total) + rest


def fpga_clocks(
    graph: Graph, board: Board, candidate: Candidate, interval: int | None, multipliers: str | None
) -> int:
    """Clocks of a frame through the FPGA's part, by folding it and the cycle model.

    Raises:
        FitError, GraphError, LoweringError: there is no such design.
    """
    part = split_at(graph, candidate.first, candidate.last).part("fpga").graph
    design = fold(part.name, layers(part), board, interval, link_overhead(board), multipliers)
    return simulate(design, 1).latency


def split_at(graph: Graph, first: int, last: int) -> Split:
    """The split with nodes ``first`` to ``last`` on the FPGA."""
    return partition(graph, graph.nodes()[first : last + 1])
