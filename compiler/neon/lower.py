"""The integer graph as kernels and calls for one core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import LoweringError
from ..ir.graph import Graph, Value
from ..ir.ops import Reshape
from ..target import Target
from .context import Border, Context
from .groups import Group, group
from .isa import Core
from .plan import Life, Plan, plan
from .program import Call, Place, Program, Region
from .rules import RULES
from .rules.rule import Rule
from .ways import Way
from .writer import kind_of

NEON = Target("neon", RULES)


def lower(graph: Graph, core: Core, ways: Mapping[int, Way] | None = None) -> Program:
    """Kernels, calls, constants and a memory plan for ``graph``.

    Args:
        ways: by the id of a group's output: how to lower it, instead of what its rules estimate to be best.

    Raises:
        LoweringError: an op has no rule.
    """
    context = Context(graph, core, ways=ways or {})
    lower_into(context)
    return program(context)


def lower_into(context: Context, record: Callable[[Group, list[Call]], None] | None = None) -> None:
    """The whole graph's calls.

    Args:
        record: called with each group and its calls.

    Raises:
        LoweringError: an op has no rule.
    """
    groups = parts(context)
    for each in groups:
        for value, border in wishes(context, each):
            context.wish(value, border)
    for each in groups:
        before = len(context.calls)
        emit(context, each)
        if record is not None:
            record(each, context.calls[before:])
    context.finish_outputs()


def kernels_of(graph: Graph, core: Core) -> dict[int, tuple[str, ...]]:
    """Which kernels compute each node, by its id: their kinds in order of their calls; none for a reshape
    that is the same memory.

    Raises:
        LoweringError: an op has no rule.
    """
    context = Context(graph, core)
    found: dict[int, tuple[str, ...]] = {}

    def record(each: Group, calls: list[Call]) -> None:
        kinds = tuple(dict.fromkeys(kind_of(call.kernel) for call in calls))
        nodes = each.nodes + ([each.anchor] if each.anchor is not None else [])
        found.update({id(node): kinds for node in nodes})

    lower_into(context, record)
    return found


def parts(context: Context) -> list[Group]:
    """The graph's groups as they are lowered, in an order of execution.

    Raises:
        LoweringError: an op has no rule.
    """
    for node in context.graph.nodes():
        NEON.rule(node)
    return [part for whole in group(context.graph) for part in _fused(context, whole)]


def _fused(context: Context, whole: Group) -> list[Group]:
    """The group, or product and elementwise part apart where the product's rule gives sums only."""
    if whole.anchor is None or whole.anchor is whole.output:
        return [whole]
    if _rule(context, whole).fuses:
        return [whole]
    inside = frozenset(i for i in whole.inside if i != id(whole.anchor))
    return [Group(whole.anchor, whole.anchor, frozenset()), Group(None, whole.output, inside)]


def _rules(each: Group) -> tuple[Rule, ...]:
    return RULES[type((each.anchor or each.output).op)]


def _rule(context: Context, each: Group) -> Rule:
    """The rule of the way chosen for the group, else the first that takes it; the last one takes all."""
    way = context.ways.get(id(each.output))
    for rule in _rules(each):
        if rule.name == way.rule if way else rule.takes(context, each):
            return rule
    raise LoweringError(f"neon: no rule takes {each.output.op.name!r} (node {each.output.name!r})")


def ways_of(context: Context, each: Group) -> list[Way]:
    """All that tuning may try for a group instead of its rules' own choice."""
    return [way for rule in _rules(each) for way in rule.ways(context, each)]


def wishes(context: Context, each: Group) -> list[tuple[Value, Border]]:
    """Borders that a group would like its operands to have."""
    return list(_rule(context, each).wishes(context, each))


def emit(context: Context, each: Group) -> None:
    """A group's calls."""
    anchor = each.anchor
    if anchor is not None and isinstance(anchor.op, Reshape):
        context.alias(anchor)
        return
    context.layer = layer_of(each)
    _rule(context, each).emit(context, each)


def layer_of(each: Group) -> str:
    """What reports call a group."""
    node = each.anchor or each.output
    return node.name or node.op.name


def program(context: Context) -> Program:
    """What was lowered; tensors get their offsets, and calls point to them."""
    made, offsets = planned(context)
    calls = tuple(_placed(call, context, offsets) for call in context.calls)
    return Program(
        context.core, dict(context.library.functions), calls, context.constants.blob(),
        tuple(t.storage for t in context.inputs), tuple(t.storage for t in context.outputs),
        made.arena, made.bound,
    )  # fmt: skip


def planned(context: Context) -> tuple[Plan, dict[int, int]]:
    """The arena's plan, and each tensor's offset in it by the tensor's id."""
    tensors = [t for t in context.tensors if t.region is Region.ARENA]
    made = plan([Life(t.storage.bytes, t.first, t.last) for t in tensors])
    return made, {id(t): o for t, o in zip(tensors, made.offsets, strict=True)}


def _placed(call: Call, context: Context, offsets: dict[int, int]) -> Call:
    def final(place: Place) -> Place:
        if place.region is not Region.ARENA:
            return place
        return replace(place, offset=offsets[id(context.tensors[place.index])] + place.offset, index=0)

    return replace(call, pointers=tuple(final(p) for p in call.pointers))
