"""Sums, products and other functions of two computed tensors.

Two tensors that follow from one integer of few values are again a function of that integer. Else sums
and products are exact integers of one unit where scales allow it, and a pair of few values is one
integer, the index of a table of all pairs.
"""

import numpy as np

from ...errors import GraphError
from ..ir.graph import Const, Node, Value
from ..ir.ops import Add, Lookup, Mul, Threshold
from .broadcast import broadcast
from .chain import Chain
from .function_ops import quantized
from .function_steps import Function, JoinStep, RecodeStep
from .join_ops import FarApart, linear_multiples, matched
from .source import SourceNode
from .tensors import MAX_LEVELS, Tensor, rescaled


def lower_sum(node: SourceNode, sign: int) -> Tensor:
    """``a + sign * b``, rounded to float32 as the source does."""
    function = np.add if sign > 0 else np.subtract
    first, second = _operands(node)
    shared = _shared(node, first, second, function)
    if shared is not None:
        return shared
    try:
        (a, b), unit = matched([first, second])
    except FarApart:
        if _pairs(first, second) > MAX_LEVELS:
            raise
        return _paired(node, first, second, function)
    if sign < 0:
        b = Mul()(b, Const(np.array([-1])))
    return rescaled(Add()(a, b, name=node.name), np.full((1,) * first.rank, unit))


def lower_product(node: SourceNode) -> Tensor:
    """``a * b``, rounded to float32 as the source does."""
    first, second = _operands(node)
    shared = _shared(node, first, second, np.multiply)
    if shared is not None:
        return shared
    sides = linear_multiples(first), linear_multiples(second)
    if None not in sides:
        # Both are exact float32 numbers of 24 bits, so that their product is exact in float64.
        scale = first.chain.steps[0].params[0] * second.chain.steps[0].params[0]
        return rescaled(Mul()(first.value, second.value, name=node.name), scale)
    return _paired(node, first, second, np.multiply)


def lower_pair(node: SourceNode, function: Function) -> Tensor:
    """Any float32 function of two tensors, element by element."""
    first, second = _operands(node)
    shared = _shared(node, first, second, function)
    return _paired(node, first, second, function) if shared is None else shared


def _operands(node: SourceNode) -> tuple[Tensor, Tensor]:
    tensors = [node.tensor(i) for i in range(2)]
    if any(t.pending for t in tensors):
        raise GraphError("its inputs must be quantized, but one is the model's float input")
    first, second = broadcast([quantized(t) for t in tensors])
    return first, second


def _levels(value: Value) -> int:
    """Integers from the lowest to the highest."""
    return value.type.dtype.hi - value.type.dtype.lo + 1


def _pairs(first: Tensor, second: Tensor) -> int:
    return _levels(first.value) * _levels(second.value)


def _paired(node: SourceNode, first: Tensor, second: Tensor, function: Function) -> Tensor:
    """A function of the index ``first * levels + second``."""
    count = _pairs(first, second)
    if count > MAX_LEVELS:
        raise GraphError(
            f"its inputs must have at most {MAX_LEVELS} pairs of values, not {count}: their results become "
            "a table. Put a quantizer of at most 8 bits in front of each, or give both power-of-two scales."
        )
    levels, lo = _levels(second.value), second.value.type.dtype.lo
    index = Add()(Mul()(first.value, Const(np.array([levels]))), second.value)
    quotient = RecodeStep.of(lambda x: (x - lo) // levels)
    remainder = RecodeStep.of(lambda x: (x - lo) % levels + lo)
    chains = _behind(quotient, first.chain), _behind(remainder, second.chain)
    return _joined(index, chains, function, node.proto.op_type)


def _shared(node: SourceNode, first: Tensor, second: Tensor, function: Function) -> Tensor | None:
    """The result as a function of one integer of few values that both follow from; None without one."""
    others = _ancestry(second.value)
    known = [value for value, _ in others]
    for value, path in _ancestry(first.value):
        place = next((i for i, v in enumerate(known) if v is value), None)
        if place is not None and _levels(value) <= MAX_LEVELS:
            chains = (_along(path, first.chain), _along(others[place][1], second.chain))
            return _joined(value, chains, function, node.proto.op_type)
    return None


def _joined(value: Value, chains: tuple[Chain, Chain], function: Function, operator: str) -> Tensor:
    return Tensor(value, Chain((JoinStep.of(chains, function, operator),)))


def _behind(step: RecodeStep, chain: Chain) -> Chain:
    return Chain((step, *chain.steps))


def _ancestry(value: Value) -> list[tuple[Value, list[Node]]]:
    """The value and what it follows from element by element, the same way for all, and the nodes between."""
    found, path = [(value, [])], []
    while isinstance(value, Node) and _uniform(value):
        path = [value, *path]
        value = value.inputs[0]
        found.append((value, path))
    return found


def _uniform(node: Node) -> bool:
    """Whether the node is one function of one integer, the same for all elements."""
    if not isinstance(node.op, Lookup | Threshold | Mul | Add) or not isinstance(node.inputs[1], Const):
        return False
    shape = node.inputs[1].type.shape
    alone = shape[:-1] in ((), (1,))
    return alone if isinstance(node.op, Lookup | Threshold) else alone and shape[-1:] in ((), (1,))


def _along(path: list[Node], chain: Chain) -> Chain:
    """The chain behind the nodes of a path."""
    if not path:
        return chain

    def function(x: np.ndarray) -> np.ndarray:
        for node in path:
            table = node.inputs[1].value
            flat = table.ravel() if isinstance(node.op, Lookup) else table
            x = node.op.evaluate(x, flat)
        return x

    return _behind(RecodeStep.of(function), chain)
