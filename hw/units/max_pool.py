"""gw_max_pool: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6
from .ram import clog2, ram_resources

_FOLD_RAM = 5  # from this many folds on the partial maxima live in a RAM


def _interval(p: SimpleNamespace) -> int:
    return p.TAPS * (p.C // p.PE)


def _latency(p: SimpleNamespace) -> int:
    return (p.TAPS - 1) * (p.C // p.PE) + 2


def _store(p: SimpleNamespace, family: str) -> Resources:
    fold, bits = p.C // p.PE, p.PE * p.BITS
    if p.TAPS == 1:
        return Resources()
    if fold >= _FOLD_RAM:
        address = Resources(lut=2 * clog2(fold), ff=clog2(fold))
        return address + ram_resources(fold, bits, 0, family)
    if fold > 2 and family in LUT6:  # shift registers in LUTs
        return Resources(lut=bits)
    return Resources(ff=fold * bits)


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    counters = clog2(p.C // p.PE) + clog2(p.TAPS)
    lane = 1 if p.BITS == 1 else p.BITS + 4 if family in LUT6 else 2 * p.BITS
    return {
        "compare": Resources(lut=0 if p.TAPS == 1 else p.PE * lane),
        "registers": Resources(ff=2 * p.PE * p.BITS),
        "counters": Resources(lut=2 * counters, ff=counters),
        "control": Resources(lut=3, ff=2),
        "store": _store(p, family),
    }


MAX_POOL = Unit(
    module="gw_max_pool",
    params=("TAPS", "C", "PE", "BITS", "SIGNED"),
    files=("gw_max_pool.v", "gw_ram.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)
