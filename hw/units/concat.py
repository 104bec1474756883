"""gw_concat: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6
from .ram import clog2

MOST_INPUTS = 8


def _beats(p: SimpleNamespace) -> list[int]:
    return [vars(p)[f"B{i}"] for i in range(p.N)]


def _interval(p: SimpleNamespace) -> int:
    return sum(_beats(p))


def _latency(p: SimpleNamespace) -> int:
    return 1


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    count = max(1, clog2(max(_beats(p))))
    choose = p.BITS * (-(-(p.N - 1) // 3) if family in LUT6 else p.N - 1)
    return {
        "choose": Resources(lut=choose, ff=p.BITS),
        "count": Resources(lut=3 * count, ff=count),
        "ports": Resources(lut=2 * p.N, ff=p.N + clog2(p.N)),
        "control": Resources(lut=4, ff=1),
    }


CONCAT = Unit(
    module="gw_concat",
    params=("BITS", "N", *(f"B{i}" for i in range(MOST_INPUTS))),
    files=("gw_concat.v", "gw_counter.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
    in_turn=True,
)
