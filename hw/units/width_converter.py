"""gw_width_converter: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .ram import clog2


def _ratio(p: SimpleNamespace) -> int:
    return max(p.IN, p.OUT) // min(p.IN, p.OUT)


def _latency(p: SimpleNamespace) -> int:
    return _ratio(p) if p.OUT > p.IN else 1


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    if p.IN == p.OUT:
        return {"same": Resources(lut=1, ff=p.IN * p.BITS + 1)}
    count = clog2(_ratio(p))
    if p.IN > p.OUT:
        return {
            "shift": Resources(lut=(p.IN - p.OUT) * p.BITS, ff=(p.IN - p.OUT) * p.BITS),
            "top": Resources(ff=p.OUT * p.BITS),
            "down_count": Resources(lut=2 * count, ff=count),
            "down_control": Resources(lut=3, ff=1),
        }
    return {
        "collected": Resources(ff=p.OUT * p.BITS),
        "up_count": Resources(lut=count, ff=count),
        "up_control": Resources(lut=3, ff=1),
    }


WIDTH_CONVERTER = Unit(
    module="gw_width_converter",
    params=("BITS", "IN", "OUT"),
    files=("gw_width_converter.v",),
    interval=_ratio,
    latency=_latency,
    parts=_parts,
)
