"""Sums and products of two few-valued tensors in few bits."""

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Const, Graph, Node, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from ..ir.types import Int
from .elementwise import FEW_LEVELS, apply, levels, operand_of, tabulated
from .lines import on_lines
from .pair_forms import PairFunction, cheapest_form
from .rewrite import Users, rewrite

# Pairs of one channel, and of all channels together, that are enumerated.
_MAX_PAIRS = 2**16
_MAX_WORK = 2**22


def narrow_pairs(graph: Graph) -> Graph:
    """threshold(add(f(a), g(b)))    ->  threshold(add(m * a, n * b)), small factors m and n
    threshold(add(f(a), g(b)))         ->  threshold(add(f'(a), g'(b))), tables of fewer bits
    lookup(add(mul(a, levels), b))     ->  threshold(add(m * a, n * b)) or threshold(mul(a - z, b - y))

    For a and b of at most 65,536 pairs of values; f and g are tables, factors and constant summands, and
    what follows the sum (or product) may be several constant functions, ending in a threshold or lookup.
    Exact: the result is compared for all pairs of values. Only where it costs less than before.
    """
    # Nodes are kept with what is known of them, so that ids stay their own.
    settled: dict[int, tuple[Node, list[int]]] = {}

    def rule(node: Node, users: Users):
        if not isinstance(node.op, Threshold | Lookup):
            return None
        sharing = _sharing(node, users)
        if id(node) in settled and settled[id(node)][1] == sharing:
            return None
        found = _narrowed(node, users)
        if found is None:
            settled[id(node)] = node, sharing
        return found

    return rewrite(graph, rule)


@dataclass(frozen=True)
class _Side:
    """An operand as a function of a tensor of few values: constant functions in order of evaluation."""

    base: Value
    steps: tuple[Node, ...]

    def table(self) -> np.ndarray:
        """The operand for each value of the base, int64 (L, R)."""
        x = levels(self.base.type.dtype)
        for node in self.steps:
            x = apply(node, x)
        return x


def _sharing(root: Node, users: Users) -> list[int]:
    """Users of each elementwise node that ``root`` follows from: these alone may change between rounds."""
    found: list[int] = []
    seen: set[int] = set()
    stack: list[Value] = [root]
    while stack:
        value = stack.pop()
        if id(value) in seen or not isinstance(value, Node):
            continue
        seen.add(id(value))
        found.append(users(value))
        stack.extend(value.inputs if isinstance(value.op, Threshold | Lookup | Add | Mul) else ())
    return found


def _narrowed(root: Node, users: Users) -> Value | None:
    outer, joint = _outer(root, users)
    if joint is None:
        return None
    for a in _sides(joint.inputs[0]):
        for b in _sides(joint.inputs[1]):
            stops = {id(a.base), id(b.base)}
            price = _cost(root, stops, users)
            found = _found(root, joint, outer, a, b)
            if found is not None and _cost(found, stops, users) < price:
                return found
    return None


def _outer(root: Node, users: Users) -> tuple[list[Node], Node | None]:
    """The constant functions that end in ``root``, and the sum or product of two tensors before them."""
    outer: list[Node] = [root]
    value = operand_of(root)
    while value is not None and operand_of(value) is not None:
        if users(value) > 1:
            return outer, None
        outer.insert(0, value)
        value = operand_of(value)
    pair = isinstance(value, Node) and isinstance(value.op, Add | Mul)
    if not pair or any(isinstance(v, Const) for v in value.inputs):
        return outer, None
    # A product of two tensors that only thresholds follow is what there is to reach.
    done = isinstance(value.op, Mul) and isinstance(outer[0].op, Threshold)
    done = done and all(operand_of(v) is None for v in value.inputs)
    return outer, None if done else value


def _sides(value: Value) -> list[_Side]:
    """The operand as a function of what is before additions and factors; then of what is before tables."""
    sides: list[_Side] = []
    steps: tuple[Node, ...] = ()
    for kinds in (Add | Mul, Add | Mul | Lookup):
        best = None
        while True:
            # Tables have entries for all integers in between as well.
            if value.type.dtype.hi - value.type.dtype.lo < _MAX_PAIRS:
                best = _Side(value, steps)
            below = operand_of(value)
            if below is None or not isinstance(value.op, kinds):
                break
            steps, value = (value, *steps), below
        if best and (not sides or best.base is not sides[-1].base):
            sides.append(best)
    return sides


def _found(root: Node, joint: Node, outer: list[Node], a: _Side, b: _Side) -> Value | None:
    """Another form of ``root`` as a function of both bases."""
    count = a.base.type.dtype.levels * b.base.type.dtype.levels
    if count > _MAX_PAIRS or a.base is b.base:
        return None
    f, g = a.table(), b.table()
    wide = [n.inputs[1].type.shape[0] for n in outer if n.inputs[1].type.shape[:-1]]
    if count * max(f.shape[1], g.shape[1], *wide, 1) > _MAX_WORK:
        return None
    both = f[:, None] + g if isinstance(joint.op, Add) else f[:, None] * g
    codes = both.reshape(count, -1)
    for node in outer:
        codes = apply(node, codes)
    codes = codes.reshape(len(f), len(g), -1)
    if (codes == codes[:, :1]).all() and codes.shape[2] * len(f) <= FEW_LEVELS:
        return tabulated(a.base, codes[:, 0], root.name)
    if (codes == codes[:1]).all() and codes.shape[2] * len(g) <= FEW_LEVELS:
        return tabulated(b.base, codes[0], root.name)
    tables = (f, g) if isinstance(joint.op, Add) else None
    return cheapest_form(PairFunction(a.base, b.base, codes, tables), root.name)


def _cost(root: Value, stops: set[int], users: Users) -> int:
    """What computing ``root`` from ``stops`` takes, in bits of table; a bit of arithmetic counts as 32.

    Nodes that others use as well are there anyway.
    """
    total, stack = 0, [root]
    while stack:
        value = stack.pop()
        shared = value is not root and users(value) > 1
        if not isinstance(value, Node) or id(value) in stops or shared:
            continue
        x, z = value.inputs
        width = x.type.dtype.bits
        if isinstance(value.op, Lookup):
            total += z.type.size * value.type.dtype.bits
        elif isinstance(value.op, Threshold):
            total += _threshold_cost(z.value, x.type.dtype)
        elif isinstance(value.op, Add):
            total += 32 * value.type.dtype.bits
        else:
            total += (16 if isinstance(z, Const) else 32) * width * z.type.dtype.bits
        stack.extend(value.inputs)
    return total


def _threshold_cost(rows: np.ndarray, x: Int) -> int:
    """Comparisons; or, for rows on lines, a product and a shift, with two numbers a row."""
    compared = 4 * rows.size * x.bits
    straight = 256 * x.bits + 64 * (len(rows) - 1)
    return straight if straight < compared and on_lines(rows, x.lo, x.hi) else compared
