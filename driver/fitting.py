"""The design for a board, also where the board is too small for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..boards.schema import Board
from ..compiler.ir.graph import Graph
from ..errors import FitError
from ..hw.design import Design, Resources
from ..hw.folding import capacity, fold, occupied
from ..hw.layers import layers
from .hardware import link_overhead

KINDS = ("lut", "ff", "bram", "dsp")
# How many times the board's room is tried, by steps of half a doubling.
_STEPS, _MOST = 2, 24
# More clocks than any frame takes: the smallest design is asked for.
_ANY = 1 << 60


@dataclass(frozen=True)
class Fitting:
    """A design, what it takes of the board with the link around it, and of which kinds that is too much.

    ``needed`` counts what the router will see; an iCE40's lone flip-flops take LUTs' places.
    """

    design: Design
    link: Resources
    needed: Resources
    over: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the board has room for it."""
        return not self.over


def fitting(graph: Graph, board: Board, interval: int | None, multipliers: str | None) -> Fitting:
    """The design that ``compile`` makes for the board or, where it refuses since that is too small, what a
    board of the least room would take that is in all kinds as many times as large.

    Args:
        interval, multipliers: as ``fold`` takes them.
    Raises:
        FitError: no folding takes so few clocks, on whatever board.
        LoweringError: the FPGA target has no rule for a node.
    """
    chain, link = layers(graph), link_overhead(board)
    try:
        return _fitted(fold(graph.name, chain, board, interval, link, multipliers), board, link)
    except FitError as error:
        refusal = error

    def trial(step: int) -> Design | None:
        try:
            larger = _times(board, 2 ** (step / _STEPS))
            return fold(graph.name, chain, larger, interval or _ANY, link, multipliers)
        except FitError:
            return None

    design = _least(trial)
    if design is None:
        raise refusal
    return _fitted(design, board, link)


def _least(trial: Callable[[int], Design | None]) -> Design | None:
    """What the smallest step gives that gives anything; None where the largest gives nothing."""
    low, high, best = 0, _MOST, trial(_MOST)
    while best is not None and high - low > 1:
        middle = (low + high) // 2
        found = trial(middle)
        if found is None:
            low = middle
        else:
            high, best = middle, found
    return best


def _times(board: Board, factor: float) -> Board:
    room = {kind: int(getattr(board.part, kind) * factor) for kind in KINDS}
    return replace(board, part=replace(board.part, **room))


def _fitted(design: Design, board: Board, link: Resources) -> Fitting:
    family, room = board.part.family, capacity(board)
    needed = occupied(design.resources(family) + link, family)
    over = tuple(kind for kind in KINDS if getattr(needed, kind) > getattr(room, kind))
    return Fitting(design, link, needed, over)
