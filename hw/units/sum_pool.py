"""gw_sum_pool: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6, adder
from .ram import clog2
from .turn import turn_resources


def _interval(p: SimpleNamespace) -> int:
    return p.TAPS * (p.C // p.PE)


def _latency(p: SimpleNamespace) -> int:
    return (p.TAPS - 1) * (p.C // p.PE) + 2


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    fold = p.C // p.PE
    counters = clog2(fold) + clog2(p.TAPS)
    # An adder, and the partial sum or zero, for which a LUT6 has room beside it.
    lane = adder(p.ACC_BITS, family) + (0 if family in LUT6 else p.ACC_BITS)
    return {
        "sums": Resources(lut=p.PE * lane * (p.TAPS > 1), ff=p.PE * (p.X_BITS + p.ACC_BITS)),
        "counters": Resources(lut=2 * counters, ff=counters),
        "control": Resources(lut=3, ff=2),
        "store": turn_resources(fold, p.PE * p.ACC_BITS, family) if p.TAPS > 1 else Resources(),
    }


SUM_POOL = Unit(
    module="gw_sum_pool",
    params=("TAPS", "C", "PE", "X_BITS", "X_SIGNED", "ACC_BITS"),
    files=("gw_sum_pool.v", "gw_counter.v", "gw_extend.v", "gw_ram.v", "gw_turn.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)
