"""gw_arg_max: cycles and resources."""

from types import SimpleNamespace

from ..design import Resources, Unit
from .ram import clog2


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _latency(p: SimpleNamespace) -> int:
    return p.C // p.PE + clog2(p.PE)


def _resources(p: SimpleNamespace, family: str) -> Resources:
    """LUTs within 15 % of 4 Yosys runs a family; flip-flops within 2 %, except that Xilinx may turn the
    lone nodes of an uneven tree into shift registers (10 lanes: 136 instead of 190)."""
    fold, index = p.C // p.PE, max(1, clog2(p.C))
    xilinx = family in ("xc7", "xcup")
    pair = 1.5 * p.BITS + 4 if xilinx else 2.5 * p.BITS + 5
    lut, ff = (p.PE - 1) * pair + 3, index + 1.0
    nodes = p.PE
    for level in range(1, clog2(p.PE) + 1):
        nodes = -(-nodes // 2)
        ff += nodes * (p.BITS + level) + 1
    if fold == 1:
        ff -= p.BITS if p.PE > 1 else 0  # nobody asks for the winner's code
    else:
        lut += (0.5 if xilinx else 1.5) * p.BITS + (1 if xilinx else 2) * (clog2(fold) + index) + 3
        ff += p.BITS + clog2(fold) + index
    return Resources(lut=lut, ff=ff)


ARG_MAX = Unit(
    module="gw_arg_max",
    params=("C", "PE", "BITS", "SIGNED", "OUT_BITS"),
    files=("gw_arg_max.v",),
    interval=_interval,
    latency=_latency,
    resources=_resources,
)
