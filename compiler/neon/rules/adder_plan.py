"""How the distances of an adder layer add up: in lanes as narrow as the operands for as long as those hold.

A difference of two bytes fits a byte. SABA adds sixteen to lanes of bytes, SABAL and SABAL2 eight each to
lanes of 16 bits. Which sums fit follows from the weights: no |x - w| is larger than at the ends of x's range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..isa import Core
from .shapes import Shape

# Attributes of a plan that tuning may set.
SETTINGS = ("chain", "pixels", "width")
# Bits of operands, and lanes of a vector of them.
LANES = {8: 16, 16: 8}
# Vectors that are written out without a loop, and those of a loop's body. With 16 registers more would spill.
UNROLLED, BODY = {True: 10, False: 2}, {True: 6, False: 1}
# Vectors of a chain; longer ones spill, and with 16 registers all do.
_CHAINS = (2, 3)
# Instructions, about: of a loop's turn; a sum's share of widening and of adding up across lanes; of what
# comes behind a sum.
_TURN, _WIDEN, _ACROSS, _BEHIND = 4, 1, 1.25, 1.5


@dataclass(frozen=True)
class Plan:
    """One way to make a tile's sums.

    Attributes:
        pixels, width: of the tile; ``width`` counts channels.
        chain: vectors whose differences add up in narrow lanes before wider ones take them; 0: all of a pass
            do (SABA alone), -1: none (SABAL).
        runs, blocks: what a pass covers before its sums leave the lanes: whole runs, or blocks of one.
    """

    pixels: int
    width: int
    chain: int
    runs: int
    blocks: int

    @property
    def narrow(self) -> bool:
        """Whether sums stay in lanes as wide as the operands until a pass ends."""
        return self.chain == 0

    @property
    def low(self) -> bool:
        """Whether narrow lanes hold more than one difference."""
        return self.chain == 0 or self.chain > 1


class Bounds:
    """The largest distance of every lane: int64 (runs, blocks, lanes, channels)."""

    def __init__(self, far: np.ndarray, limit: int):
        """``limit``: what a narrow lane holds."""
        self.far, self.limit = far, limit

    def chain_fits(self, length: int) -> bool:
        """Whether any so many neighbouring vectors, from run to run too, fit narrow lanes."""
        sums = np.cumsum(self.far.reshape(-1, *self.far.shape[2:]), axis=0)
        sums[length:] -= sums[:-length].copy()
        return bool(sums.max() <= self.limit)

    def longest(self, limit: int) -> tuple[int, int] | None:
        """(runs, blocks) of the longest pass whose lanes stay within ``limit``; None where no block does."""
        runs, blocks = self.far.shape[:2]
        whole = self.far.sum(1)
        for passes in range(1, runs + 1):
            size = -(-runs // passes)
            if all(whole[i : i + size].sum(0).max() <= limit for i in range(0, runs, size)):
                return size, blocks
        for passes in range(2, blocks + 1):
            size = -(-blocks // passes)
            if all(self.far[:, i : i + size].sum(1).max() <= limit for i in range(0, blocks, size)):
                return 1, size
        return None


def best_plan(
    core: Core, shape: Shape, bounds: Bounds, bits: int, wraps: bool,
    wanted: Mapping[str, int | None] | None = None,
) -> Plan:  # fmt: skip
    """The plan with the fewest instructions, by estimate.

    Args:
        bits: of the operands, 8 or 16.
        wraps: whether sums of 16 bits may wrap around, as the results fit them.
        wanted: values of SETTINGS, of which None leaves the choice; all are left where no plan has them.
    """
    runs, blocks = bounds.far.shape[:2]
    wide = _wide(bounds, bits, wraps)
    passes = _passes(core, bounds, bits, wraps)
    chains = [n for n in (_CHAINS if core.wide else ()) if n <= blocks and bounds.chain_fits(n)]
    plans = [
        Plan(pixels, width, chain, *covered)
        for chain, covered in [*passes, *((n, wide) for n in chains)]
        for pixels in range(1, min(shape.pixels, 6) + 1)
        for width in (4, 8, 16)
    ]
    fit = [
        p for p in plans if _registers(p) <= core.registers and (p.width == 4 or p.width <= shape.channels)
    ]
    set_ = {k: v for k, v in (wanted or {}).items() if v is not None}
    chosen = [p for p in fit if all(getattr(p, k) == v for k, v in set_.items())]
    return min(chosen or fit, key=lambda p: _cost(core, shape, p, runs, blocks))


def _wide(bounds: Bounds, bits: int, wraps: bool) -> tuple[int, int]:
    """(runs, blocks) of the longest pass in lanes of twice the operands' width."""
    if bits == 8 and not wraps:
        # Two narrow lanes meet in a wide one.
        return bounds.longest((2**16 - 1) // 2)
    return bounds.far.shape[:2]


def _passes(core: Core, bounds: Bounds, bits: int, wraps: bool) -> list[tuple[int, tuple[int, int]]]:
    """(chain, what a pass covers): in wide lanes, then in narrow ones if they hold one vector at all."""
    whole = bounds.far.shape[:2]
    found = [(1, whole) if core.dot and bits == 8 else (-1, _wide(bounds, bits, wraps))]
    narrow = whole if bits == 16 and wraps else bounds.longest(bounds.limit)
    return found + ([(0, narrow)] if narrow else [])


def _registers(plan: Plan) -> int:
    """Vectors that live at once: sums, inputs, and a chain for each pixel."""
    inputs = plan.pixels * max(plan.chain, 1) + 1
    return plan.pixels * plan.width + inputs + (plan.pixels + 1 if plan.chain > 0 else 1)


def _cost(core: Core, shape: Shape, plan: Plan, runs: int, blocks: int) -> float:
    """Instructions of a row, about."""
    sums = plan.pixels * plan.width
    adding = {-1: 2, 0: 1}.get(plan.chain, 1 + 1 / max(plan.chain, 1))
    loads = plan.pixels + plan.width / (2 if core.wide else 1)
    inside = runs * blocks * (sums * adding + loads)
    turns, clear = 0, 0
    if plan.runs * plan.blocks > UNROLLED[core.wide]:
        turns, clear = plan.runs * -(-plan.blocks // BODY[core.wide]) * _TURN, 1
    across = sums * (clear + (_ACROSS + plan.narrow * _WIDEN) * (1 if core.wide else 2))
    tiles = -(-shape.pixels // plan.pixels) * -(-shape.channels // plan.width)
    return tiles * (inside + count_passes(plan, runs, blocks) * (turns + across) + sums * _BEHIND)


def count_passes(plan: Plan, runs: int, blocks: int) -> int:
    """Passes of a tile."""
    return -(-runs // plan.runs) * -(-blocks // plan.blocks)


def spans(total: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(first, count, size) of ``total`` cut into equal parts, the last one apart as it may be smaller."""
    before = (total - 1) // size
    if before:
        yield 0, before, size
    yield before * size, 1, total - before * size
