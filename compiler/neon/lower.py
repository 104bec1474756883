"""The integer graph as kernels and calls for one core."""

from __future__ import annotations

from dataclasses import replace

from ...errors import LoweringError
from ..ir.graph import Graph
from ..ir.ops import Reshape
from ..target import Target
from .context import Context
from .groups import Group, group
from .isa import Core
from .plan import Life, plan
from .program import Call, Place, Program, Region
from .rules import RULES

NEON = Target("neon", RULES)


def lower(graph: Graph, core: Core) -> Program:
    """Kernels, calls, constants and a memory plan for ``graph``.

    Raises:
        LoweringError: an op has no rule.
    """
    for node in graph.nodes():
        NEON.rule(node)
    context = Context(graph, core)
    groups = [part for whole in group(graph) for part in _fused(context, whole)]
    for each in groups:
        for value, border in _wishes(context, each):
            context.wish(value, border)
    for each in groups:
        _emit(context, each)
    context.finish_outputs()
    return _program(context)


def _fused(context: Context, whole: Group) -> list[Group]:
    """The group, or product and elementwise part apart where the product's rule gives sums only."""
    if whole.anchor is None or whole.anchor is whole.output:
        return [whole]
    if _rule(context, whole).fuses:
        return [whole]
    inside = frozenset(i for i in whole.inside if i != id(whole.anchor))
    return [Group(whole.anchor, whole.anchor, frozenset()), Group(None, whole.output, inside)]


def _rule(context: Context, each: Group):
    """The rule of the way chosen for the group, else the first that takes it; the last one takes all."""
    op = type(each.anchor.op) if each.anchor is not None else type(each.output.op)
    way = context.ways.get(id(each.output))
    for rule in RULES[op]:
        if rule.name == way.rule if way else rule.takes(context, each):
            return rule
    raise LoweringError(f"neon: no rule takes {each.output.op.name!r} (node {each.output.name!r})")


def _wishes(context: Context, each: Group):
    return _rule(context, each).wishes(context, each)


def _emit(context: Context, each: Group) -> None:
    anchor = each.anchor
    if anchor is not None and isinstance(anchor.op, Reshape):
        context.alias(anchor)
        return
    context.layer = (anchor or each.output).name or (anchor or each.output).op.name
    _rule(context, each).emit(context, each)


def _program(context: Context) -> Program:
    """Tensors get their offsets; calls point to them."""
    tensors = [t for t in context.tensors if t.region is Region.ARENA]
    lives = [Life(t.storage.bytes, t.first, t.last) for t in tensors]
    made = plan(lives)
    offsets = {id(t): o for t, o in zip(tensors, made.offsets, strict=True)}
    calls = tuple(_placed(call, context, offsets) for call in context.calls)
    return Program(
        context.core, dict(context.library.functions), calls, context.constants.blob(),
        tuple(t.storage for t in context.inputs), tuple(t.storage for t in context.outputs),
        made.arena, made.bound,
    )  # fmt: skip


def _placed(call: Call, context: Context, offsets: dict[int, int]) -> Call:
    def final(place: Place) -> Place:
        if place.region is not Region.ARENA:
            return place
        return replace(place, offset=offsets[id(context.tensors[place.index])] + place.offset, index=0)

    return replace(call, pointers=tuple(final(p) for p in call.pointers))
