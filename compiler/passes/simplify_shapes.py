"""Compose and cancel what only moves elements, and drop what moves none."""

from ..ir.graph import Graph, Node
from ..ir.ops import (
    DepthToSpace,
    MaxPool,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    SumPool,
    Transpose,
    Upsample,
)
from .layout import compose, is_identity, moves_only_units, permutation_of
from .rewrite import rewrite


def simplify_shapes(graph: Graph) -> Graph:
    """One Transpose or Reshape where there were several, none where nothing moves. Exact.

    transpose(transpose(x, p), q)  ->  transpose(x, p then q)
    reshape(reshape(x))            ->  reshape(x)
    transpose(x, identity)         ->  x
    reshape(x, its own shape)      ->  x
    transpose(x, p)                ->  reshape(x), where p moves axes of size 1 only
    transpose(reshape(transpose(x)))  ->  transpose, reshape, where the reshape moves axes of size 1 only
    slice(x), all of it            ->  x, and alike pad by nothing, upsample by 1, depth_to_space and
        space_to_depth in blocks of 1, and pools of windows of 1
    """

    def rule(node: Node, users):
        match node:
            case Node(Transpose(perm), (x,)):
                return _transpose(x, perm)
            case Node(Reshape(), (x,)) if node.type.shape == x.type.shape:
                return x
            case Node(Reshape(shape), (Node(Reshape(), (x,)),)):
                return Reshape(shape)(x)
        return node.inputs[0] if _moves_nothing(node) else None

    return rewrite(graph, rule)


def _moves_nothing(node: Node) -> bool:
    op = node.op
    if node.type.shape != node.inputs[0].type.shape:
        return False
    if isinstance(op, MaxPool | SumPool):
        return op.kernel == (1, 1) and not any(op.pads)
    return isinstance(op, Slice | Pad | Upsample | DepthToSpace | SpaceToDepth)


def _transpose(x, perm):
    if is_identity(perm):
        return x
    if moves_only_units(x.type.shape, perm):
        return Reshape(tuple(x.type.shape[a] for a in perm))(x)
    match x:
        case Node(Transpose(first), (y,)):
            return Transpose(compose(first, perm))(y)
        case Node(Reshape(), (Node(Transpose(first), (y,)),)) if (units := permutation_of(x)) is not None:
            return Transpose(compose(compose(first, units), perm))(y)
    return None
