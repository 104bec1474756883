"""gw_fifo: cycles and resources."""

from types import SimpleNamespace

from ..design import Resources, Unit
from .ram import clog2, ram_resources


def _interval(p: SimpleNamespace) -> int:
    return 1


def _latency(p: SimpleNamespace) -> int:
    return 1 if p.DEPTH < 4 else 3


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """Flip-flops and block RAM equal, LUTs within 10 of 7 Yosys runs a family."""
    if p.DEPTH < 4:
        return Resources(lut=(p.DEPTH - 1) * p.BITS + 2 * p.DEPTH, ff=p.DEPTH * (p.BITS + 1))
    words = p.DEPTH - 2
    address, count = clog2(words), clog2(p.DEPTH - 1)
    control = 2 * address + count + 6 if family in ("xc7", "xcup") else 4 * address + 3 * count + 3
    own = Resources(lut=control, ff=p.BITS + 2 * address + count + 3)
    return own + ram_resources(words, p.BITS, p.RAM_STYLE, family)


FIFO = Unit(
    module="gw_fifo",
    params=("BITS", "DEPTH", "RAM_STYLE"),
    files=("gw_fifo.v", "gw_ram.v"),
    interval=_interval,
    latency=_latency,
    resources=_resources,
)
