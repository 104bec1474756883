"""Units whose ROMs fill block RAM badly share some of it: two ROMs, each through a port of its own.

A ROM of few words is as wide as a block allows, and its last block holds what is left of the width; a deep
one leaves the last row of its blocks half empty. Of two such ROMs, the low columns go into blocks that both
read, and the others stay as they were. Block RAM with two ports gives each half of its width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from .design import Design
from .rules.rule import BLOCK
from .store import Columns, Store
from .units.fed import FED
from .units.ram import clog2, rom_blocks

# Families whose block RAM has two read ports; that of iCE40 has one.
TWO_PORTS = ("ecp5", "gowin", "xc7", "xcup")


@dataclass(frozen=True)
class _Table:
    """A ROM in block RAM: where it is, and its shape."""

    place: int
    param: str
    words: int
    bits: int


@dataclass(frozen=True)
class _Plan:
    """``bits`` columns of two tables in common save ``saved`` blocks."""

    saved: float
    bits: int


def share_roms(design: Design, family: str) -> Design:
    """``design`` with pairs of ROMs in common block RAM where that takes fewer blocks of ``family``.

    Pairs are chosen greedily, those that save most first, then in the order of the design. Columns that hold
    the same in every word cost nothing in a ROM of its own; where that is more than sharing saves, the design
    stays as it is.
    """
    if family not in TWO_PORTS:
        return design
    tables = list(_tables(design))
    pairs = _pairs(tables, family)
    if not pairs:
        return design
    taken = {(t.place, t.param) for a, b, _ in pairs for t in (a, b)}
    fed = {place for place, _ in taken}
    stores = [store for n, pair in enumerate(pairs) for store in _stores(design, n, *pair, family)]
    # A unit is fed all of its tables, or none.
    stores += [_alone(design, t, 0) for t in tables if t.place in fed and (t.place, t.param) not in taken]
    instances = tuple(
        replace(i, unit=FED[i.unit.module].unit) if n in fed else i for n, i in enumerate(design.instances)
    )
    shared = replace(design, instances=instances, stores=tuple(stores))
    return shared if shared.resources(family).bram < design.resources(family).bram else design


def _tables(design: Design) -> Iterator[_Table]:
    for place, instance in enumerate(design.instances):
        if instance.unit.module not in FED or instance.p.ROM_STYLE != BLOCK:
            continue
        for param, (words, bits) in FED[instance.unit.module].tables(instance.p).items():
            if words > 1:  # one word is a constant
                yield _Table(place, param, words, bits)


def _pairs(tables: Sequence[_Table], family: str) -> list[tuple[_Table, _Table, _Plan]]:
    """Pairs that save blocks, no table in two of them, in the order of the design."""
    found = []
    for a, b in combinations(tables, 2):
        first, second = sorted((a, b), key=lambda t: -t.words)  # the deeper one lies first
        plan = _plan(first.words, first.bits, second.words, second.bits, family)
        if plan.saved > 0:
            found.append((first, second, plan))
    used: set[_Table] = set()
    chosen = []
    for pair in sorted(found, key=lambda pair: -pair[2].saved):  # stable, so equals keep their order
        if used.isdisjoint(pair[:2]):
            used.update(pair[:2])
            chosen.append(pair)
    return sorted(chosen, key=lambda pair: min(t.place for t in pair[:2]))


@lru_cache(maxsize=1 << 16)
def _plan(a_words: int, a_bits: int, b_words: int, b_bits: int, family: str) -> _Plan:
    """How many columns to share so that blocks are saved, as few as save most."""

    def alone(words: int, bits: int) -> float:
        return rom_blocks(words, bits, family) if bits > 0 else 0

    before, best = alone(a_words, a_bits) + alone(b_words, b_bits), _Plan(0, 0)
    for bits in sorted({*_steps(a_words, a_bits, family), *_steps(b_words, b_bits, family)}):
        after = rom_blocks(a_words + b_words, bits, family, ports=2)
        after += alone(a_words, a_bits - bits) + alone(b_words, b_bits - bits)
        if before - after > best.saved:
            best = _Plan(before - after, bits)
    return best


@lru_cache(maxsize=1 << 12)
def _steps(words: int, bits: int, family: str) -> tuple[int, ...]:
    """The numbers of columns without which a table takes fewer blocks than with one more of them."""
    blocks = [rom_blocks(words, left, family) if left else 0 for left in range(bits + 1)]
    return tuple(away for away in range(1, bits + 1) if blocks[bits - away] < blocks[bits - away + 1])


def _stores(design: Design, number: int, a: _Table, b: _Table, plan: _Plan, family: str) -> Iterator[Store]:
    """The memory that two tables share, and those of what is left of either."""
    parts = tuple(Columns(t.place, t.param, t.words, t.bits, 0, min(plan.bits, t.bits)) for t in (a, b))
    layer = " + ".join(dict.fromkeys(design.instances[t.place].layer for t in (a, b)))
    yield Store(f"shared_{number:02d}", parts, _base(a.words, b.words, plan.bits, family), layer)
    for table in (a, b):
        if table.bits > plan.bits:
            yield _alone(design, table, plan.bits)


def _base(a_words: int, b_words: int, bits: int, family: str) -> int:
    """Where the second table starts: at a multiple of the highest power of two that takes no more blocks,
    so that its address needs little of an adder, or none."""
    least = rom_blocks(a_words + b_words, bits, family, ports=2)
    for power in range(clog2(b_words), 0, -1):
        base = -(-a_words >> power) << power
        if rom_blocks(base + b_words, bits, family, ports=2) <= least:
            return base
    return a_words


def _alone(design: Design, table: _Table, low: int) -> Store:
    """The columns of a table from ``low`` on, in a memory of their own."""
    instance = design.instances[table.place]
    columns = Columns(table.place, table.param, table.words, table.bits, low, table.bits - low)
    return Store(f"{instance.name}_{table.param.lower()}_rom", (columns,), 0, instance.layer)
