"""Folding: PE and SIMD for every layer, the cheapest that reach an interval, or the fastest that fit.

Layers are independent given the interval, so each takes its cheapest choice under a price per resource;
prices rise on whatever the board runs out of (a Lagrangian relaxation), which moves weights from LUTs to
block RAM or products from LUTs to DSP blocks, and back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..boards.schema import Board
from ..errors import FitError
from .build import SHALLOW, assemble, converters
from .design import Design, Resources, Stream
from .lower import FPGA
from .rules.rule import Fold, Layer
from .sharing import share_roms
from .units.fifo import FIFO

DSP_BLOCKS = "dsp"
MULTIPLIERS = ("lut", DSP_BLOCKS)
_ROUNDS = 12
# LUTs cost routing and place-and-route time as well: a 784-bit weight ROM in LUTs took nextpnr 13 minutes
# where block RAM takes one, on a board that had both to spare.
_LUT_PREMIUM = 3
# The fastest design is sought within this share of the board, since estimates err and routers need room.
_COMFORT = 0.75
# Share of flip-flops that take a whole logic cell (measured: 4,036 cells for 2,508 LUT and 2,890 FF).
_LONE_FF = {"ice40": 0.53}


@dataclass(frozen=True)
class _Choice:
    fold: Fold
    interval: int
    cost: Resources
    lanes_in: tuple[int, ...]
    lanes_out: int


def capacity(board: Board) -> Resources:
    """What the board's part has."""
    return Resources(board.part.lut, board.part.ff, board.part.bram, board.part.dsp)


def fold(
    name: str,
    chain: Sequence[Layer],
    board: Board,
    interval: int | None = None,
    overhead: Resources | None = None,
    multipliers: str | None = None,
) -> Design:
    """The design for ``chain`` on ``board``.

    Args:
        interval: clocks a frame may take; None asks for the fastest that fits.
        overhead: resources taken by what surrounds the accelerator.
        multipliers: MULTIPLIERS: where products are made; None leaves it to the board's room.
    Raises:
        FitError: the interval is below what any folding reaches, or the board is too small.
    """
    overhead = overhead or Resources()
    choices = [_choices(layer, board.part.family, multipliers) for layer in chain]
    fastest = max(min(c.interval for c in options) for options in choices)
    if interval is not None:
        if interval < fastest:
            slowest = max(zip(chain, choices, strict=True), key=lambda lc: min(c.interval for c in lc[1]))
            raise FitError(
                f"folding: the interval must be at least {fastest} clocks, not {interval}: layer "
                f"{slowest[0].node.name!r} ({slowest[0].node.op.name}) cannot be unfolded further. "
                f"Ask for --interval {fastest} or more, or fewer frames per second."
            )
        return _fit(name, chain, choices, interval, board, overhead, 1.0)
    steps = sorted({c.interval for options in choices for c in options if c.interval >= fastest})
    low, high, best = 0, len(steps) - 1, None
    while low <= high:  # the fit is monotone in the interval, up to the heuristic's noise
        middle = (low + high) // 2
        try:
            best = _fit(name, chain, choices, steps[middle], board, overhead, _COMFORT)
            high = middle - 1
        except FitError:
            low = middle + 1
    return best or _fit(name, chain, choices, steps[-1], board, overhead, 1.0)


def _choices(layer: Layer, family: str, multipliers: str | None) -> list[_Choice]:
    """Every folding of a layer on a family, with its interval, cost and stream widths."""
    rule = FPGA.rule(layer.node)
    found = []
    for option in _made_of(list(rule.folds(layer)), multipliers):
        if option.family not in ("", family):
            continue
        units = rule.lower(layer, option)
        cost = sum((u.resources(family, contents=False) for u in units), Resources())
        slowest = max((u.busy for u in units), default=1)
        lanes_in = tuple(s.lanes for s in units[0].inputs) if units else ()
        found.append(_Choice(option, slowest, cost, lanes_in, units[-1].output.lanes if units else 0))
    return found


def _made_of(options: list[Fold], multipliers: str | None) -> list[Fold]:
    """Those with products where they are wanted; all of a layer that has no such choice."""
    if multipliers is None:
        return options
    return [f for f in options if f.dsp == (multipliers == DSP_BLOCKS)] or options


