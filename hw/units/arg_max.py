"""gw_arg_max: cycles and resources."""

from types import SimpleNamespace

from ..design import Contents, Parts, Resources, Unit
from .fabric import LUT6
from .ram import clog2


def _interval(p: SimpleNamespace) -> int:
    return p.C // p.PE


def _latency(p: SimpleNamespace) -> int:
    return p.C // p.PE + clog2(p.PE)


def _compare(bits: int, family: str) -> float:
    """LUTs of a comparison: a carry chain of which Xilinx compares two bits in a LUT; few bits need none."""
    six = family in LUT6
    if bits <= (3 if six else 2):
        return 1
    if family == "ecp5" and bits <= 4:
        return 1.2 * bits
    return 0.9 * bits if six else 2 * bits


def _choices(lanes: int) -> int:
    """LUTs that choose between lanes' numbers: of a level as many bits as there are levels below, the lowest
    of which is the comparison itself."""
    level = found = 0
    while lanes > 1:
        found += lanes // 2 * level
        lanes, level = (lanes + 1) // 2, level + 1
    return found


def _nodes(p: SimpleNamespace, six: bool) -> tuple[int, int]:
    """Registers of the tree's nodes, and LUTs of shift registers, which Xilinx makes of three registers in a
    row: where the last node of an uneven level waits. Its number's higher bits are constant then."""
    nodes, ff, shifts, varying, waited = p.PE, 0, 0, 0, 0
    for level in range(1, clog2(p.PE) + 1):
        even = nodes % 2 == 0
        if even and waited >= 3 and six:
            ff, shifts = ff - waited * (p.BITS + varying), shifts + p.BITS + varying
        varying, waited = (level, 1) if even else (varying, waited + 1)
        nodes = -(-nodes // 2)
        ff += nodes * (p.BITS + level) + 1 - (level - varying)
    return ff, shifts


def _parts(p: SimpleNamespace, family: str, contents: Contents) -> Parts:
    fold, index = p.C // p.PE, max(1, clog2(p.C))
    six = family in LUT6
    ff, shifts = _nodes(p, six)
    if fold == 1 and p.PE > 1:
        ff -= p.BITS  # nobody asks for the winner's code
    last = int(fold == 1)
    chosen = max(p.PE - 1 - last, 0) * p.BITS
    parts = {
        "tree": Resources(lut=(p.PE - 1) * _compare(p.BITS, family) + chosen + shifts, ff=ff),
        "tree_index": Resources(lut=_choices(p.PE)),
        "control": Resources(lut=2 if last else 3, ff=index + 1),
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
