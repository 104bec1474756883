"""gw_width_converter: cycles and resources."""

from types import SimpleNamespace

from ..design import Resources, Unit
from .ram import clog2


def _ratio(p: SimpleNamespace) -> int:
    return max(p.IN, p.OUT) // min(p.IN, p.OUT)


def _latency(p: SimpleNamespace) -> int:
    return _ratio(p) if p.OUT > p.IN else 1


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """Flip-flops are exact; LUTs within 4 of 4 Yosys runs a family."""
    if p.IN == p.OUT:
        return Resources(lut=1, ff=p.IN * p.BITS + 1)
    count = clog2(_ratio(p))
    ff = max(p.IN, p.OUT) * p.BITS + count + 1
    if p.IN > p.OUT:
        return Resources(lut=(p.IN - p.OUT) * p.BITS + 2 * count + 3, ff=ff)
    return Resources(lut=count + 3, ff=ff)


WIDTH_CONVERTER = Unit(
    module="gw_width_converter",
    params=("BITS", "IN", "OUT"),
    files=("gw_width_converter.v",),
    interval=_ratio,
    latency=_latency,
    resources=_resources,
)
