"""Memory that a layer may use beside its tensors."""

from __future__ import annotations

from ...ir.graph import Const, Input
from ..context import Context
from ..groups import ANCHORS, Group, group


def room_beside(context: Context, layer: Group) -> int:
    """Bytes with which the arena stays below twice what the network's tensors need at some step.

    Some are left for what the plan of the arena wastes. Where weights are much larger than all tensors, an
    eighth of them counts instead of the second half.
    """
    groups = group(context.graph)
    sums = _tensors(context, groups)
    # A group may have been taken apart: product and elementwise part are computed at the same step.
    at = next(i for i, g in enumerate(groups) if layer.output in (g.output, g.anchor))
    weights = sum(g.anchor.inputs[1].type.size for g in groups if _has_weights(g))
    return max(sums) + max(max(sums) * 3 // 4, weights // 8) - sums[at]


def _has_weights(each: Group) -> bool:
    anchor = each.anchor
    return anchor is not None and isinstance(anchor.op, ANCHORS) and isinstance(anchor.inputs[1], Const)


def _tensors(context: Context, groups: list[Group]) -> list[int]:
    """Bytes of the tensors in memory while each group is computed."""
    last: dict[int, int] = {}
    for i, each in enumerate(groups):
        read = each.leaves + list(each.anchor.inputs if each.anchor is not None else ())
        last |= {id(v): i for v in read if not isinstance(v, (Const, Input))}
    sums = [0] * len(groups)
    for i, each in enumerate(groups):
        bytes_ = context.wished(each.output).bytes
        for step in range(i, last.get(id(each.output), i) + 1):
            sums[step] += bytes_
    return sums
