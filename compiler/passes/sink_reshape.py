"""Move reshapes below elementwise ops, so that a product and its thresholds stand together."""

from ..ir.graph import Const, Graph, Node
from ..ir.ops import Add, Lookup, Mul, Reshape, Threshold
from .channels import is_per_tensor
from .rewrite import rewrite

_ELEMENTWISE = Threshold | Lookup | Add | Mul


def sink_reshape(graph: Graph) -> Graph:
    """threshold(reshape(x), t)    ->  reshape(threshold(x, t)), and lookup alike
    add(reshape(x), constant)      ->  reshape(add(x, constant)), and mul alike

    Exact. Per-channel constants need the channels to stay the last axis.
    """

    def rule(node: Node, users):
        match node:
            case Node(op, (Node(Reshape(shape), (x,)) as moved, Const() as c)) if isinstance(
                op, _ELEMENTWISE
            ):
                channels = x.type.shape[-1:] == shape[-1:] and len(x.type.shape) > 0
                per_channel = isinstance(op, Threshold | Lookup) or c.value.shape == shape[-1:]
                if not is_per_tensor(node) and not (channels and per_channel):
                    return None
                if not x.type.shape:
                    return None
                above = Node(op, (x, c), node.name)
                return Node(Reshape(shape), (above,), moved.name if users(moved) == 1 else "")
        return None

    return rewrite(graph, rule)
