"""Keep the weights of adder layers within what they are compared with."""

import numpy as np

from ..ir.graph import Const, Graph, Node
from .channels import bias_of, is_adder, with_bias
from .rewrite import rewrite


def clamp_adder_weights(graph: Graph) -> Graph:
    """adder(x, w, b)  ->  adder(x, w clipped to [smallest x, largest x], b - sum of what was cut off)

    Exact, for adder_matmul and adder_conv2d: for w beyond every x, |x - w| = |x - end| + |end - w|. Padding
    counts as x = 0. Weights, differences and sums then need no more bits than x gives them; this is
    AdderQuant's lossless clamp (arXiv 2212.10200) in integers.
    """

    def rule(node: Node, users):
        if not is_adder(node):
            return None
        x, w = node.inputs[:2]
        ends = [x.type.dtype.lo, x.type.dtype.hi, *([0] if any(getattr(node.op, "pads", ())) else [])]
        clamped = np.clip(w.value, min(ends), max(ends))
        cut = np.abs(w.value - clamped).reshape(-1, node.type.shape[-1]).sum(0)
        if not cut.any():
            return None
        narrow = Node(node.op, (x, Const(clamped, w.name), *node.inputs[2:]), node.name)
        return with_bias(narrow, bias_of(node) - cut)

    return rewrite(graph, rule)
