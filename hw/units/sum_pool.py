"""gw_sum_pool: cycles and resources."""

from types import SimpleNamespace

from ..design import Resources, Unit
from .fabric import LUT6, adder
from .ram import clog2
from .turn import turn_resources


def _interval(p: SimpleNamespace) -> int:
    return p.TAPS * (p.C // p.PE)


def _latency(p: SimpleNamespace) -> int:
    return (p.TAPS - 1) * (p.C // p.PE) + 2


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """Registers and block RAM exact, LUTs within 12 % of 5 Yosys 0.70 runs."""
    fold = p.C // p.PE
    counters = clog2(fold) + clog2(p.TAPS)
    # An adder, and the partial sum or zero, for which a LUT6 has room beside it.
    lane = adder(p.ACC_BITS, family) + (0 if family in LUT6 else p.ACC_BITS)
    own = Resources(
        lut=p.PE * lane * (p.TAPS > 1) + 2 * counters + 3,
        ff=p.PE * (p.X_BITS + p.ACC_BITS) + counters + 2,
    )
    return own + (turn_resources(fold, p.PE * p.ACC_BITS, family) if p.TAPS > 1 else Resources())


SUM_POOL = Unit(
    module="gw_sum_pool",
    params=("TAPS", "C", "PE", "X_BITS", "X_SIGNED", "ACC_BITS"),
    files=("gw_sum_pool.v", "gw_counter.v", "gw_extend.v", "gw_ram.v", "gw_turn.v"),
    interval=_interval,
    latency=_latency,
    resources=_resources,
)
