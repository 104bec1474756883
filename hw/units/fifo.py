"""gw_fifo: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6
from .ram import clog2, ram_resources


def _interval(p: SimpleNamespace) -> int:
    return 1


def _latency(p: SimpleNamespace) -> int:
    return 1 if p.DEPTH < 4 else 3


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    if p.DEPTH < 4:
        return {
            "entries": Resources(lut=(p.DEPTH - 1) * p.BITS, ff=p.DEPTH * p.BITS),
            "entry_flags": Resources(lut=2 * p.DEPTH, ff=p.DEPTH),
        }
    words = p.DEPTH - 2
    address, count = clog2(words), clog2(p.DEPTH - 1)
    six = family in LUT6
    return {
        "out": Resources(ff=p.BITS),
        "addresses": Resources(lut=address * (2 if six else 4), ff=2 * address),
        "wrap": Resources(lut=float(words & (words - 1) > 0)),
        "count": Resources(lut=count * (1 if six else 3), ff=count),
        "control": Resources(lut=6 if six else 3, ff=3),
        "ram": ram_resources(words, p.BITS, p.RAM_STYLE, family),
    }


FIFO = Unit(
    module="gw_fifo",
    params=("BITS", "DEPTH", "RAM_STYLE"),
    files=("gw_fifo.v", "gw_ram.v"),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)
