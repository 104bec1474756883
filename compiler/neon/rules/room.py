"""Memory that a layer may use beside its tensors."""

from __future__ import annotations

from ...ir.graph import Const, Input
from ..context import Context
from ..groups import Group, group


def room_beside(context: Context, layer: Group) -> int:
    """Bytes with which the arena stays below twice what the network's tensors need at some step.

    Some are left for what the plan of the arena wastes.
    """
    groups = group(context.graph)
    last: dict[int, int] = {}
    for i, each in enumerate(groups):
        read = each.leaves + list(each.anchor.inputs if each.anchor is not None else ())
        last |= {id(v): i for v in read if not isinstance(v, (Const, Input))}
    sums = [0] * len(groups)
    for i, each in enumerate(groups):
        bytes_ = context.wished(each.output).bytes
        for step in range(i, last.get(id(each.output), i) + 1):
            sums[step] += bytes_
    # A group may have been taken apart: product and elementwise part are computed at the same step.
    at = next(i for i, g in enumerate(groups) if layer.output in (g.output, g.anchor))
    return max(sums) * 7 // 4 - sums[at]