def _price(cost: Resources, prices: dict[str, float]) -> float:
    return sum(getattr(cost, kind) * price for kind, price in prices.items())


def _join_cost(layer: Layer, have: Sequence[int], want: Sequence[int], family: str) -> Resources:
    """Width converters from ``have`` elements a beat of each operand to ``want``; 0 means no stream yet."""
    cost = Resources()
    for o, given, taken in zip(layer.operands, have, want, strict=False):
        if given and given != taken:
            joins = converters(Stream(o.type, given, o.value.type.size // given), taken, layer.name)
            cost += sum((c.resources(family) for c in joins), Resources())
    return cost


def _select(chain, choices, interval: int, prices: dict[str, float], family: str) -> list[Fold]:
    folds, lanes = [], {}
    for layer, options in zip(chain, choices, strict=True):
        have = [lanes.get(o.value, 0) for o in layer.operands]
        best = min(
            (c for c in options if c.interval <= interval),
            key=lambda c: (_price(c.cost + _join_cost(layer, have, c.lanes_in, family), prices), c.interval),
        )
        folds.append(best.fold)
        lanes[layer.node] = best.lanes_out or have[0]
    return folds


def _fit(name, chain, choices, interval, board: Board, overhead: Resources, share: float) -> Design:
    room = capacity(board)
    kinds = ("lut", "ff", "bram", "dsp")
    prices = {k: 1 / getattr(room, k) if getattr(room, k) else 1e3 for k in kinds}
    prices["ff"] *= 0.25  # flip-flops come with the LUTs and never run out first
    prices["lut"] *= _LUT_PREMIUM
    found, held = None, ""
    for _ in range(_ROUNDS):
        folds = _select(chain, choices, interval, prices, board.part.family)
        # Deep FIFOs take time to work out, so a folding that is too large without them stays without.
        for buffered in (False, True):
            design = share_roms(assemble(name, chain, folds, buffered), board.part.family)
            need = occupied(design.resources(board.part.family, contents=False) + overhead, board.part.family)
            over = [k for k in kinds if getattr(need, k) > share * getattr(room, k)]
            if over:
                break
        else:
            return design
        waiting = _waiting_map(design) if buffered else ""
        if waiting or not held:
            found, held = (design, board, need, room, over, interval), waiting
        for k in over:
            prices[k] *= 2
    raise FitError(_shortage(*found, held))


def occupied(need: Resources, family: str) -> Resources:
    """What the router will see: an iCE40 flip-flop whose input is no LUT of its own takes a LUT's place."""
    return need + Resources(lut=_LONE_FF.get(family, 0.0) * need.ff)


def _shortage(design, board: Board, need: Resources, room: Resources, over, interval: int, held: str) -> str:
    family = board.part.family
    lines = []
    for kind in over:
        users = sorted(design.instances, key=lambda i: -getattr(i.resources(family, contents=False), kind))[
            :3
        ]
        named = ", ".join(f"{u.name} {getattr(u.resources(family, contents=False), kind):.0f}" for u in users)
        lines.append(
            f"{getattr(need, kind):.0f} {kind.upper()}, {board.part.name} has {getattr(room, kind):.0f} "
            f"(largest users: {named})"
        )
    return (
        f"folding: {design.name!r} for {interval} clocks a frame needs {'; '.join(lines)}. "
        f"{held or 'Ask for fewer frames per second, fewer bits, or a larger board.'}"
    )


def _waiting_map(design: Design) -> str:
    """Of a design that fits but for its FIFOs: what the one says that holds most, if that is half a map."""
    most = max((i for i in design.instances if i.unit is FIFO), key=lambda i: i.p.DEPTH * i.p.BITS)
    if most.input.beats > 2 * most.p.DEPTH or most.p.DEPTH <= SHALLOW:
        return ""
    return (
        f"A branch waits for one that must see the whole map first: {most.name} holds {most.p.DEPTH} beats "
        f"of {most.p.BITS} bits, of {most.input.beats} a frame, and without the deep FIFOs the design would "
        "fit. Ask for smaller images, fewer bits, or a larger board."
    )
