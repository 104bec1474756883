"""Places in the arena: tensors that are never needed at once share memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 16
# Vectors may be loaded from the last element on.
SLACK = 32


@dataclass(frozen=True)
class Life:
    """A tensor's bytes, and the first and last step at which it is in memory."""

    bytes: int
    first: int
    last: int

    @property
    def room(self) -> int:
        """Its bytes, in whole units of alignment."""
        return -(-self.bytes // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Plan:
    """Offsets of the tensors in order, the arena's bytes, and the bytes of the largest set alive at once."""

    offsets: tuple[int, ...]
    arena: int
    bound: int


def plan(lives: Sequence[Life]) -> Plan:
    """First fit, largest tensor first, as is usual for static memory plans.

    Source: Y. Pisarchyk, J. Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020
    (greedy by size).
    """
    placed: list[tuple[int, int, Life]] = []
    offsets = [0] * len(lives)
    for index in sorted(range(len(lives)), key=lambda i: (-lives[i].room, i)):
        life = lives[index]
        at = 0
        for start, end, other in sorted(placed, key=lambda p: p[0]):
            if other.last < life.first or life.last < other.first:
                continue
            if at + life.room <= start:
                break
            at = max(at, end)
        offsets[index] = at
        placed.append((at, at + life.room, life))
    arena = max((end for _, end, _ in placed), default=0)
    steps = range(max((life.last for life in lives), default=-1) + 1)
    bound = max((sum(v.room for v in lives if v.first <= s <= v.last) for s in steps), default=0)
    return Plan(tuple(offsets), arena + SLACK, bound)
