"""gw_arg_max: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6
from .ram import clog2


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _latency(p: SimpleNamespace) -> int:
    return p.C // p.PE + clog2(p.PE)


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    """Xilinx may turn the lone nodes of an uneven tree into shift registers, 190 of 10 lanes into 136."""
    fold, index = p.C // p.PE, max(1, clog2(p.C))
    six = family in LUT6
    nodes, ff = p.PE, 0
    for level in range(1, clog2(p.PE) + 1):
        nodes = -(-nodes // 2)
        ff += nodes * (p.BITS + level) + 1
    if fold == 1 and p.PE > 1:
        ff -= p.BITS  # nobody asks for the winner's code
    pairs = p.PE - 1
    parts = {
        "tree": Resources(lut=pairs * (1.5 if six else 2.5) * p.BITS, ff=ff),
        "tree_index": Resources(lut=pairs * (4 if six else 5)),
        "control": Resources(lut=3, ff=index + 1),
    }
    if fold > 1:
        parts["best"] = Resources(lut=(0.5 if six else 1.5) * p.BITS, ff=p.BITS)
        parts["best_index"] = Resources(
            lut=(1 if six else 2) * (clog2(fold) + index) + 3, ff=clog2(fold) + index
        )
    return parts


ARG_MAX = Unit(
    module="gw_arg_max",
    params=("C", "PE", "BITS", "SIGNED", "OUT_BITS"),
    files=("gw_arg_max.v",),
    interval=_interval,
    latency=_latency,
    parts=_parts,
)
