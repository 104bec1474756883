"""gw_gather: cycles, resources, and the loops of an order."""

from math import gcd, prod
from types import SimpleNamespace

import numpy as np

from ...errors import LoweringError
from ..design import Contents, Parts, Resources, Unit
from .ram import clog2, ram_resources

LOOPS = 5


def _out(p: SimpleNamespace) -> int:
    return p.N0 * p.N1 * p.N2 * p.N3 * p.N4


def _interval(p: SimpleNamespace) -> int:
    return max(p.IN, _out(p))


def _latency(p: SimpleNamespace) -> int:
    return p.IN + 2


def _needs(p: SimpleNamespace) -> np.ndarray:
    return np.full(_out(p), p.IN - 1)


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    address = clog2(2 * p.IN)
    counters = clog2(p.IN) + sum(clog2(n) for n in (p.N0, p.N1, p.N2, p.N3, p.N4))
    return {
        "out": Resources(ff=p.BITS),
        "counters": Resources(lut=2 * counters, ff=counters),
        "addresses": Resources(lut=5 * address, ff=3 * address),
        "control": Resources(lut=12, ff=8),
        "ram": ram_resources(2 * p.IN, p.BITS, p.RAM_STYLE, family),
    }


def gather_parameters(bits: int, block: int, order: np.ndarray, ram_style: int = 0) -> dict[str, int]:
    """Parameters that give beats ``order`` (which beat of the block comes at each place) of ``bits`` bits.

    Raises:
        LoweringError: an order that five nested loops do not give.
    """
    counts, jumps = _loops(np.asarray(order, dtype=np.int64))
    if len(counts) > LOOPS:
        raise LoweringError(
            f"gather: an order must be at most {LOOPS} nested loops, not {len(counts)}. "
            "Move fewer axes at once."
        )
    counts += [1] * (LOOPS - len(counts))
    jumps += [0] * (LOOPS - len(jumps))
    return {
        "BITS": bits, "IN": block, "START": int(order[0]),
        **{f"N{k}": n for k, n in enumerate(counts)}, **{f"J{k}": j for k, j in enumerate(jumps)},
        "RAM_STYLE": ram_style,
    }  # fmt: skip


def _loops(order: np.ndarray) -> tuple[list[int], list[int]]:
    """Counts of the fewest nested loops that give an order, the innermost first, and the jumps between
    neighbours where each counts on.

    A loop is the longest run of equal differences, so long as runs tile the order; what is left is the order
    of the runs' starts.
    """
    counts, jumps = [], []
    while len(order) > 1:
        steps = np.diff(order)
        breaks = np.flatnonzero(steps != steps[0])
        run = int(breaks[0]) + 1 if len(breaks) else len(order)
        while run > 1 and not _tiles(order, run):
            run -= 1
        if run == 1:
            return [len(order)] * (LOOPS + 1), []  # no loops at all
        counts.append(run)
        jumps.append(steps[0])
        order = order[::run]
    # From strides to jumps: what the loops below have moved is taken back.
    moved = 0
    for k, (count, stride) in enumerate(zip(counts, jumps, strict=True)):
        jumps[k] = int(stride - moved)
        moved += int(stride) * (count - 1)
    return counts, jumps


def _tiles(order: np.ndarray, run: int) -> bool:
    """Whether the order is made of runs like its first ``run`` elements, shifted."""
    if len(order) % run:
        return False
    tiles = order.reshape(-1, run)
    return bool((tiles - tiles[:, :1] == tiles[0] - tiles[0, 0]).all())


def blocks_of(order: np.ndarray, beats: int) -> int:
    """How many equal blocks, one behind the other, an order of ``beats`` beats falls into; at least 1."""
    order = np.asarray(order, dtype=np.int64)
    common = gcd(beats, len(order))
    for n in (n for n in range(common, 1, -1) if common % n == 0):
        parts = order.reshape(n, -1) - np.arange(n)[:, None] * (beats // n)
        if (parts == parts[0]).all() and parts[0].min() >= 0 and parts[0].max() < beats // n:
            return n
    return 1


def order_of(shape: tuple[int, ...], moved: np.ndarray, lanes: int) -> np.ndarray | None:
    """Places of whole beats for places of elements.

    Args:
        shape: of the tensor, whose elements stream last axis fastest.
        moved: for each element of the result, in stream order, the number of the element it is.
        lanes: elements a beat; None is returned where a beat of the result is no beat of the tensor.
    """
    if prod(shape) % lanes or moved.size % lanes:
        return None
    beats = moved.reshape(-1, lanes)
    whole = (beats == beats[:, :1] + np.arange(lanes)).all() and not (beats[:, 0] % lanes).any()
    return beats[:, 0] // lanes if whole else None


GATHER = Unit(
    module="gw_gather",
    params=(
        "BITS", "IN", "START", "N0", "N1", "N2", "N3", "N4", "J0", "J1", "J2", "J3", "J4", "RAM_STYLE",
    ),
    files=("gw_gather.v", "gw_counter.v", "gw_ram.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    needs=_needs,
)  # fmt: skip
